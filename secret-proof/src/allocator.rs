//! The checking allocator.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by contract; it hands every call to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};

use crate::watched::look;

/// The system's allocator, with a look into every block that is given back. Growing always moves, so the old block is
/// looked into as well.
#[derive(Debug)]
pub struct Checking;

// SAFETY: blocks come from `System` and go back to it, with the layout they were asked for with. `realloc` is the trait's
// own, made of the two functions here.
unsafe impl GlobalAlloc for Checking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` is a block of `layout.size()` bytes that nobody else uses any more. Every byte is initialised: the
        // block was zeroed when it was handed out. (A caller may have moved uninitialised padding into it; the search only
        // compares bytes.)
        let block = unsafe { core::slice::from_raw_parts_mut(at, layout.size()) };
        look(block);
        // So that what was found here is not found again by whoever looks at what `System` gives back.
        block.fill(0);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

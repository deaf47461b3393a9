//! The same look for C libraries in the program, such as aws-lc: `free` and `realloc` of this program stand before those of
//! the C library. glibc on Linux only; elsewhere C libraries are not looked at.

#![expect(
    unsafe_code,
    reason = "free and realloc take pointers; they hand every call to glibc's"
)]

use core::ffi::c_void;

use crate::watched::look;

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn malloc_usable_size(at: *mut c_void) -> usize;
    fn __libc_free(at: *mut c_void);
}

/// Makes the linker take this file, whose `free` nobody calls by name.
pub(crate) fn link() {
    core::hint::black_box(free as unsafe extern "C" fn(*mut c_void));
}

/// # Safety
/// That of C's `free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(at: *mut c_void) {
    if at.is_null() {
        return;
    }
    // SAFETY: a block of malloc has this many bytes, and nobody else uses it any more.
    unsafe {
        let size = malloc_usable_size(at);
        look(core::slice::from_raw_parts(at.cast::<u8>(), size));
        __libc_free(at);
    }
}

/// # Safety
/// That of C's `realloc`. Growing always moves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(at: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: `at` is null or a block of malloc; both blocks have the bytes that are copied.
    unsafe {
        let new = malloc(size);
        if at.is_null() || new.is_null() {
            return new;
        }
        let kept = malloc_usable_size(at).min(size);
        core::ptr::copy_nonoverlapping(at.cast::<u8>(), new.cast::<u8>(), kept);
        free(at);
        new
    }
}

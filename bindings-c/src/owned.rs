//! Structs that C reads by pointer and that own what they point to.

use std::ffi::c_char;

/// What C sees, at the start of what it does not see but frees with it.
#[repr(C)]
pub(crate) struct Shown<V, P> {
    pub(crate) view: V,
    pub(crate) parts: P,
}

/// Hands over `shown`; [`take`] with the same types takes it back.
pub(crate) fn give<V, P>(shown: Shown<V, P>) -> *mut V {
    Box::into_raw(Box::new(shown)).cast()
}

/// Takes back and drops what [`give`] handed over.
///
/// # Safety
/// `view` is NULL or came from `give` of a `Shown<V, P>` with this very `P`, and was not taken before.
#[expect(unsafe_code, reason = "a handle of C's is taken back")]
pub(crate) unsafe fn take<V, P>(view: *mut V) {
    if !view.is_null() {
        // SAFETY: by the contract it is the pointer of that box, whose first field is the view.
        drop(unsafe { Box::from_raw(view.cast::<Shown<V, P>>()) });
    }
}

/// A text with a NUL behind it, whose bytes stay where they are.
///
/// A `Vec`, not a box: moving a box would make the pointers taken from it stale.
pub(crate) struct Text(Vec<u8>);

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len().saturating_add(1));
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Self(bytes)
    }

    pub(crate) fn pointer(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// Without the NUL.
    pub(crate) fn len(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

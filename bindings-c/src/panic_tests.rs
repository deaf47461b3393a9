//! A fault on purpose, for the test of the panic guard in the shipped profile.
#![expect(unsafe_code, reason = "names are exported")]
#![expect(clippy::panic, reason = "the guard is tested with a panic")]

use std::mem::MaybeUninit;

use crate::fault::Error;
use crate::guard::guard;
use crate::status::Status;

/// Panics inside the guard. Not in the header.
///
/// # Safety
/// `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_panic_for_test(
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        std::panic::panic_any("a secret that must not be printed")
    })
}

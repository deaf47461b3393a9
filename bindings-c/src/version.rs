//! Which library this is.
#![expect(unsafe_code, reason = "names are exported")]

use std::ffi::c_char;

/// The ABI of this header. A program that was compiled with it works with every library that answers the same number; a
/// change that breaks programs raises it, and with it the number in the name of the shared library.
pub const K8SENC_ABI_VERSION: u32 = 1;

/// The ABI of the library, to be compared with `K8SENC_ABI_VERSION` at start.
#[unsafe(no_mangle)]
pub extern "C" fn k8senc_abi_version() -> u32 {
    K8SENC_ABI_VERSION
}

/// The release of the library, such as `0.1.0`: a constant text with a NUL behind it, which nobody frees.
#[unsafe(no_mangle)]
pub extern "C" fn k8senc_version() -> *const c_char {
    const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    TEXT.as_ptr().cast()
}

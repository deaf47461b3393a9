//! JavaScript bindings: types, errors and bytes are translated here; decisions are taken in the crates below.
//!
//! This is the inner half. People use the classes of `js/`, which hold one instance each, parse the JSON that comes from
//! here, ask the KMS, and discard an instance that panicked. Answers are JSON text; bytes and secrets never are.
//!
//! Every freed byte of the heap is wiped, so that keys and plaintexts do not stay behind in the module's memory.

mod answer;
mod chain;
mod changes;
mod config;
mod diagnose;
mod failure;
#[cfg(feature = "snapshot")]
mod keyset;
mod kms;
mod lint;
#[cfg(feature = "snapshot")]
mod manifest;
mod options;
mod pasted;
mod places;
#[cfg(feature = "snapshot")]
mod plan;
#[cfg(feature = "snapshot")]
mod snapshot;
#[cfg(feature = "snapshot")]
mod transition;
mod value;
mod verdict;

use wasm_bindgen::prelude::*;

#[global_allocator]
static HEAP: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The version of the package.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Every code that an error about a stored value can have, as a JSON list.
#[wasm_bindgen(js_name = errorCodes)]
pub fn error_codes() -> String {
    answer::json(k8senc::Error::CODES)
}

/// Text of unknown origin, made fit to be shown: what is not printable is escaped.
#[wasm_bindgen]
pub fn escape(bytes: &[u8]) -> String {
    k8senc_audit::escape(bytes)
}

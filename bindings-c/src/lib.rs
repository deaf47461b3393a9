//! The C interface of k8senc.
//!
//! Every function returns a [`Status`](status::Status), writes its outputs last and only on success, and says in its first
//! lines what becomes of its arguments: `Gives` an output to the caller, `Takes` an argument for good, else it borrows for the
//! call. It starts no thread, calls nobody back, handles no signal and prints nothing. `docs/c.md` is for users, `SAFETY.md`
//! has the invariants of the unsafe code.

#[cfg(not(panic = "unwind"))]
compile_error!(
    "the panic guard needs panic = \"unwind\": with \"abort\" a fault would end the caller's process"
);

pub mod audit;
pub mod buf;
pub mod chain;
pub mod config;
pub mod contract;
pub mod deks;
pub mod fault;
mod guard;
pub mod inspect;
pub mod keyset;
pub mod kmsv1;
pub mod kmsv2;
mod options;
mod owned;
mod packed;
#[cfg(feature = "panic-test")]
mod panic_tests;
pub mod plugins;
mod random;
mod raw;
mod report;
pub mod requests;
pub mod seal;
pub mod status;
pub mod version;

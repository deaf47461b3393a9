//! What concerns the KMS: which DEKs are needed, which are known, what is written with, what a plugin may answer.

pub mod contract;
mod dek;
pub mod plugins;
mod source;

pub use contract::EncryptAnswer;
pub use dek::{DekRequest, DekTable, KmsApi, KmsState};
pub(crate) use dek::{Lookup, stale_for};
pub use source::WriteSource;

//! What concerns the KMS: which DEKs are needed, which are known.

mod dek;

pub use dek::{DekRequest, DekTable, KmsApi, KmsState};
pub(crate) use dek::{Lookup, stale_for};

//! What concerns the KMS: which DEKs are needed, which are known, what is written with, what a plugin may answer, and
//! how kube-apiserver treats it over time.

pub mod contract;
mod dek;
pub mod keyset;
pub mod plugins;
mod poll;
pub mod probe_v1;
mod rotation;
mod source;
pub mod state;
mod time;

pub use contract::{EncryptAnswer, StatusAnswer};
pub use dek::{DekRequest, DekTable, KmsApi, KmsState};
pub(crate) use dek::{Lookup, stale_for};
pub use poll::{FAILING_INTERVAL, HEALTHY_INTERVAL};
pub use probe_v1::KmsV1;
pub use rotation::RotationFailure;
pub use source::WriteSource;
pub use state::KmsV2;

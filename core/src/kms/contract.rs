//! What a KMS v2 plugin may answer, as kube-apiserver checks it.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use crate::{Error, wire::kmsv2};

/// What a KMS v2 plugin's Encrypt answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptAnswer {
    /// The encrypted DEK or seed, 1 to 1,024 bytes.
    pub ciphertext: Vec<u8>,
    /// Which KEK was used, 1 to 1,024 bytes; the same as Status reports.
    pub key_id: String,
    /// What the plugin wants back at Decrypt: keys are domain names of two labels or more, all keys and values together
    /// at most 32,768 bytes.
    pub annotations: BTreeMap<String, Vec<u8>>,
}

impl EncryptAnswer {
    /// kube-apiserver's checks, in its order; the first that fails, and for annotations all that do.
    ///
    /// # Errors
    /// [`Error::KmsV2DekSourceSize`], [`Error::KmsV2KeyIdSize`], [`Error::KmsV2Annotations`].
    pub fn check(&self) -> Result<(), Error> {
        kmsv2::check(&self.ciphertext, &self.key_id, &self.annotations)
    }
}

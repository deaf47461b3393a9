//! What a KMS v2 plugin may answer, as kube-apiserver checks it.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{Error, wire::kmsv2};

/// Versions of the KMS v2 API that Status may report.
pub const VERSIONS: [&str; 2] = ["v2", "v2beta1"];

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

/// What a KMS v2 plugin's Status answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusAnswer {
    /// One of [`VERSIONS`], always the same one.
    pub version: String,
    /// `ok`, in lower case and nothing else; any other text is the plugin's complaint.
    pub healthz: String,
    /// Which KEK Encrypt uses now, 1 to 1,024 bytes.
    pub key_id: String,
}

impl StatusAnswer {
    /// All that kube-apiserver finds wrong, in its order, none if it is right. `first_version` is the first good
    /// version that this plugin reported, if it reported one before.
    ///
    /// [`Error::KmsHealthz`], [`Error::KmsVersion`], [`Error::KmsVersionChanged`], [`Error::KmsStatusKeyId`].
    pub fn faults(&self, first_version: Option<&str>) -> Vec<Error> {
        let mut faults = Vec::new();
        if self.healthz != "ok" {
            faults.push(Error::KmsHealthz {
                got: self.healthz.clone(),
            });
        }
        if !self.version_is_known() {
            faults.push(Error::KmsVersion {
                got: self.version.clone(),
            });
        } else if let Some(first) = first_version.filter(|first| *first != self.version) {
            faults.push(Error::KmsVersionChanged {
                first: first.into(),
                got: self.version.clone(),
            });
        }
        if kmsv2::check_key_id(&self.key_id).is_err() {
            faults.push(Error::KmsStatusKeyId {
                hash: key_id_hash(&self.key_id),
                got: self.key_id.len(),
            });
        }
        faults
    }

    /// Whether the version is one of [`VERSIONS`].
    pub fn version_is_known(&self) -> bool {
        VERSIONS.contains(&self.version.as_str())
    }
}

/// How kube-apiserver shows a key_id in texts and metrics: `sha256:` and the digest in lower-case hex; empty stays empty.
pub fn key_id_hash(key_id: &str) -> String {
    let mut text = String::new();
    if key_id.is_empty() {
        return text;
    }
    text.push_str("sha256:");
    for byte in Sha256::digest(key_id.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

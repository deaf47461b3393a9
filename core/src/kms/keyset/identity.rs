//! What a KEK is, for the hash that becomes the key_id.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

/// The identity of one KEK in one version: equal for the same key material, different for any other. Only its hash is ever
/// stored, together with those of the other KEKs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(Vec<u8>);

impl Identity {
    /// From what names a key and its version at its KMS, each part with its length in front. What belongs into it for each
    /// kind is in `docs/keyset.md`; endpoints, credentials and time-outs do not.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            push_part(&mut bytes, part);
        }
        Self(bytes)
    }

    /// Of a recovery recipient: the hash of its public key.
    pub(super) fn of_public_key(public: &[u8]) -> Self {
        Self::of_parts(&[&Sha256::digest(public)])
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(super) fn push_part(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u64).to_be_bytes());
    out.extend_from_slice(part);
}

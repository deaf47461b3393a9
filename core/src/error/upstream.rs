//! The errors in kube-apiserver's words, and its way to join several.

use alloc::{format, string::String, vec::Vec};

use super::Error;
use crate::text::quote;

impl Error {
    /// What kube-apiserver says, or `None` where it says nothing comparable (it panics, or never gets there).
    pub fn upstream(&self) -> Option<String> {
        Some(match self {
            Self::StoredTooShort { .. } => "the stored data was shorter than the required size".into(),
            Self::NotBlockAligned { .. } => "the stored data is not a multiple of the block size".into(),
            Self::PaddingLength => "invalid PKCS7 data (empty or not padded)".into(),
            Self::PaddingBytes => "invalid padding on input".into(),
            Self::Authentication { secretbox: false } => "cipher: message authentication failed".into(),
            Self::Authentication { secretbox: true } => "output array was not large enough for encryption".into(),
            Self::IdentityRefused => "identity transformer tried to read encrypted data".into(),
            Self::NoMatchingPrefix => "no matching prefix found".into(),
            Self::NoMatchingKey { secretbox: false } => {
                "no matching key was found for the provided AES transformer".into()
            }
            Self::NoMatchingKey { secretbox: true } => {
                "no matching key was found for the provided Secretbox transformer".into()
            }
            Self::KmsV1Length => {
                "invalid data encountered by envelope transformer: failed to read uint16 length prefixed data".into()
            }
            Self::KmsV1DekTooLong { got } => {
                format!("cryptobyte: pending child length {got} exceeds 2-byte length prefix")
            }
            Self::DekRefused { v2: false, reason } => reason.clone(),
            Self::DekRefused { v2: true, reason } => format!("failed to decrypt DEK, error: {reason}"),
            Self::DekSize { got } => format!("crypto/aes: invalid key size {got}"),
            Self::SeedTooShort { got } => format!("invalid seed length {got} used for key generation"),
            Self::KmsV2Malformed => "proto: cannot parse invalid wire-format data".into(),
            Self::KmsV2Utf8 => "string field contains invalid UTF-8".into(),
            Self::KmsV2DekSourceType(n) => format!("unknown encryptedDEKSourceType: {n}"),
            Self::KmsV2DataEmpty => "encrypted data is empty".into(),
            Self::KmsV2DekSourceSize { got: 0 } => {
                "failed to validate encrypted DEK source: encrypted DEK source is empty".into()
            }
            Self::KmsV2DekSourceSize { got } => format!(
                "failed to validate encrypted DEK source: encrypted DEK source is {got} bytes, which exceeds the max size of 1024"
            ),
            Self::KmsV2KeyIdSize { got: 0 } => "failed to validate key id: keyID is empty".into(),
            Self::KmsV2KeyIdSize { got } => {
                format!("failed to validate key id: keyID is {got} bytes, which exceeds the max size of 1024")
            }
            Self::KmsV2Annotations(texts) => format!("failed to validate annotations: {}", aggregate_text(texts)),
            Self::KmsNeverHealthy => "got unexpected nil transformer".into(),
            Self::Several(errors) => {
                let texts: Vec<String> = errors.iter().filter_map(Self::upstream).collect();
                aggregate_text(&texts)
            }
            Self::KmsCall { provider: None, reason, .. } => reason.clone(),
            Self::KmsCall { call, provider: Some(provider), reason } => format!(
                "failed to perform {} section of the healthz check for KMS Provider {provider}, error: {reason}",
                call.name()
            ),
            Self::KmsHealthz { got } => format!("got unexpected healthz status: {got}"),
            Self::KmsVersion { got } => format!("expected KMSv2 API version v2, got {got}"),
            Self::KmsVersionChanged { first, got } => format!(
                "KMSv2 API version should not change after the initial status response version {first}, got {got}"
            ),
            Self::KmsStatusKeyId { hash, got } => {
                let size = match got {
                    0 => "keyID is empty".into(),
                    _ => format!("keyID is {got} bytes, which exceeds the max size of 1024"),
                };
                format!("got invalid KMSv2 KeyID hash {}: {size}", quote(hash))
            }
            Self::KmsEncryptRefused { reason } => format!("failed to encrypt DEK, error: {reason}"),
            Self::KmsRotation(failure) => failure.upstream(),
            Self::KmsUnhealthy { provider, causes } => {
                let texts: Vec<String> = causes.iter().filter_map(Self::upstream).collect();
                format!("kmsv2 Provider {provider} is not healthy, error: {}", aggregate_text(&texts))
            }
            Self::KmsWriteExpired { key_id, expired, now } => format!(
                "encryptedDEKSource with keyID hash {} expired at {expired} (current time is {now})",
                quote(key_id)
            ),
            Self::CbcIvOnly
            | Self::AadEmpty
            | Self::CounterOverflow
            | Self::NoKeys
            | Self::KeySize { .. }
            | Self::RandomTooShort { .. }
            | Self::NoWriteKey
            | Self::KeysetMalformed(_)
            | Self::KeysetRefused(_)
            | Self::KeysetIntegrity => return None,
        })
    }

    /// Joins failures as upstream's aggregate does: nested ones flattened, equal texts once, one left is itself.
    pub(crate) fn aggregate(errors: Vec<Self>) -> Option<Self> {
        let mut distinct: Vec<Self> = Vec::new();
        let mut texts: Vec<Option<String>> = Vec::new();
        for error in errors.into_iter().flat_map(|e| match e {
            Self::Several(inner) => inner,
            other => alloc::vec![other],
        }) {
            let text = error.upstream();
            // What upstream panics on has no text to be equal to another.
            if text.is_none() || !texts.contains(&text) {
                texts.push(text);
                distinct.push(error);
            }
        }
        // Upstream's process panicked before it could aggregate anything.
        if let Some(at) = distinct.iter().position(|e| e.upstream().is_none()) {
            return Some(distinct.swap_remove(at));
        }
        match distinct.len() {
            0 => None,
            1 => distinct.pop(),
            _ => Some(Self::Several(distinct)),
        }
    }
}

/// `[a, b]` for two texts or more, the text itself for one.
pub(crate) fn aggregate_text(texts: &[String]) -> String {
    match texts {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

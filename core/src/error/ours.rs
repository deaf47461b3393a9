//! The errors in our words.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use super::{Error, aggregate_text};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StoredTooShort { need, got } => {
                write!(f, "the stored body is {got} bytes, its format needs at least {need}")
            }
            Self::NotBlockAligned { got } => {
                write!(f, "the ciphertext is {got} bytes, which is no multiple of the 16-byte block")
            }
            Self::CbcIvOnly => f.write_str("the stored body is an IV and nothing else (kube-apiserver panics on it)"),
            Self::PaddingLength => {
                f.write_str("the padding length is impossible: another key, or a damaged last block")
            }
            Self::PaddingBytes => f.write_str("the padding bytes differ: another key, or a damaged last block"),
            Self::Authentication { .. } => {
                f.write_str("authentication failed: another key, a value moved from another etcd key, or damage")
            }
            Self::IdentityRefused => f.write_str("the value is encrypted and no rule covers its resource"),
            Self::NoMatchingPrefix => f.write_str("no provider of this resource has the prefix of the value"),
            Self::NoMatchingKey { .. } => {
                f.write_str("the provider is configured, but no key of it has the name in the value")
            }
            Self::KmsV1Length => f.write_str("the length of the encrypted DEK is missing or longer than the value"),
            Self::KmsV1DekTooLong { got } => {
                write!(f, "the encrypted DEK is {got} bytes, a KMS v1 value holds at most 65535")
            }
            Self::DekRefused { reason, .. } => write!(f, "the KMS did not decrypt the DEK: {}", reason.escape_default()),
            Self::DekSize { got } => write!(f, "the DEK is {got} bytes, AES takes 16, 24 or 32"),
            Self::SeedTooShort { got } => write!(f, "the seed is {got} bytes, at least 32 are needed"),
            Self::AadEmpty => f.write_str("the etcd key is empty, KMS v2 values need one (kube-apiserver panics)"),
            Self::KmsV2Malformed => f.write_str("the KMS v2 value is no protobuf message: cut short or damaged"),
            Self::KmsV2Utf8 => f.write_str("a key_id or annotation key of the KMS v2 value is not UTF-8"),
            Self::KmsV2DekSourceType(n) => write!(f, "the KMS v2 value is of kind {n}, known are 0 (key) and 1 (seed)"),
            Self::KmsV2DataEmpty => f.write_str("the KMS v2 value has no encrypted data"),
            Self::KmsV2DekSourceSize { got } => {
                write!(f, "the encrypted DEK source is {got} bytes, 1 to 1024 are allowed")
            }
            Self::KmsV2KeyIdSize { got } => write!(f, "the key_id is {got} bytes, 1 to 1024 are allowed"),
            Self::KmsV2Annotations(texts) => {
                write!(f, "{} annotation rule(s) broken: {}", texts.len(), aggregate_text(texts))
            }
            Self::KmsNeverHealthy => {
                f.write_str("the KMS v2 plugin has never been healthy since start, so nothing is read or written")
            }
            Self::Several(errors) => {
                let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(f, "{} attempts failed: {}", texts.len(), texts.join("; "))
            }
            Self::CounterOverflow => f.write_str("the nonce counter of this DEK is used up"),
            Self::NoKeys => f.write_str("the provider has no key"),
            Self::KeySize { provider: "secretbox", got } => write!(f, "the key is {got} bytes, secretbox takes 32"),
            Self::KeySize { provider, got } => write!(f, "the key is {got} bytes, {provider} takes 16, 24 or 32"),
            Self::RandomTooShort { need, got } => {
                write!(f, "{got} random bytes were given, the format draws {need}")
            }
            Self::NoWriteKey => f.write_str("the KMS provider has no DEK or seed to write with"),
            Self::KmsCall { call, reason, .. } => {
                write!(f, "the KMS plugin did not answer {}: {}", call.name(), reason.escape_default())
            }
            Self::KmsHealthz { got } => {
                write!(f, "the KMS plugin reports healthz {:?}, \"ok\" is needed", got)
            }
            Self::KmsVersion { got } => write!(f, "the KMS plugin reports version {got:?}, \"v2\" is needed"),
            Self::KmsVersionChanged { first, got } => {
                write!(f, "the KMS plugin reports version {got:?}, it reported {first:?} before")
            }
            Self::KmsStatusKeyId { got, .. } => {
                write!(f, "the KMS plugin reports a key_id of {got} bytes, 1 to 1024 are allowed")
            }
            Self::KmsEncryptRefused { reason } => {
                write!(f, "the KMS did not encrypt the seed: {}", reason.escape_default())
            }
            Self::KmsRotation(failure) => match &failure.cause {
                Some(cause) => write!(f, "no seed for the new key_id: {cause}"),
                None => f.write_str("no seed for the new key_id: Encrypt answered another key_id than Status"),
            },
            Self::KmsUnhealthy { causes, .. } => {
                let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
                write!(f, "the KMS plugin is not healthy: {}", texts.join("; "))
            }
            Self::KmsWriteExpired { expired, .. } => {
                write!(f, "the seed expired at {expired}, as the KMS plugin has not reported its key_id since")
            }
            Self::KeysetMalformed(what) => write!(f, "no keyset record: {what}"),
            Self::KeysetRefused(what) => write!(f, "the keyset refuses: {what}"),
            Self::KeysetIntegrity => {
                f.write_str("the keyset record failed its integrity check: another key or label, or changed bytes")
            }
        }
    }
}

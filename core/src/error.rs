//! The one error list. Vectors, C status numbers, Go sentinels, Python exceptions and JavaScript errors come from it.

mod code;
mod ours;
mod upstream;

use alloc::{boxed::Box, string::String, vec::Vec};

pub(crate) use upstream::aggregate_text;

use crate::kms::RotationFailure;

/// A call to a KMS plugin that a health probe makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KmsCall {
    /// KMS v2.
    Status,
    /// KMS v1.
    Encrypt,
    /// KMS v1.
    Decrypt,
}

impl KmsCall {
    /// `status`, `encrypt` or `decrypt`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }
}

/// Why a stored value was not opened, a value not written, or a chain not built.
///
/// [`code`](Self::code) is stable and never reworded, `Display` is our own clause, [`upstream`](Self::upstream) is what
/// kube-apiserver says. None of them ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The body is shorter than its format allows.
    StoredTooShort {
        /// Bytes the format needs at least.
        need: usize,
        /// Bytes there are.
        got: usize,
    },
    /// An aescbc ciphertext is no whole number of 16-byte blocks.
    NotBlockAligned {
        /// Bytes of ciphertext behind the IV.
        got: usize,
    },
    /// An aescbc body is its IV and nothing else; kube-apiserver panics on it.
    CbcIvOnly,
    /// The pad byte is 0 or larger than the plaintext.
    PaddingLength,
    /// The padding bytes are not all alike.
    PaddingBytes,
    /// The tag does not fit: another key, another etcd key, or damaged bytes.
    Authentication {
        /// True for secretbox, where upstream's text speaks of an output array.
        secretbox: bool,
    },
    /// A value that starts with `k8s:enc:` was given to a bare identity.
    IdentityRefused,
    /// No provider of the chain has the prefix of this value.
    NoMatchingPrefix,
    /// A provider has the prefix, none of its keys has the name.
    NoMatchingKey {
        /// True for secretbox, false for AES.
        secretbox: bool,
    },
    /// The 2-byte length of a KMS v1 value is missing or longer than the value.
    KmsV1Length,
    /// The plugin answered an encrypted DEK that no 2-byte length can tell; same code as [`KmsV1Length`](Self::KmsV1Length).
    KmsV1DekTooLong {
        /// Its length in bytes, over 65,535.
        got: usize,
    },
    /// The KMS refused to decrypt the DEK.
    DekRefused {
        /// The API version decides upstream's wording.
        v2: bool,
        /// What the plugin said.
        reason: String,
    },
    /// A DEK (or static key) is no AES key.
    DekSize {
        /// Its length in bytes.
        got: usize,
    },
    /// A KMS v2 seed has fewer than 32 bytes.
    SeedTooShort {
        /// Its length in bytes.
        got: usize,
    },
    /// An empty etcd key; KMS v2 in seed form needs one, and kube-apiserver panics without it.
    AadEmpty,
    /// The bytes of a KMS v2 value are no protobuf message.
    KmsV2Malformed,
    /// A string of a KMS v2 value is not UTF-8.
    KmsV2Utf8,
    /// A KMS v2 value says it is of a kind nobody knows.
    KmsV2DekSourceType(i32),
    /// A KMS v2 value without encrypted data.
    KmsV2DataEmpty,
    /// The encrypted DEK source of a KMS v2 value is empty or over 1,024 bytes.
    KmsV2DekSourceSize {
        /// Its length in bytes.
        got: usize,
    },
    /// The key_id of a KMS v2 value is empty or over 1,024 bytes.
    KmsV2KeyIdSize {
        /// Its length in bytes.
        got: usize,
    },
    /// Annotations of a KMS v2 value that kube-apiserver refuses: its texts, one per fault.
    KmsV2Annotations(Vec<String>),
    /// The KMS v2 plugin has never been healthy in this API server, so it reads and writes nothing.
    KmsNeverHealthy,
    /// Two or more providers failed in different ways, in chain order.
    Several(Vec<Error>),
    /// A counter nonce would start again; kube-apiserver ends its process there.
    CounterOverflow,
    /// A provider without a key.
    NoKeys,
    /// A static key of a length its provider does not take.
    KeySize {
        /// The provider.
        provider: &'static str,
        /// Its length in bytes.
        got: usize,
    },
    /// Fewer random bytes than the format draws.
    RandomTooShort {
        /// Bytes the format draws.
        need: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A KMS provider was asked to write without the key it should write with.
    NoWriteKey,
    /// A call of a health probe failed.
    KmsCall {
        /// Which one.
        call: KmsCall,
        /// The provider; `None` when a failure of the last 3 s is repeated, which upstream does without its wrapper.
        provider: Option<String>,
        /// What the plugin said, or why it said nothing.
        reason: String,
    },
    /// Status of a KMS v2 plugin reports a healthz other than `ok`.
    KmsHealthz {
        /// What it reports.
        got: String,
    },
    /// Status of a KMS v2 plugin reports a version of the API that kube-apiserver does not know.
    KmsVersion {
        /// What it reports.
        got: String,
    },
    /// Status of a KMS v2 plugin reports another version than before.
    KmsVersionChanged {
        /// The first good one.
        first: String,
        /// The one it reports now.
        got: String,
    },
    /// Status of a KMS v2 plugin reports a key_id that is empty or over 1,024 bytes.
    KmsStatusKeyId {
        /// `sha256:` and hex; empty for an empty key_id.
        hash: String,
        /// Its length in bytes.
        got: usize,
    },
    /// Encrypt of a KMS v2 plugin failed.
    KmsEncryptRefused {
        /// What the plugin said.
        reason: String,
    },
    /// A KMS v2 plugin reports a new key_id, and no seed could be had for it.
    KmsRotation(Box<RotationFailure>),
    /// All that is wrong with a KMS v2 plugin.
    KmsUnhealthy {
        /// The provider.
        provider: String,
        /// One or more: healthz, version, key_id, rotation.
        causes: Vec<Error>,
    },
    /// No good Status for so long that the seed may not be written with any more.
    KmsWriteExpired {
        /// `sha256:` and hex of the seed's key_id.
        key_id: String,
        /// When it expired, RFC 3339.
        expired: String,
        /// The time of the write, RFC 3339.
        now: String,
    },
    /// The bytes are no keyset record, or the key_id beside them is no keyset's.
    KeysetMalformed(&'static str),
    /// A keyset, or the writing or opening of its record, is not allowed as asked for.
    KeysetRefused(&'static str),
    /// Record, key_id, wrap and keys do not belong together. Final for the record: no other wrap is to be tried.
    KeysetIntegrity,
}

impl core::error::Error for Error {}

//! The one error list. Vectors, C status numbers, Go sentinels, Python exceptions and JavaScript errors come from it.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use crate::{kms::RotationFailure, text::quote};

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

impl Error {
    /// Every code there is, in the order of the list.
    pub const CODES: &'static [&'static str] = &[
        "stored-too-short",
        "not-block-aligned",
        "cbc-iv-only",
        "padding-length",
        "padding-bytes",
        "authentication",
        "identity-refused",
        "no-matching-prefix",
        "no-matching-key",
        "kmsv1-length",
        "dek-refused",
        "dek-size",
        "seed-too-short",
        "aad-empty",
        "kmsv2-malformed",
        "kmsv2-utf8",
        "kmsv2-dek-source-type",
        "kmsv2-data-empty",
        "kmsv2-dek-source-size",
        "kmsv2-key-id-size",
        "kmsv2-annotations",
        "kms-never-healthy",
        "several",
        "counter-overflow",
        "no-keys",
        "key-size",
        "random-too-short",
        "no-write-key",
        "kms-call",
        "kms-healthz",
        "kms-version",
        "kms-version-changed",
        "kms-status-key-id",
        "kms-encrypt-refused",
        "kms-rotation",
        "kms-unhealthy",
        "kms-write-expired",
        "keyset-malformed",
        "keyset-refused",
        "keyset-integrity",
    ];

    /// The name that vectors, C, Python and JavaScript share. Never reworded.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::StoredTooShort { .. } => "stored-too-short",
            Self::NotBlockAligned { .. } => "not-block-aligned",
            Self::CbcIvOnly => "cbc-iv-only",
            Self::PaddingLength => "padding-length",
            Self::PaddingBytes => "padding-bytes",
            Self::Authentication { .. } => "authentication",
            Self::IdentityRefused => "identity-refused",
            Self::NoMatchingPrefix => "no-matching-prefix",
            Self::NoMatchingKey { .. } => "no-matching-key",
            Self::KmsV1Length | Self::KmsV1DekTooLong { .. } => "kmsv1-length",
            Self::DekRefused { .. } => "dek-refused",
            Self::DekSize { .. } => "dek-size",
            Self::SeedTooShort { .. } => "seed-too-short",
            Self::AadEmpty => "aad-empty",
            Self::KmsV2Malformed => "kmsv2-malformed",
            Self::KmsV2Utf8 => "kmsv2-utf8",
            Self::KmsV2DekSourceType(_) => "kmsv2-dek-source-type",
            Self::KmsV2DataEmpty => "kmsv2-data-empty",
            Self::KmsV2DekSourceSize { .. } => "kmsv2-dek-source-size",
            Self::KmsV2KeyIdSize { .. } => "kmsv2-key-id-size",
            Self::KmsV2Annotations(_) => "kmsv2-annotations",
            Self::KmsNeverHealthy => "kms-never-healthy",
            Self::Several(_) => "several",
            Self::CounterOverflow => "counter-overflow",
            Self::NoKeys => "no-keys",
            Self::KeySize { .. } => "key-size",
            Self::RandomTooShort { .. } => "random-too-short",
            Self::NoWriteKey => "no-write-key",
            Self::KmsCall { .. } => "kms-call",
            Self::KmsHealthz { .. } => "kms-healthz",
            Self::KmsVersion { .. } => "kms-version",
            Self::KmsVersionChanged { .. } => "kms-version-changed",
            Self::KmsStatusKeyId { .. } => "kms-status-key-id",
            Self::KmsEncryptRefused { .. } => "kms-encrypt-refused",
            Self::KmsRotation(_) => "kms-rotation",
            Self::KmsUnhealthy { .. } => "kms-unhealthy",
            Self::KmsWriteExpired { .. } => "kms-write-expired",
            Self::KeysetMalformed(_) => "keyset-malformed",
            Self::KeysetRefused(_) => "keyset-refused",
            Self::KeysetIntegrity => "keyset-integrity",
        }
    }

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

impl core::error::Error for Error {}

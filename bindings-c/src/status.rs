//! Status numbers. They are for ever: a retired one leaves a tombstone and is not given again.

/// What a call came to. 0 is success; 1 to 99 blame the call itself; 100 to 199 are core's errors, of stored values, KMS
/// plugins and keysets; 200 to 299 configurations; 300 to 399 snapshot files. `k8senc_error` has the reason in words.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done; outputs are written.
    Ok = 0,
    /// A pointer that must not be NULL is NULL.
    NullPointer = 1,
    /// The output buffer is shorter than the function asks for.
    BufferTooSmall = 2,
    /// A fault of this library was caught. The handles of the call may be freed, and should not be used any more.
    Panic = 3,
    /// The value needs an answer of its KMS that the table of DEKs does not have: `k8senc_error.request` is the question.
    DekNeeded = 4,
    /// A text is no UTF-8.
    NotUtf8 = 5,
    /// The operating system gave no random bytes.
    NoRandomness = 6,
    /// A number, offset or packed list that is out of range; the text says which.
    BadArgument = 7,
    /// A handle that serves once was used before.
    Spent = 8,
    /// The JSON of an options argument is malformed or has an unknown field.
    BadOptions = 9,

    /// The body is shorter than its format allows.
    StoredTooShort = 100,
    /// An aescbc ciphertext is no whole number of blocks.
    NotBlockAligned = 101,
    /// An aescbc body is its IV and nothing else.
    CbcIvOnly = 102,
    /// The pad byte is 0 or larger than the plaintext.
    PaddingLength = 103,
    /// The padding bytes are not all alike.
    PaddingBytes = 104,
    /// The tag does not fit: another key, another etcd key, or damaged bytes.
    Authentication = 105,
    /// An encrypted value was given to a bare identity.
    IdentityRefused = 106,
    /// No provider of the chain has the prefix of the value.
    NoMatchingPrefix = 107,
    /// A provider has the prefix, none of its keys has the name.
    NoMatchingKey = 108,
    /// A 2-byte length of a KMS v1 value is missing, too long, or not possible.
    KmsV1Length = 109,
    /// The KMS refused to decrypt the DEK.
    DekRefused = 110,
    /// A DEK is no AES key.
    DekSize = 111,
    /// A KMS v2 seed has fewer than 32 bytes.
    SeedTooShort = 112,
    /// An empty etcd key where the format needs one.
    AadEmpty = 113,
    /// The bytes of a KMS v2 value are no protobuf message.
    KmsV2Malformed = 114,
    /// A string of a KMS v2 value is not UTF-8.
    KmsV2Utf8 = 115,
    /// A KMS v2 value of a kind nobody knows.
    KmsV2DekSourceType = 116,
    /// A KMS v2 value without encrypted data.
    KmsV2DataEmpty = 117,
    /// The encrypted DEK or seed is empty or over 1,024 bytes.
    KmsV2DekSourceSize = 118,
    /// The key_id is empty or over 1,024 bytes.
    KmsV2KeyIdSize = 119,
    /// Annotations that kube-apiserver refuses.
    KmsV2Annotations = 120,
    /// The KMS v2 plugin has never been healthy.
    KmsNeverHealthy = 121,
    /// Two or more providers failed in different ways.
    Several = 122,
    /// A counter nonce would start again.
    CounterOverflow = 123,
    /// A provider without a key.
    NoKeys = 124,
    /// A key of a length its provider does not take.
    KeySize = 125,
    /// Fewer random bytes than the format draws.
    RandomTooShort = 126,
    /// A KMS provider was asked to write without the key it writes with.
    NoWriteKey = 127,
    /// A call of a health probe failed.
    KmsCall = 128,
    /// Status reports a healthz other than `ok`.
    KmsHealthz = 129,
    /// Status reports a version of the API that kube-apiserver does not know.
    KmsVersion = 130,
    /// Status reports another version than before.
    KmsVersionChanged = 131,
    /// Status reports a key_id that is empty or over 1,024 bytes.
    KmsStatusKeyId = 132,
    /// Encrypt of the plugin failed.
    KmsEncryptRefused = 133,
    /// The plugin reports a new key_id, and no seed could be had for it.
    KmsRotation = 134,
    /// All that is wrong with a KMS v2 plugin.
    KmsUnhealthy = 135,
    /// No good Status for so long that the seed may not be written with any more.
    KmsWriteExpired = 136,
    /// No keyset record, or no keyset's key_id.
    KeysetMalformed = 137,
    /// A keyset, or the writing or opening of its record, is not allowed as asked for.
    KeysetRefused = 138,
    /// Record, key_id, wrap and keys do not belong together.
    KeysetIntegrity = 139,
    /// An error that this header has no number for yet; `k8senc_error.code` names it.
    Unlisted = 199,

    /// kube-apiserver would refuse the configuration.
    ConfigRefused = 200,
    /// Not a version of Kubernetes.
    UnknownVersion = 201,
    /// There is no such lint rule.
    UnknownRule = 202,

    /// The file cannot be opened.
    SnapshotOpen = 300,
    /// The path names no regular file.
    SnapshotNotAFile = 301,
    /// The file is no etcd backend, or is damaged where it cannot be skipped.
    SnapshotUnreadable = 302,
}

/// Core's codes with their numbers.
const OF_CORE: &[(&str, Status)] = &[
    ("stored-too-short", Status::StoredTooShort),
    ("not-block-aligned", Status::NotBlockAligned),
    ("cbc-iv-only", Status::CbcIvOnly),
    ("padding-length", Status::PaddingLength),
    ("padding-bytes", Status::PaddingBytes),
    ("authentication", Status::Authentication),
    ("identity-refused", Status::IdentityRefused),
    ("no-matching-prefix", Status::NoMatchingPrefix),
    ("no-matching-key", Status::NoMatchingKey),
    ("kmsv1-length", Status::KmsV1Length),
    ("dek-refused", Status::DekRefused),
    ("dek-size", Status::DekSize),
    ("seed-too-short", Status::SeedTooShort),
    ("aad-empty", Status::AadEmpty),
    ("kmsv2-malformed", Status::KmsV2Malformed),
    ("kmsv2-utf8", Status::KmsV2Utf8),
    ("kmsv2-dek-source-type", Status::KmsV2DekSourceType),
    ("kmsv2-data-empty", Status::KmsV2DataEmpty),
    ("kmsv2-dek-source-size", Status::KmsV2DekSourceSize),
    ("kmsv2-key-id-size", Status::KmsV2KeyIdSize),
    ("kmsv2-annotations", Status::KmsV2Annotations),
    ("kms-never-healthy", Status::KmsNeverHealthy),
    ("several", Status::Several),
    ("counter-overflow", Status::CounterOverflow),
    ("no-keys", Status::NoKeys),
    ("key-size", Status::KeySize),
    ("random-too-short", Status::RandomTooShort),
    ("no-write-key", Status::NoWriteKey),
    ("kms-call", Status::KmsCall),
    ("kms-healthz", Status::KmsHealthz),
    ("kms-version", Status::KmsVersion),
    ("kms-version-changed", Status::KmsVersionChanged),
    ("kms-status-key-id", Status::KmsStatusKeyId),
    ("kms-encrypt-refused", Status::KmsEncryptRefused),
    ("kms-rotation", Status::KmsRotation),
    ("kms-unhealthy", Status::KmsUnhealthy),
    ("kms-write-expired", Status::KmsWriteExpired),
    ("keyset-malformed", Status::KeysetMalformed),
    ("keyset-refused", Status::KeysetRefused),
    ("keyset-integrity", Status::KeysetIntegrity),
];

/// What the call itself can be blamed for, with the codes that this crate adds.
const OF_CALLS: &[(&str, Status)] = &[
    ("ok", Status::Ok),
    ("null-pointer", Status::NullPointer),
    ("buffer-too-small", Status::BufferTooSmall),
    ("panic", Status::Panic),
    ("dek-needed", Status::DekNeeded),
    ("not-utf8", Status::NotUtf8),
    ("no-randomness", Status::NoRandomness),
    ("bad-argument", Status::BadArgument),
    ("spent", Status::Spent),
    ("bad-options", Status::BadOptions),
];

impl Status {
    /// The number of one of core's errors.
    pub(crate) fn of(error: &k8senc::Error) -> Self {
        Self::of_code(error.code()).unwrap_or(Self::Unlisted)
    }

    /// The number of one of core's codes.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        OF_CORE.iter().find(|(c, _)| *c == code).map(|(_, s)| *s)
    }

    /// The code of a status that blames the call.
    pub(crate) fn call_code(self) -> &'static str {
        OF_CALLS
            .iter()
            .find(|(_, s)| *s == self)
            .map_or("call", |(c, _)| c)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_of_core_has_a_number_of_its_own() {
        let codes: Vec<&str> = OF_CORE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, k8senc::Error::CODES);
        let numbers: BTreeSet<i32> = OF_CORE.iter().map(|(_, status)| *status as i32).collect();
        assert_eq!(numbers.len(), OF_CORE.len());
        assert!(numbers.iter().all(|number| (100..199).contains(number)));
    }

    #[test]
    fn statuses_that_blame_the_call_have_codes_of_their_own() {
        for (at, (code, status)) in OF_CALLS.iter().enumerate() {
            assert_eq!(*status as usize, at);
            assert!(!k8senc::Error::CODES.contains(code));
        }
    }
}

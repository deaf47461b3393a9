//! Core's error codes, each with the text that kube-apiserver has for the same.

use super::{ErrorAdvice, explain_error};

/// The code of an error of this library.
#[derive(Debug)]
#[non_exhaustive]
pub struct ErrorCode {
    /// Such as `padding-bytes`; never reworded.
    pub code: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// A text of kube-apiserver for the same.
    text: &'static str,
}

impl ErrorCode {
    /// What to do about it, where kube-apiserver has a text for the same.
    #[must_use]
    pub fn advice(&self) -> Option<&'static ErrorAdvice> {
        explain_error(self.text)
            .into_iter()
            .next()
            .filter(|_| !self.text.is_empty())
    }
}

const fn code(code: &'static str, meaning: &'static str, text: &'static str) -> ErrorCode {
    ErrorCode {
        code,
        meaning,
        text,
    }
}

/// All of them, in core's order.
#[rustfmt::skip]
pub const ERROR_CODES: &[ErrorCode] = &[
    code("stored-too-short", "The stored value is shorter than its format allows.", "the stored data was shorter than the required size"),
    code("not-block-aligned", "The aescbc ciphertext is no multiple of 16 bytes.", "the stored data is not a multiple of the block size"),
    code("cbc-iv-only", "The aescbc value is an IV and nothing else; kube-apiserver panics on it.", "index out of range [-1]"),
    code("padding-length", "The padding length is impossible: another key, or damage.", "invalid PKCS7 data (empty or not padded)"),
    code("padding-bytes", "The padding bytes differ: another key, or damage.", "invalid padding on input"),
    code("authentication", "The tag does not fit: another key, a moved value, or damage.", "cipher: message authentication failed"),
    code("identity-refused", "The value is encrypted and no rule covers its resource.", "identity transformer tried to read encrypted data"),
    code("no-matching-prefix", "No provider of the resource has the value's prefix.", "no matching prefix found"),
    code("no-matching-key", "The provider is there, but no key of it has the value's key name.", "no matching key was found for the provided AES transformer"),
    code("kmsv1-length", "The length of the encrypted DEK of a KMS v1 value does not fit.", "invalid data encountered by envelope transformer"),
    code("dek-refused", "The KMS did not decrypt the DEK.", "failed to decrypt DEK, error: x"),
    code("dek-size", "The DEK is no AES key.", "crypto/aes: invalid key size 1"),
    code("seed-too-short", "The KMS v2 seed has fewer than 32 bytes.", "invalid seed length 1 used for key generation"),
    code("aad-empty", "The etcd key is empty; KMS v2 needs one.", ""),
    code("kmsv2-malformed", "The KMS v2 value is no protobuf message.", "proto: cannot parse invalid wire-format data"),
    code("kmsv2-utf8", "A text of the KMS v2 value is not UTF-8.", "string field contains invalid UTF-8"),
    code("kmsv2-dek-source-type", "The KMS v2 value is of an unknown kind.", "unknown encryptedDEKSourceType: 9"),
    code("kmsv2-data-empty", "The KMS v2 value has no encrypted data.", "encrypted data is empty"),
    code("kmsv2-dek-source-size", "The encrypted DEK of the KMS v2 value is empty or over 1024 bytes.", "failed to validate encrypted DEK source: x"),
    code("kmsv2-key-id-size", "The key_id of the KMS v2 value is empty or over 1024 bytes.", "failed to validate key id: x"),
    code("kmsv2-annotations", "The annotations of the KMS v2 value break a rule.", "failed to validate annotations: x"),
    code("kms-never-healthy", "The KMS v2 plugin has not been healthy since the API server started.", "got unexpected nil transformer"),
    code("several", "Several readers were tried and each failed; the parts are in the text.", ""),
    code("counter-overflow", "The nonce counter of a DEK is used up; a new DEK is needed.", ""),
    code("no-keys", "A provider has no key.", "at least one key is required"),
    code("key-size", "A key has a length that its provider does not take.", "secret is not of the expected length, got 1"),
    code("random-too-short", "The caller gave fewer random bytes than the format needs.", ""),
    code("no-write-key", "No DEK to write with has been made yet.", "got unexpected nil transformer"),
    code("kms-call", "A call to the KMS plugin failed.", "failed to perform status section of the healthz check for KMS Provider x"),
    code("kms-healthz", "The plugin's Status says that it is not ok.", "got unexpected healthz status: x"),
    code("kms-version", "The plugin's Status names a version that is not v2.", "expected KMSv2 API version v2, got x"),
    code("kms-version-changed", "The plugin's Status names another version than before.", "KMSv2 API version should not change after the initial status response version x"),
    code("kms-status-key-id", "The plugin's Status has no usable key_id.", "got invalid KMSv2 KeyID hash x"),
    code("kms-encrypt-refused", "The plugin did not encrypt a new DEK.", "failed to rotate DEK uid=x"),
    code("kms-rotation", "A new DEK could not be made.", "failed to rotate DEK uid=x"),
    code("kms-unhealthy", "The plugin is not healthy; the causes are in the text.", "is not healthy, error: x"),
    code("kms-write-expired", "Writing stopped three minutes after the plugin's last good Status.", "encryptedDEKSource with keyID hash x expired at x"),
    code("keyset-malformed", "The keyset record cannot be read.", ""),
    code("keyset-refused", "The keyset record breaks a rule.", ""),
    code("keyset-integrity", "The keyset record was changed by somebody without its key.", ""),
];

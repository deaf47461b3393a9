//! Ciphertexts only a cloud can unwrap. The inner layouts of AWS and Google are opaque by contract: what is read from them
//! here are hints from public samples, good for grouping and for nothing else.

use alloc::{string::String, vec::Vec};
use core::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};

use super::Stored;

/// aws-encryption-provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws<'a> {
    /// What KMS Decrypt takes: without the plugin's leading `1`.
    pub blob: &'a [u8],
    /// Whether the leading `1` was there. KMS v1 values from before the plugin's versioning lack it.
    pub versioned: bool,
    /// The documented backing key id (HBKID): equal in blobs of one backing key, so it shows automatic key rotation, which
    /// the plugin's key_id hides. `None` for blobs of another layout.
    pub backing_key_hint: Option<&'a [u8; 32]>,
}

impl<'a> Aws<'a> {
    const LAYOUT: [u8; 5] = [1, 2, 2, 0, 0x78];

    pub(super) fn parse(ciphertext: &'a [u8]) -> Option<Self> {
        let (blob, versioned) = match ciphertext.strip_prefix(b"1") {
            Some(blob) => (blob, true),
            None => (ciphertext, false),
        };
        blob.starts_with(&[1, 2]).then(|| Self {
            blob,
            versioned,
            backing_key_hint: blob
                .strip_prefix(&Self::LAYOUT)
                .and_then(<[u8]>::first_chunk),
        })
    }
}

/// k8s-cloudkms-plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gcp<'a> {
    /// What `cryptoKeys.decrypt` takes; no associated data.
    pub ciphertext: &'a [u8],
    /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`, if the key_id names one. An etcd writer can change it: call only
    /// keys that were expected.
    pub crypto_key: Option<&'a str>,
    /// The version at the time of writing, if the key_id names one. Google picks the version from the ciphertext itself.
    pub key_version: Option<&'a str>,
}

impl<'a> Gcp<'a> {
    pub(super) fn parse(stored: &Stored<'a>) -> Option<Self> {
        if !stored.ciphertext.starts_with(&[0x0a, 0x24, 0]) {
            return None;
        }
        let (crypto_key, key_version) = match crypto_key(stored.key_id) {
            Some((key, version)) => (Some(key), version),
            None => (None, None),
        };
        Some(Self {
            ciphertext: stored.ciphertext,
            crypto_key,
            key_version,
        })
    }
}

/// Cuts a resource name into key and version; the plugin's `:suffix` is left out.
fn crypto_key(key_id: &str) -> Option<(&str, Option<&str>)> {
    let name = key_id.split(':').next()?;
    let (key, version) = match name.split_once("/cryptoKeyVersions/") {
        Some((key, version)) => (key, Some(version)),
        None => (name, None),
    };
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        [
            "projects",
            p,
            "locations",
            l,
            "keyRings",
            r,
            "cryptoKeys",
            k,
        ] if ![p, l, r, k].iter().any(|part| part.is_empty()) => Some((key, version)),
        _ => None,
    }
}

/// How Key Vault decrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AzureAlgorithm {
    /// KMS v2: OAEP with SHA-256 for both hashes, empty label.
    RsaOaep256,
    /// KMS v1. Nothing in the value says so; the API version does.
    Rsa1_5,
}

impl AzureAlgorithm {
    /// The `alg` of Key Vault's decrypt call.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::Rsa1_5 => "RSA1_5",
        }
    }
}

/// Azure kubernetes-kms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Azure<'a> {
    /// The `value` of Key Vault's decrypt call, as stored.
    pub text: &'a str,
    /// Size of the RSA key: 2048, 3072 or 4096.
    pub rsa_bits: u16,
    /// Which `alg` to send. KMS v1 values were made with RSA1_5, KMS v2 values say RSA-OAEP-256 in an annotation.
    pub algorithm: AzureAlgorithm,
    /// The key_id, if it is a hash of a key URL: 64 hexadecimal digits.
    pub key_url_hash: Option<&'a str>,
}

impl<'a> Azure<'a> {
    pub(super) fn parse(stored: &Stored<'a>) -> Option<Self> {
        let rsa_bits = match stored.ciphertext.len() {
            342 => 2048,
            512 => 3072,
            683 => 4096,
            _ => return None,
        };
        let text = core::str::from_utf8(stored.ciphertext).ok()?;
        Base64UrlUnpadded::decode_vec(text).ok()?;
        let is_hash = stored.key_id.len() == 64
            && stored
                .key_id
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let v1 = stored.key_id.is_empty() && stored.annotations.is_empty();
        Some(Self {
            text,
            rsa_bits,
            algorithm: if v1 {
                AzureAlgorithm::Rsa1_5
            } else {
                AzureAlgorithm::RsaOaep256
            },
            key_url_hash: is_hash.then_some(stored.key_id),
        })
    }

    /// The key_id of a key version, to find the one a value needs: hash the URL of each and compare. No slash at the end.
    pub fn key_id_of(key_version_url: &str) -> String {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(key_version_url.as_bytes()) {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

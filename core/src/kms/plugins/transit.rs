//! Ciphertexts of Vault's and OpenBao's Transit engine.
//!
//! ```text
//! "vault:v" version ":" base64( nonce (12) | ciphertext (n) | tag (16) )     89 characters for a 32-byte seed
//! ```

use alloc::{format, string::String, vec::Vec};

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};

use super::Stored;
use crate::{Error, crypto::Backend, secret::SecretBytes};

/// Who stored a Transit ciphertext, as far as key_id and annotations tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitPlugin {
    /// vault-kubernetes-kms: a decimal key_id. It comes from a second call after encrypting: believe the ciphertext's version.
    VaultKubernetesKms,
    /// openbao-kubernetes-kms: associated data is needed.
    OpenBao,
    /// kleidi.
    Kleidi,
    /// KMS v1, or a plugin that leaves no mark.
    Unmarked,
}

impl TransitPlugin {
    /// `vault-kubernetes-kms`, `openbao-kubernetes-kms` or `kleidi`; nothing for one that leaves no mark.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::VaultKubernetesKms => Some("vault-kubernetes-kms"),
            Self::OpenBao => Some("openbao-kubernetes-kms"),
            Self::Kleidi => Some("kleidi"),
            Self::Unmarked => None,
        }
    }
}

/// A Transit ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transit<'a> {
    /// The `ciphertext` of the decrypt call, as stored.
    pub text: &'a str,
    /// Version of the Transit key. Transit reads `v0` as `v1`, and so is it here.
    pub key_version: u32,
    /// nonce (12) | ciphertext | tag (16), decoded; at least 28 bytes.
    pub bytes: Vec<u8>,
    /// Which plugin it was.
    pub plugin: TransitPlugin,
}

impl<'a> Transit<'a> {
    pub(super) fn parse(stored: &Stored<'a>) -> Option<Self> {
        let text = core::str::from_utf8(stored.ciphertext).ok()?;
        let (version, encoded) = text.strip_prefix("vault:v")?.split_once(':')?;
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let bytes = Base64::decode_vec(encoded).ok()?;
        let marked = |suffix| stored.annotations.iter().any(|(n, _)| n.ends_with(suffix));
        let decimal =
            !stored.key_id.is_empty() && stored.key_id.bytes().all(|b| b.is_ascii_digit());
        let plugin = if stored.key_id.starts_with("obk2.") || marked(".kms.openbao.org") {
            TransitPlugin::OpenBao
        } else if stored.annotation(super::local::KLEIDI).is_some() {
            TransitPlugin::Kleidi
        } else if decimal {
            TransitPlugin::VaultKubernetesKms
        } else {
            TransitPlugin::Unmarked
        };
        (bytes.len() >= 28).then_some(Self {
            text,
            key_version: version.parse::<u32>().ok()?.max(1),
            bytes,
            plugin,
        })
    }

    /// Unwraps with the exported key of [`key_version`](Self::key_version), type `aes128-gcm96` or `aes256-gcm96`.
    /// `associated_data` is what the plugin sent, decoded from base64: empty but for OpenBao's.
    ///
    /// # Errors
    /// [`Error::KeySize`], [`Error::Authentication`].
    pub fn open(
        &self,
        backend: &dyn Backend,
        key: &[u8],
        associated_data: &[u8],
    ) -> Result<SecretBytes, Error> {
        super::local::open_gcm12(backend, "Vault Transit", key, associated_data, &self.bytes)
    }
}

/// What openbao-kubernetes-kms makes its key_id from. It stores none of it: the operator has to know, and the key_id tells
/// whether they remember right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenBaoLabels<'a> {
    /// Name of the provider in the plugin's configuration.
    pub provider_name: &'a str,
    /// Its cluster id.
    pub cluster_id: &'a str,
    /// Its OpenBao instance id.
    pub instance_id: &'a str,
    /// The namespace, if one is set.
    pub namespace: Option<&'a str>,
    /// Its label of the mount.
    pub mount_id: &'a str,
    /// Its id of the key's lineage.
    pub lineage_id: &'a str,
    /// Version of the Transit key.
    pub key_version: u32,
    /// When that version was made, in seconds since 1970.
    pub version_created: u64,
}

impl OpenBaoLabels<'_> {
    /// The key_id the plugin gives these labels.
    pub fn key_id(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        part("openbao-kubernetes-kms/key-id/v1");
        part(self.provider_name);
        part(self.cluster_id);
        part(self.instance_id);
        if let Some(namespace) = self.namespace {
            part(namespace);
        }
        part(self.mount_id);
        part(self.lineage_id);
        part(&format!("{}", self.key_version));
        part(&format!("{}", self.version_created));
        format!(
            "obk2.{}",
            Base64UrlUnpadded::encode_string(&hash.finalize())
        )
    }
}

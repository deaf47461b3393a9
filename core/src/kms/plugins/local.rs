//! Ciphertexts under an AES key one can hold.

use alloc::vec::Vec;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, KeyInit as _, aead::AeadInOut as _, aes::cipher::consts::U16};
use zeroize::Zeroizing;

use super::Stored;
use crate::{
    Error,
    crypto::Backend,
    secret::{Plaintext, SecretBytes, Target as _},
    wire::aescbc,
};

/// kleidi's one annotation.
pub(super) const KLEIDI: &str = "v2.kleidi.beezy.dev";
/// The one annotation of the mock in kubernetes/kms.
const MOCK: &str = "version.encryption.remote.io";
const TAG: usize = 16;

/// The mock of kubernetes/kms and kleidi with PKCS#11: both leave crypto11's default, an IV of **16** bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkcsGcm<'a> {
    /// IV (16) | ciphertext | tag (16).
    pub record: &'a [u8],
    /// The associated data, and the label of the key in the token: the key_id.
    pub key_id: &'a str,
    /// Whether an annotation says it is one of the two; otherwise only the length speaks for it.
    pub annotated: bool,
}

impl<'a> PkcsGcm<'a> {
    pub(super) fn parse(stored: &Stored<'a>) -> Option<Self> {
        let annotated = stored.annotation(KLEIDI).is_some() || stored.annotation(MOCK).is_some();
        let len = stored.ciphertext.len();
        (len == 64 || (annotated && len >= 12 + TAG)).then_some(Self {
            record: stored.ciphertext,
            key_id: stored.key_id,
            annotated,
        })
    }

    /// Unwraps with the token's AES key of 16, 24 or 32 bytes and the usual IV of 16 bytes.
    ///
    /// # Errors
    /// [`Error::StoredTooShort`], [`Error::KeySize`], [`Error::Authentication`].
    pub fn open(&self, key: &[u8]) -> Result<SecretBytes, Error> {
        let (iv, body) = self.record.split_first_chunk().ok_or(self.too_short(16))?;
        let (ciphertext, tag) = body.split_last_chunk().ok_or(self.too_short(16))?;
        let mut plain = Zeroizing::new(Vec::from(ciphertext));
        let aad = self.key_id.as_bytes();
        let opened = match key.len() {
            16 => open16::<Aes128>(key, iv, aad, &mut plain, tag),
            24 => open16::<Aes192>(key, iv, aad, &mut plain, tag),
            32 => open16::<Aes256>(key, iv, aad, &mut plain, tag),
            _ => return Err(key_size("PKCS#11", key)),
        };
        opened
            .then(|| SecretBytes::from_slice(&plain))
            .ok_or(Error::Authentication { secretbox: false })
    }

    /// As [`open`](Self::open), for a plugin that ran with `GCMIVLength` set to 12.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_iv12(&self, backend: &dyn Backend, key: &[u8]) -> Result<SecretBytes, Error> {
        open_gcm12(backend, "PKCS#11", key, self.key_id.as_bytes(), self.record)
    }

    fn too_short(&self, iv: usize) -> Error {
        Error::StoredTooShort {
            need: iv.saturating_add(TAG),
            got: self.record.len(),
        }
    }
}

/// GCM with a nonce that is no 96 bits, which the backends do not offer: one plugin family uses it, for seeds only.
fn open16<C>(key: &[u8], iv: &[u8; 16], aad: &[u8], buf: &mut [u8], tag: &[u8; TAG]) -> bool
where
    AesGcm<C, U16>: aes_gcm::KeyInit + aes_gcm::aead::AeadInOut<NonceSize = U16, TagSize = U16>,
{
    AesGcm::<C, U16>::new_from_slice(key).is_ok_and(|cipher| {
        cipher
            .decrypt_inout_detached(iv.into(), aad, buf.into(), tag.into())
            .is_ok()
    })
}

/// nonce (12) | ciphertext | tag (16).
pub(super) fn open_gcm12(
    backend: &dyn Backend,
    provider: &'static str,
    key: &[u8],
    aad: &[u8],
    record: &[u8],
) -> Result<SecretBytes, Error> {
    let too_short = Error::StoredTooShort {
        need: 12 + TAG,
        got: record.len(),
    };
    let (nonce, body) = record.split_first_chunk().ok_or(too_short.clone())?;
    let (ciphertext, tag) = body.split_last_chunk().ok_or(too_short)?;
    let cipher = backend.gcm(key).ok_or(key_size(provider, key))?;
    let mut plain = Plaintext::new();
    cipher
        .open(nonce, aad, ciphertext, tag, plain.sized(ciphertext.len()))
        .map_err(|_| Error::Authentication { secretbox: false })?;
    Ok(SecretBytes::from_slice(plain.reveal()))
}

const fn key_size(provider: &'static str, key: &[u8]) -> Error {
    Error::KeySize {
        provider,
        got: key.len(),
    }
}

/// barbican-kms-plugin: nothing is authenticated, so a wrong key passes for right once in 256 times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarbicanCbc<'a> {
    /// IV (16) | AES-CBC with PKCS#7 padding.
    pub record: &'a [u8],
}

impl<'a> BarbicanCbc<'a> {
    pub(super) fn parse(stored: &Stored<'a>) -> Option<Self> {
        (stored.ciphertext.len() == 64 && stored.annotations.is_empty()).then_some(Self {
            record: stored.ciphertext,
        })
    }

    /// Unwraps with the payload of the Barbican secret.
    ///
    /// # Errors
    /// [`Error::KeySize`], and what [`aescbc::open`] says of length and padding.
    pub fn open(&self, backend: &dyn Backend, key: &[u8]) -> Result<SecretBytes, Error> {
        let cipher = backend.cbc(key).ok_or(key_size("Barbican", key))?;
        let mut plain = Plaintext::new();
        aescbc::open(&*cipher, self.record, &mut plain)?;
        Ok(SecretBytes::from_slice(plain.reveal()))
    }
}

/// A DEK under a local KEK, which itself is stored beside, encrypted by the plugin behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalKek<'a> {
    /// nonce (12) | ciphertext | tag (16).
    pub record: &'a [u8],
    /// Associated data; empty but for an early fork, which stored 32 random bytes of it in a second annotation.
    pub associated_data: &'a [u8],
    /// What to have decrypted for the KEK: its ciphertext, the key_id, and the annotations that were the plugin's own. Read
    /// it with [`recognise`](super::recognise).
    pub remote: Stored<'a>,
}

impl<'a> LocalKek<'a> {
    const SUFFIX: &'static str = ".reference.encryption.k8s.io";
    const KEK: &'static str = "encrypted-kek.reference.encryption.k8s.io";
    const AAD: &'static str = "authenticated-data.reference.encryption.k8s.io";

    pub(super) fn parse(stored: &Stored<'a>) -> Option<Self> {
        let own = |&&(name, _): &&(&str, &[u8])| !name.ends_with(Self::SUFFIX);
        Some(Self {
            record: stored.ciphertext,
            associated_data: stored.annotation(Self::AAD).unwrap_or_default(),
            remote: Stored {
                ciphertext: stored.annotation(Self::KEK)?,
                key_id: stored.key_id,
                annotations: stored.annotations.iter().filter(own).copied().collect(),
            },
        })
    }

    /// Unwraps with the decrypted KEK.
    ///
    /// # Errors
    /// [`Error::StoredTooShort`], [`Error::KeySize`], [`Error::Authentication`].
    pub fn open(&self, backend: &dyn Backend, kek: &[u8]) -> Result<SecretBytes, Error> {
        open_gcm12(
            backend,
            "the local KEK",
            kek,
            self.associated_data,
            self.record,
        )
    }
}

//! Writing: the first provider of the chain seals, with its first key.

use alloc::vec::Vec;
use core::fmt;

use super::{Chain, Keys, Provider};
use crate::{
    Error,
    crypto::Backend,
    kms::WriteSource,
    secret::{Filling, append},
    wire::{aescbc, aesgcm, kmsv1, prefix, secretbox},
};

/// What a KMS provider writes with. Static providers and identity need [`None`](Self::None).
pub enum WriteKey<'a> {
    /// Nothing. For KMS v2 it is what kube-apiserver has until the plugin was healthy once.
    None,
    /// KMS v1: what Encrypt answered for the DEK, which is the first 32 bytes of `random`.
    KmsV1 {
        /// 0 to 65,535 bytes.
        encrypted_dek: &'a [u8],
    },
    /// KMS v2: the seed or DEK in use. Key form counts up in it.
    KmsV2(&'a mut WriteSource),
}

impl fmt::Debug for WriteKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::KmsV1 { encrypted_dek } => write!(f, "KmsV1({} bytes)", encrypted_dek.len()),
            Self::KmsV2(source) => write!(f, "KmsV2({source:?})"),
        }
    }
}

impl Chain {
    /// Random bytes that one [`seal`](Self::seal) with `key` draws, 0 to 44.
    pub fn random_len(&self, key: &WriteKey<'_>) -> usize {
        match (self.providers.first(), key) {
            (Some(Provider::AesCbc(_)), _) => aescbc::RANDOM_LEN,
            (Some(Provider::AesGcm(_)), _) => aesgcm::RANDOM_LEN,
            (Some(Provider::Secretbox(_)), _) => secretbox::RANDOM_LEN,
            (Some(Provider::KmsV1(_)), _) => kmsv1::RANDOM_LEN,
            (Some(Provider::KmsV2(_)), WriteKey::KmsV2(source)) => source.random_len(),
            (Some(Provider::Identity | Provider::KmsV2(_)) | None, _) => 0,
        }
    }

    /// Bytes that a value [sealed](Self::seal) with `key` has beyond its plaintext, at most: prefix, name, and what the format
    /// adds. The same for plaintexts of any length.
    pub fn overhead(&self, key: &WriteKey<'_>) -> usize {
        fn named<C: ?Sized>(prefix: &[u8], keys: &Keys<C>, body: usize) -> usize {
            let name = keys.first().map_or(0, |(name, _)| name.len());
            headed(prefix, name, body)
        }
        match (self.providers.first(), key) {
            (Some(Provider::AesCbc(keys)), _) => named(prefix::AESCBC, keys, aescbc::OVERHEAD),
            (Some(Provider::AesGcm(keys)), _) => named(prefix::AESGCM, keys, aesgcm::OVERHEAD),
            (Some(Provider::Secretbox(keys)), _) => {
                named(prefix::SECRETBOX, keys, secretbox::OVERHEAD)
            }
            (Some(Provider::KmsV1(name)), WriteKey::KmsV1 { encrypted_dek }) => {
                let body = aesgcm::OVERHEAD.saturating_add(encrypted_dek.len());
                headed(prefix::KMSV1, name.len(), body.saturating_add(2))
            }
            (Some(Provider::KmsV2(name)), WriteKey::KmsV2(source)) => {
                headed(prefix::KMSV2, name.len(), source.overhead())
            }
            // Identity, and what seal refuses.
            _ => 0,
        }
    }

    /// The stored value for `plaintext` at `etcd_key`, byte for byte what kube-apiserver writes with the same random
    /// bytes; two annotations or more, which it writes in random order, are sorted.
    ///
    /// `random` must come from a cryptographic random source and be used for this value only. More than
    /// [`random_len`](Self::random_len) bytes may be given. In the order kube-apiserver draws them:
    ///
    /// ```text
    /// aescbc     IV (16)
    /// aesgcm     nonce (12)
    /// secretbox  nonce (24)
    /// KMS v1     DEK (32) | nonce (12)      the DEK is what the plugin was asked to encrypt
    /// KMS v2     info (32) | nonce (12)     seed form
    ///            nonce[..4] (4)             key form; the counter follows
    /// ```
    ///
    /// Plaintext that starts with `k8s:enc:` is written by identity as it is, and refused when it is read back.
    ///
    /// # Errors
    /// [`Error::RandomTooShort`]; KMS v1: [`Error::NoWriteKey`], [`Error::KmsV1DekTooLong`]; KMS v2:
    /// [`Error::KmsNeverHealthy`] without a source, [`Error::NoWriteKey`] with that of KMS v1, [`Error::AadEmpty`] (seed
    /// form), [`Error::CounterOverflow`] (key form); [`Error::NoKeys`] for a chain without providers.
    pub fn seal(
        &self,
        plaintext: &[u8],
        etcd_key: &[u8],
        random: &[u8],
        key: WriteKey<'_>,
    ) -> Result<Vec<u8>, Error> {
        let mut sealed = Vec::new();
        let mut result = Ok(());
        append(&mut sealed, self.room(plaintext, &key), |out| {
            result = self.seal_with(plaintext, etcd_key, random, key, out);
        });
        result.map(|()| sealed)
    }

    /// As [`seal`](Self::seal), into the caller's memory: how many bytes of `out` the stored value takes. `None`, and nothing
    /// is used up, if `out` has not room for the plaintext and the [overhead](Self::overhead). Without a value no plaintext is
    /// left in `out`.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_to(
        &self,
        plaintext: &[u8],
        etcd_key: &[u8],
        random: &[u8],
        key: WriteKey<'_>,
        out: &mut [u8],
    ) -> Result<Option<usize>, Error> {
        if out.len() < self.room(plaintext, &key) {
            return Ok(None);
        }
        let mut out = Filling::new(out);
        self.seal_with(plaintext, etcd_key, random, key, &mut out)?;
        Ok(out.done())
    }

    fn room(&self, plaintext: &[u8], key: &WriteKey<'_>) -> usize {
        plaintext.len().saturating_add(self.overhead(key))
    }

    pub(super) fn seal_with(
        &self,
        plaintext: &[u8],
        etcd_key: &[u8],
        random: &[u8],
        key: WriteKey<'_>,
        out: &mut Filling<'_>,
    ) -> Result<(), Error> {
        let need = self.random_len(&key);
        let short = Error::RandomTooShort {
            need,
            got: random.len(),
        };
        match self.providers.first().ok_or(Error::NoKeys)? {
            Provider::Identity => out.put(plaintext),
            Provider::AesCbc(keys) => {
                let iv = random.first_chunk().ok_or(short)?;
                let (name, cipher) = first(keys)?;
                prefix::start(prefix::AESCBC, name, out);
                aescbc::seal_to(cipher, plaintext, iv, out);
            }
            Provider::AesGcm(keys) => {
                let nonce = random.first_chunk().ok_or(short)?;
                let (name, cipher) = first(keys)?;
                prefix::start(prefix::AESGCM, name, out);
                aesgcm::seal_to(cipher, plaintext, etcd_key, nonce, out);
            }
            Provider::Secretbox(keys) => {
                let nonce = random.first_chunk().ok_or(short)?;
                let (name, cipher) = first(keys)?;
                prefix::start(prefix::SECRETBOX, name, out);
                secretbox::seal_to(cipher, plaintext, nonce, out);
            }
            Provider::KmsV1(name) => {
                let WriteKey::KmsV1 { encrypted_dek } = key else {
                    return Err(Error::NoWriteKey);
                };
                let (dek, rest) = random.split_first_chunk().ok_or(short.clone())?;
                let nonce = rest.first_chunk().ok_or(short)?;
                prefix::start(prefix::KMSV1, name, out);
                kmsv1::start(encrypted_dek, out)?;
                seal_v1(self.backend, dek, plaintext, etcd_key, nonce, out)?;
            }
            Provider::KmsV2(name) => {
                let source = match key {
                    WriteKey::KmsV2(source) => source,
                    WriteKey::None => return Err(Error::KmsNeverHealthy),
                    WriteKey::KmsV1 { .. } => return Err(Error::NoWriteKey),
                };
                prefix::start(prefix::KMSV2, name, out);
                source.seal(self.backend, plaintext, etcd_key, random, out)?;
            }
        }
        Ok(())
    }
}

/// Prefix, name, colon and body.
fn headed(prefix: &[u8], name: usize, body: usize) -> usize {
    let head = prefix.len().saturating_add(name).saturating_add(1);
    head.saturating_add(body)
}

/// The key that writes.
pub(super) fn first<C: ?Sized>(keys: &Keys<C>) -> Result<(&str, &C), Error> {
    let (name, cipher) = keys.first().ok_or(Error::NoKeys)?;
    Ok((name, cipher))
}

fn seal_v1(
    backend: &dyn Backend,
    dek: &[u8; 32],
    plaintext: &[u8],
    etcd_key: &[u8],
    nonce: &[u8; 12],
    out: &mut Filling<'_>,
) -> Result<(), Error> {
    let cipher = backend.gcm(dek).ok_or(Error::DekSize { got: dek.len() })?;
    aesgcm::seal_to(&*cipher, plaintext, etcd_key, nonce, out);
    Ok(())
}

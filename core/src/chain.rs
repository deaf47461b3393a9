//! The ordered providers of one resource, as kube-apiserver uses them: the first writes, all read, in order.
//!
//! (apiserver, `value/transformer.go`, `prefixTransformers`; static providers hold a second such list of their keys.)

mod answer;
mod batch;
mod read;
mod write;

use alloc::{boxed::Box, collections::BTreeSet, string::String, vec::Vec};
use core::fmt;

pub use answer::{Answer, How, Opened, Outcome, ProviderInfo, Reasons, Staleness};
pub use batch::Unsealed;
pub use write::WriteKey;

use crate::{
    Error,
    crypto::{Backend, Cbc, Gcm, PORTABLE, Secretbox},
    kms::{DekRequest, DekTable, KmsApi, KmsState},
    secret::SecretBytes,
    wire::{kmsv1, kmsv2::EncryptedObject, prefix},
};

/// A static key and the name that stands in the values it wrote. Names may repeat and may hold colons.
#[derive(Debug)]
pub struct NamedKey {
    /// The name.
    pub name: String,
    /// 16, 24 or 32 bytes for AES, 32 for secretbox.
    pub secret: SecretBytes,
}

/// What a provider is made from.
#[derive(Debug)]
pub enum ProviderSpec {
    /// Plaintext.
    Identity,
    /// AES-CBC.
    AesCbc(Vec<NamedKey>),
    /// AES-GCM.
    AesGcm(Vec<NamedKey>),
    /// XSalsa20-Poly1305.
    Secretbox(Vec<NamedKey>),
    /// KMS v1 by provider name.
    KmsV1 {
        /// Provider name.
        name: String,
    },
    /// KMS v2 by provider name.
    KmsV2 {
        /// Provider name.
        name: String,
    },
}

type Keys<C> = Vec<(String, Box<C>)>;

enum Provider {
    Identity,
    AesCbc(Keys<dyn Cbc>),
    AesGcm(Keys<dyn Gcm>),
    Secretbox(Keys<dyn Secretbox>),
    KmsV1(String),
    KmsV2(String),
}

/// The providers of one resource.
pub struct Chain {
    providers: Vec<Provider>,
    backend: &'static dyn Backend,
    bare: bool,
}

impl Chain {
    /// Builds the ciphers of all static keys.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::KeySize`].
    pub fn new(providers: Vec<ProviderSpec>, backend: &'static dyn Backend) -> Result<Self, Error> {
        let providers = providers
            .into_iter()
            .map(|spec| build(spec, backend))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            providers,
            backend,
            bare: false,
        })
    }

    /// What serves a resource that no rule covers, and every resource without a configuration: plaintext, with a check
    /// that refuses what starts with `k8s:enc:`.
    pub fn bare_identity() -> Self {
        Self {
            providers: alloc::vec![Provider::Identity],
            backend: &PORTABLE,
            bare: true,
        }
    }

    /// Number of providers.
    pub fn len(&self) -> usize {
        self.providers.len()
    }

    /// True without any provider: nothing opens.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// What the provider at `index` is.
    pub fn describe(&self, index: usize) -> Option<ProviderInfo<'_>> {
        let (kind, name) = match self.providers.get(index)? {
            Provider::Identity => ("identity", None),
            Provider::AesCbc(_) => ("aescbc", None),
            Provider::AesGcm(_) => ("aesgcm", None),
            Provider::Secretbox(_) => ("secretbox", None),
            Provider::KmsV1(name) => ("kms-v1", Some(name.as_str())),
            Provider::KmsV2(name) => ("kms-v2", Some(name.as_str())),
        };
        Some(ProviderInfo { kind, name })
    }

    /// Name of the key at `key` of the static provider at `provider`.
    pub fn key_name(&self, provider: usize, key: usize) -> Option<&str> {
        fn nth<C: ?Sized>(keys: &Keys<C>, at: usize) -> Option<&str> {
            keys.get(at).map(|(name, _)| name.as_str())
        }
        match self.providers.get(provider)? {
            Provider::AesCbc(keys) => nth(keys, key),
            Provider::AesGcm(keys) => nth(keys, key),
            Provider::Secretbox(keys) => nth(keys, key),
            _ => None,
        }
    }

    /// Index of the static provider and key whose prefix `stored` has, the first in chain order: who is *named* in the
    /// value, whether or not it opens. KMS providers have no key index.
    pub fn named_in(&self, stored: &[u8]) -> Option<(usize, Option<usize>)> {
        fn at<C: ?Sized>(keys: &Keys<C>, rest: &[u8]) -> Option<usize> {
            keys.iter()
                .position(|(name, _)| prefix::strip_name(rest, name).is_some())
        }
        self.providers
            .iter()
            .enumerate()
            .find_map(|(index, provider)| {
                let key = match provider {
                    Provider::Identity => return None,
                    Provider::AesCbc(keys) => Some(at(keys, stored.strip_prefix(prefix::AESCBC)?)?),
                    Provider::AesGcm(keys) => Some(at(keys, stored.strip_prefix(prefix::AESGCM)?)?),
                    Provider::Secretbox(keys) => {
                        Some(at(keys, stored.strip_prefix(prefix::SECRETBOX)?)?)
                    }
                    Provider::KmsV1(name) => {
                        prefix::strip_name(stored.strip_prefix(prefix::KMSV1)?, name)
                            .map(|_| None)?
                    }
                    Provider::KmsV2(name) => {
                        prefix::strip_name(stored.strip_prefix(prefix::KMSV2)?, name)
                            .map(|_| None)?
                    }
                };
                Some((index, key))
            })
    }

    /// The distinct DEKs that `values` need and `deks` does not have, in order of the requests' parts: what to ask the
    /// KMS before reading them all. Values that cannot be parsed need none, nor do those of a plugin that was never healthy.
    pub fn needs<'a>(
        &self,
        values: impl IntoIterator<Item = &'a [u8]>,
        deks: &DekTable,
    ) -> Vec<DekRequest> {
        let mut distinct = BTreeSet::new();
        for stored in values {
            distinct.extend(self.requests(stored).filter(|request| {
                // Nothing is read with a plugin that was never healthy, whatever it would answer.
                !deks.contains(request)
                    && (request.api == KmsApi::V1
                        || *deks.state(&request.provider) != KmsState::NeverHealthy)
            }));
        }
        distinct.into_iter().collect()
    }

    /// The Decrypt calls that reading `stored` may take, one per KMS provider of the chain whose prefix it has.
    pub fn requests<'a>(&'a self, stored: &'a [u8]) -> impl Iterator<Item = DekRequest> + 'a {
        self.providers
            .iter()
            .filter_map(move |provider| match provider {
                Provider::KmsV1(name) => {
                    let payload = prefix::strip_name(stored.strip_prefix(prefix::KMSV1)?, name)?;
                    let sealed = kmsv1::Sealed::try_from(payload).ok()?;
                    Some(DekRequest::v1(name, sealed.encrypted_dek))
                }
                Provider::KmsV2(name) => {
                    let payload = prefix::strip_name(stored.strip_prefix(prefix::KMSV2)?, name)?;
                    let object = EncryptedObject::try_from(payload).ok()?;
                    object.validate().ok()?;
                    Some(DekRequest::v2(name, &object))
                }
                _ => None,
            })
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = (0..self.len()).filter_map(|index| self.describe(index));
        f.debug_list().entries(kinds).finish()
    }
}

fn build(spec: ProviderSpec, backend: &'static dyn Backend) -> Result<Provider, Error> {
    fn keys<C: ?Sized>(
        keys: Vec<NamedKey>,
        provider: &'static str,
        cipher: impl Fn(&[u8]) -> Option<Box<C>>,
    ) -> Result<Keys<C>, Error> {
        if keys.is_empty() {
            return Err(Error::NoKeys);
        }
        keys.into_iter()
            .map(|key| {
                let secret = key.secret.expose();
                let cipher = cipher(secret).ok_or(Error::KeySize {
                    provider,
                    got: secret.len(),
                })?;
                Ok((key.name, cipher))
            })
            .collect()
    }
    Ok(match spec {
        ProviderSpec::Identity => Provider::Identity,
        ProviderSpec::AesCbc(list) => {
            Provider::AesCbc(keys(list, "aescbc", |key| backend.cbc(key))?)
        }
        ProviderSpec::AesGcm(list) => {
            Provider::AesGcm(keys(list, "aesgcm", |key| backend.gcm(key))?)
        }
        ProviderSpec::Secretbox(list) => Provider::Secretbox(keys(list, "secretbox", |key| {
            Some(backend.secretbox(key.try_into().ok()?))
        })?),
        ProviderSpec::KmsV1 { name } => Provider::KmsV1(name),
        ProviderSpec::KmsV2 { name } => Provider::KmsV2(name),
    })
}

//! The ordered providers of one resource, as kube-apiserver uses them: the first writes, all read, in order.
//!
//! (apiserver, `value/transformer.go`, `prefixTransformers`; static providers hold a second such list of their keys.)

mod answer;
mod batch;
mod write;

use alloc::{boxed::Box, collections::BTreeSet, string::String, vec::Vec};
use core::fmt;

pub use answer::{Answer, How, Opened, Outcome, ProviderInfo, Reasons, Staleness};
pub use batch::Unsealed;
pub use write::WriteKey;

use crate::{
    Error,
    crypto::{Backend, Cbc, Gcm, PORTABLE, Secretbox},
    kms::{DekRequest, DekTable, KmsApi, KmsState, Lookup, stale_for},
    secret::{Plaintext, SecretBytes, scrub, scrubbed},
    wire::{
        aescbc, aesgcm, kmsv1,
        kmsv2::{self, EncryptedObject, SourceType},
        prefix, secretbox,
    },
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

/// Copies a failure to the heap. Its unused bytes are what the stack held where it was built, which may be a piece of a key;
/// the copy is built where nothing is left.
fn keep(errors: &mut Vec<Error>, error: &Error) {
    scrub();
    scrubbed(|| errors.push(error.clone()));
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

    /// Reads a stored value exactly as kube-apiserver would. `etcd_key` is the whole key, as stored.
    ///
    /// # Errors
    /// What kube-apiserver would report, aggregated over the providers tried; where it panics, an error of ours.
    pub fn open(&self, stored: &[u8], etcd_key: &[u8], deks: &DekTable) -> Result<Answer, Error> {
        let mut plaintext = Plaintext::new();
        Ok(
            match self.open_in(stored, etcd_key, deks, &mut plaintext)? {
                Outcome::Opened(how) => Answer::Opened(Opened { plaintext, how }),
                Outcome::Needs(request) => Answer::Needs(request),
            },
        )
    }

    /// As [`open`](Self::open), into `scratch`, which can be used again for the next value. It holds the plaintext after
    /// [`Outcome::Opened`] only.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(
        &self,
        stored: &[u8],
        etcd_key: &[u8],
        deks: &DekTable,
        scratch: &mut Plaintext,
    ) -> Result<Outcome, Error> {
        let mut errors = Vec::new();
        // A failure never ends the search: two providers share a prefix during a rotation.
        for (index, provider) in self.providers.iter().enumerate() {
            let mut reasons = Reasons {
                not_first_provider: index != 0,
                ..Reasons::default()
            };
            let mut how = How {
                stale: Staleness::Fresh,
                provider: index,
                key: None,
                unauthenticated: false,
                source_type: None,
            };
            let tried = match provider {
                Provider::Identity if stored.starts_with(prefix::RESERVED) => {
                    if self.bare {
                        return Err(Error::IdentityRefused);
                    }
                    // Errors of an empty prefix leave no trace in upstream's answer.
                    continue;
                }
                Provider::Identity => {
                    scratch.fill(stored);
                    Ok(Read::default())
                }
                Provider::AesCbc(keys) => {
                    let Some(rest) = stored.strip_prefix(prefix::AESCBC) else {
                        continue;
                    };
                    how.unauthenticated = true;
                    try_keys(keys, rest, false, |cipher, body| {
                        aescbc::open(cipher, body, scratch)
                    })
                }
                Provider::AesGcm(keys) => {
                    let Some(rest) = stored.strip_prefix(prefix::AESGCM) else {
                        continue;
                    };
                    try_keys(keys, rest, false, |cipher, body| {
                        aesgcm::open(cipher, body, etcd_key, scratch)
                    })
                }
                Provider::Secretbox(keys) => {
                    let Some(rest) = stored.strip_prefix(prefix::SECRETBOX) else {
                        continue;
                    };
                    try_keys(keys, rest, true, |cipher, body| {
                        secretbox::open(cipher, body, scratch)
                    })
                }
                Provider::KmsV1(name) => {
                    let Some(payload) = stored
                        .strip_prefix(prefix::KMSV1)
                        .and_then(|rest| prefix::strip_name(rest, name))
                    else {
                        continue;
                    };
                    self.open_v1(name, payload, etcd_key, deks, scratch)
                }
                Provider::KmsV2(name) => {
                    let Some(payload) = stored
                        .strip_prefix(prefix::KMSV2)
                        .and_then(|rest| prefix::strip_name(rest, name))
                    else {
                        continue;
                    };
                    self.open_v2(name, payload, etcd_key, deks, scratch)
                }
            };
            match tried {
                Ok(Read {
                    needs: Some(request),
                    ..
                }) => return Ok(Outcome::Needs(request)),
                Ok(read) => {
                    reasons.not_first_key = read.key.is_some_and(|key| key != 0);
                    reasons.legacy_body = read.cbc_body;
                    (reasons.key_id_changed, reasons.source_type_changed) =
                        read.stale.unwrap_or_default();
                    how.key = read.key;
                    how.unauthenticated |= read.cbc_body;
                    how.source_type = read.source_type;
                    how.stale = if reasons.any() {
                        Staleness::Stale(reasons)
                    } else if read.source_type.is_some() && read.stale.is_none() {
                        Staleness::Unknown
                    } else {
                        Staleness::Fresh
                    };
                    return Ok(Outcome::Opened(how));
                }
                Err(error) => keep(&mut errors, &error),
            }
        }
        Err(Error::aggregate(errors).unwrap_or(Error::NoMatchingPrefix))
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

    fn open_v1(
        &self,
        name: &str,
        payload: &[u8],
        etcd_key: &[u8],
        deks: &DekTable,
        scratch: &mut Plaintext,
    ) -> Result<Read, Error> {
        let sealed = kmsv1::Sealed::try_from(payload)?;
        let dek = match deks.find_v1(name, sealed.encrypted_dek) {
            Lookup::Known(dek) => dek,
            Lookup::Refused(reason) => {
                return Err(Error::DekRefused {
                    v2: false,
                    reason: reason.into(),
                });
            }
            Lookup::Missing => return Ok(Read::needs(DekRequest::v1(name, sealed.encrypted_dek))),
        };
        let cbc_body = kmsv1::open(
            dek.gcm()?,
            || dek.cbc(self.backend),
            sealed.body,
            etcd_key,
            scratch,
        )?;
        Ok(Read {
            cbc_body,
            ..Read::default()
        })
    }

    fn open_v2(
        &self,
        name: &str,
        payload: &[u8],
        etcd_key: &[u8],
        deks: &DekTable,
        scratch: &mut Plaintext,
    ) -> Result<Read, Error> {
        let object = EncryptedObject::try_from(payload)?;
        let source_type = object.validate()?;
        let state = deks.state(name);
        if *state == KmsState::NeverHealthy {
            return Err(Error::KmsNeverHealthy);
        }
        let dek = match deks.find_v2(name, &object) {
            Lookup::Known(dek) => dek,
            Lookup::Refused(reason) => {
                return Err(Error::DekRefused {
                    v2: true,
                    reason: reason.into(),
                });
            }
            Lookup::Missing => return Ok(Read::needs(DekRequest::v2(name, &object))),
        };
        match source_type {
            SourceType::Key => aesgcm::open(dek.gcm()?, object.data, etcd_key, scratch)?,
            SourceType::Seed => {
                kmsv2::open_seed(self.backend, dek.seed()?, object.data, etcd_key, scratch)?
            }
        }
        Ok(Read {
            source_type: Some(source_type),
            stale: stale_for(state, object.key_id, source_type),
            ..Read::default()
        })
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = (0..self.len()).filter_map(|index| self.describe(index));
        f.debug_list().entries(kinds).finish()
    }
}

/// What one provider found out while reading.
#[derive(Default)]
struct Read {
    key: Option<usize>,
    cbc_body: bool,
    source_type: Option<SourceType>,
    stale: Option<(bool, bool)>,
    needs: Option<DekRequest>,
}

impl Read {
    fn needs(request: DekRequest) -> Self {
        Self {
            needs: Some(request),
            ..Self::default()
        }
    }
}

/// The inner list of a static provider: every key whose name matches is tried, in order.
fn try_keys<C: ?Sized>(
    keys: &Keys<C>,
    rest: &[u8],
    secretbox: bool,
    mut open: impl FnMut(&C, &[u8]) -> Result<(), Error>,
) -> Result<Read, Error> {
    let mut errors = Vec::new();
    for (index, (name, cipher)) in keys.iter().enumerate() {
        let Some(body) = prefix::strip_name(rest, name) else {
            continue;
        };
        match open(cipher, body) {
            Ok(()) => {
                return Ok(Read {
                    key: Some(index),
                    ..Read::default()
                });
            }
            Err(error) => keep(&mut errors, &error),
        }
    }
    Err(Error::aggregate(errors).unwrap_or(Error::NoMatchingKey { secretbox }))
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

//! Reading: every provider that has the value's prefix is tried, in order.

use alloc::{boxed::Box, vec::Vec};

use super::{Answer, Chain, How, Keys, Opened, Outcome, Provider, Reasons, Staleness};
use crate::{
    Error,
    kms::{DekRequest, DekTable, KmsState, Lookup, stale_for},
    secret::{Landing, Plaintext, Target, scrub, scrubbed},
    wire::{
        aescbc, aesgcm, kmsv1,
        kmsv2::{self, EncryptedObject, SourceType},
        prefix, secretbox,
    },
};

/// Copies a failure to the heap. Its unused bytes are what the stack held where it was built, which may be a piece of a key;
/// the copy is built where nothing is left.
fn keep(errors: &mut Vec<Error>, error: &Error) {
    scrub();
    scrubbed(|| errors.push(error.clone()));
}

impl Chain {
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
        match self.open_with(stored, etcd_key, deks, scratch) {
            Ok(how) => Ok(Outcome::Opened(how)),
            Err(stop) => stop.outcome(),
        }
    }

    /// As [`open`](Self::open), into the caller's memory: with [`Outcome::Opened`] comes how many bytes of `out` are the
    /// plaintext. `None` if `out` is shorter than what has to be decrypted; as many bytes as `stored` has are always enough.
    ///
    /// Values are decrypted before they are found wrong. Whatever was written to `out` is wiped again then, and what is written
    /// behind the plaintext always.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_to(
        &self,
        stored: &[u8],
        etcd_key: &[u8],
        deks: &DekTable,
        out: &mut [u8],
    ) -> Result<Option<(Outcome, usize)>, Error> {
        let mut landing = Landing::new(out);
        match self.open_with(stored, etcd_key, deks, &mut landing) {
            _ if landing.short() => Ok(None),
            Ok(how) => Ok(Some((Outcome::Opened(how), landing.keep()))),
            Err(stop) => Ok(Some((stop.outcome()?, 0))),
        }
    }

    fn open_with(
        &self,
        stored: &[u8],
        etcd_key: &[u8],
        deks: &DekTable,
        scratch: &mut dyn Target,
    ) -> Result<How, Stop> {
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
                        return Err(Error::IdentityRefused.into());
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
                }) => return Err(Stop::Needs(request)),
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
                    return Ok(how);
                }
                Err(error) => keep(&mut errors, &error),
            }
        }
        Err(Error::aggregate(errors)
            .unwrap_or(Error::NoMatchingPrefix)
            .into())
    }

    fn open_v1(
        &self,
        name: &str,
        payload: &[u8],
        etcd_key: &[u8],
        deks: &DekTable,
        scratch: &mut dyn Target,
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
        scratch: &mut dyn Target,
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

/// Why a value did not open.
enum Stop {
    // Apart, so that the answers on the way are small: most values open.
    Needs(Box<DekRequest>),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    fn outcome(self) -> Result<Outcome, Error> {
        match self {
            Self::Needs(request) => Ok(Outcome::Needs(*request)),
            Self::Failed(error) => Err(error),
        }
    }
}

/// What one provider found out while reading.
#[derive(Default)]
struct Read {
    key: Option<usize>,
    cbc_body: bool,
    source_type: Option<SourceType>,
    stale: Option<(bool, bool)>,
    needs: Option<Box<DekRequest>>,
}

impl Read {
    fn needs(request: DekRequest) -> Self {
        Self {
            needs: Some(Box::new(request)),
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

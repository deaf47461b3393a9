//! How kube-apiserver treats a KMS v2 plugin over time: when it asks, what it writes with, what it says of its health.
//!
//! Nothing here calls out or looks at a clock. The caller tells the time, makes the calls it is told to and hands over
//! what came back:
//!
//! ```text
//! poll(now)    -> Wait { until }                     sleep, then poll again
//! health(now)  -> Done                               from the cache
//!      either  -> Status -> status_answered(now, ..) -> Done
//!                                                    -> Encrypt -> encrypt_answered(now, ..) -> Done
//! ```
//!
//! Every `now` is the wall clock, since the Unix epoch, because kube-apiserver's texts show it. It should not go back.
//!
//! (apiserver, `server/options/encryptionconfig/config.go`, `kmsv2PluginProbe`.)

use alloc::{string::String, vec::Vec};
use core::{fmt, mem, time::Duration};

use super::{
    EncryptAnswer, KmsState, RotationFailure, StatusAnswer, WriteSource,
    contract::key_id_hash,
    poll::{Loop, Loops},
    time::rfc3339,
};
use crate::{
    Error,
    crypto::Backend,
    error::KmsCall,
    secret::SecretBytes,
    wire::kmsv2::{COUNTER_START, SourceType, check_key_id},
};

/// How long a good result of a probe serves others.
pub const HEALTHY_TTL: Duration = Duration::from_secs(20);
/// How long a bad result of a probe serves others.
pub const FAILING_TTL: Duration = Duration::from_secs(3);
/// How long a seed may be written with after the last Status that reported its key_id.
pub const WRITE_TTL: Duration = Duration::from_secs(180);
/// Bytes of the seed that goes to Encrypt.
pub const SEED_LEN: usize = 32;

/// What has to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing until then, since the Unix epoch.
    Wait {
        /// When to poll again.
        until: Duration,
    },
    /// Call Status and hand its answer to [`KmsV2::status_answered`], also when it failed or timed out.
    Status,
    /// Draw a seed (in key form a DEK) of [`SEED_LEN`] random bytes and a uid (UUID v4), call Encrypt with them and hand
    /// all three to [`KmsV2::encrypt_answered`].
    Encrypt,
    /// The probe is over: healthy, or what kube-apiserver's health endpoint says, by [`Error::upstream`].
    Done(Result<(), Error>),
    /// A call is out, and kube-apiserver waits for it here; or no call is out to which this could be the answer.
    Pending,
}

/// One KMS v2 provider of one API server.
pub struct KmsV2 {
    provider: String,
    form: SourceType,
    backend: &'static dyn Backend,
    loops: Option<Loops>,
    cached: Option<Cached>,
    version: Option<String>,
    current: Option<Current>,
    probe: Option<Probe>,
}

/// The result of the last probe, in the form in which it is repeated.
pub(super) struct Cached {
    pub(super) at: Duration,
    pub(super) result: Result<(), Error>,
}

impl Cached {
    /// The result, while it serves.
    pub(super) fn at(&self, now: Duration) -> Option<&Result<(), Error>> {
        let ttl = match self.result {
            Ok(()) => HEALTHY_TTL,
            Err(_) => FAILING_TTL,
        };
        (now.saturating_sub(self.at) < ttl).then_some(&self.result)
    }
}

struct Current {
    source: WriteSource,
    uid: String,
    expires: Duration,
}

#[derive(Clone, Copy)]
enum Cause {
    Start,
    Loop(Loop),
    Health,
}

struct Probe {
    cause: Cause,
    refresh: Option<Refresh>,
}

/// What is known of a probe while Encrypt is out.
struct Refresh {
    faults: Vec<Error>,
    key_id: String,
    expires: Duration,
}

impl KmsV2 {
    /// A provider that nobody has asked yet, as in kube-apiserver 1.29 and later. `backend` makes the ciphers.
    pub fn new(provider: &str, backend: &'static dyn Backend) -> Self {
        Self::in_form(SourceType::Seed, provider, backend)
    }

    /// A provider that writes in key form: one AES-256 key under a counter nonce until the key_id changes.
    ///
    /// 1.27 wrote so, and 1.28 unless `KMSv2KDF` was switched on; calls, times, expiry and rotation were the same. What
    /// differs from these releases are texts: this speaks like 1.29 and later (1.27 and 1.28 took no version but `v2beta1`
    /// and named it in their error; 1.27 showed key_ids, not their hashes). A restart has to begin with a fresh machine,
    /// as its counter is kept nowhere else: a nonce used twice gives away both plaintexts.
    pub fn key_form(provider: &str, backend: &'static dyn Backend) -> Self {
        Self::in_form(SourceType::Key, provider, backend)
    }

    fn in_form(form: SourceType, provider: &str, backend: &'static dyn Backend) -> Self {
        Self {
            provider: provider.into(),
            form,
            backend,
            loops: None,
            cached: None,
            version: None,
            current: None,
            probe: None,
        }
    }

    /// What kube-apiserver does by itself: the first call is the probe inside loading; the others are those of its
    /// background loops, every minute, or every 10 s while the plugin fails.
    pub fn poll(&mut self, now: Duration) -> Step {
        if self.probe.is_some() {
            return Step::Pending;
        }
        let mut until = now;
        // The start and each loop take a cached result at most once.
        for _ in 0..3 {
            let cause = match self.loops.as_ref().map(Loops::next) {
                None => Cause::Start,
                Some((_, at)) if at > now => return Step::Wait { until: at },
                Some((which, at)) => {
                    until = at;
                    Cause::Loop(which)
                }
            };
            let Some(well) = self.cached_at(now).map(Result::is_ok) else {
                return self.begin(cause);
            };
            self.probed(cause, now, well);
        }
        Step::Wait { until }
    }

    /// What a request to the health endpoint does: a result of the last 20 s (good) or 3 s (bad) is repeated, else the
    /// plugin is asked.
    pub fn health(&mut self, now: Duration) -> Step {
        if self.probe.is_some() {
            return Step::Pending;
        }
        match self.cached_at(now) {
            Some(result) => Step::Done(result.clone()),
            None => self.begin(Cause::Health),
        }
    }

    /// Takes what Status answered, or the text of its failure, at the time it did.
    pub fn status_answered(&mut self, now: Duration, answer: Result<StatusAnswer, String>) -> Step {
        let Some(Probe {
            refresh: None,
            cause,
        }) = self.probe
        else {
            return Step::Pending;
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                let shown = |provider| Error::KmsCall {
                    call: KmsCall::Status,
                    provider,
                    reason: reason.clone(),
                };
                // Upstream keeps the bare cause and shows the wrapped one.
                let first = Err(shown(Some(self.provider.clone())));
                return self.end(cause, now, Err(shown(None)), first);
            }
        };
        if self.version.is_none() && answer.version_is_known() {
            self.version = Some(answer.version.clone());
        }
        let faults = answer.faults(self.version.as_deref());
        if check_key_id(&answer.key_id).is_err() {
            return self.conclude(cause, now, faults);
        }
        // Upstream refreshes whenever the key_id is good, whatever else is wrong.
        let expires = now.saturating_add(WRITE_TTL);
        match &mut self.current {
            Some(current) if current.source.answer().key_id == answer.key_id => {
                current.expires = expires;
                self.conclude(cause, now, faults)
            }
            _ => {
                let refresh = Some(Refresh {
                    faults,
                    key_id: answer.key_id,
                    expires,
                });
                self.probe = Some(Probe { cause, refresh });
                Step::Encrypt
            }
        }
    }

    /// Takes the seed and uid that went to Encrypt, and what it answered or the text of its failure. The seed is written
    /// with if the answer passes [`EncryptAnswer::check`] and has the key_id that Status reported; else the old one
    /// stays.
    pub fn encrypt_answered(
        &mut self,
        now: Duration,
        seed: &SecretBytes,
        uid: &str,
        answer: Result<EncryptAnswer, String>,
    ) -> Step {
        let Some(Probe {
            refresh: Some(refresh),
            cause,
        }) = self.probe.as_mut()
        else {
            return Step::Pending;
        };
        let (cause, key_id, expires) = (*cause, mem::take(&mut refresh.key_id), refresh.expires);
        let mut faults = mem::take(&mut refresh.faults);
        let made = answer
            .map_err(|reason| Error::KmsEncryptRefused { reason })
            .and_then(|answer| match self.form {
                SourceType::Seed => WriteSource::seed(self.backend, seed, answer),
                SourceType::Key => WriteSource::key(self.backend, seed, COUNTER_START, answer),
            });
        match made {
            Ok(source) if source.answer().key_id == key_id => {
                self.current = Some(Current {
                    source,
                    uid: uid.into(),
                    expires,
                });
            }
            other => {
                let state = self.current.as_ref();
                let hash = |source: &WriteSource| key_id_hash(&source.answer().key_id);
                faults.push(Error::KmsRotation(alloc::boxed::Box::new(
                    RotationFailure {
                        uid: uid.into(),
                        uses_seed: self.form == SourceType::Seed,
                        status_key_id: key_id_hash(&key_id),
                        encrypt_key_id: other.as_ref().map(hash).unwrap_or_default(),
                        state_key_id: state.map(|c| hash(&c.source)).unwrap_or_default(),
                        expires: state.map(|c| c.expires),
                        cause: other.err().map(alloc::boxed::Box::new),
                    },
                )));
            }
        }
        self.conclude(cause, now, faults)
    }

    /// What to write with now, for [`Chain::seal`](crate::chain::Chain::seal). No call to the plugin comes of it.
    ///
    /// # Errors
    /// [`Error::KmsNeverHealthy`], and [`Error::KmsWriteExpired`] later than 3 minutes after the last Status that
    /// reported the key_id; at that very instant writing is still allowed.
    pub fn write_source(&mut self, now: Duration) -> Result<&mut WriteSource, Error> {
        let current = self.current.as_mut().ok_or(Error::KmsNeverHealthy)?;
        if now > current.expires {
            return Err(Error::KmsWriteExpired {
                key_id: key_id_hash(&current.source.answer().key_id),
                expired: rfc3339(current.expires),
                now: rfc3339(now),
            });
        }
        Ok(&mut current.source)
    }

    /// What reads are compared with, for [`DekTable::set_state`](super::DekTable::set_state). An expired seed serves
    /// reads as well as a fresh one.
    pub fn read_state(&self) -> KmsState {
        match &self.current {
            None => KmsState::NeverHealthy,
            Some(current) => KmsState::Current {
                key_id: current.source.answer().key_id.clone(),
                uses_seed: current.source.source_type() == SourceType::Seed,
            },
        }
    }

    /// When the seed in use expires, since the Unix epoch.
    pub fn expires(&self) -> Option<Duration> {
        self.current.as_ref().map(|current| current.expires)
    }

    /// The uid that went with the seed in use.
    pub fn uid(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.uid.as_str())
    }

    /// The first good version that Status reported; the others have to be the same.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn cached_at(&self, now: Duration) -> Option<&Result<(), Error>> {
        self.cached.as_ref()?.at(now)
    }

    fn begin(&mut self, cause: Cause) -> Step {
        self.probe = Some(Probe {
            cause,
            refresh: None,
        });
        Step::Status
    }

    fn conclude(&mut self, cause: Cause, now: Duration, faults: Vec<Error>) -> Step {
        let result = if faults.is_empty() {
            Ok(())
        } else {
            Err(Error::KmsUnhealthy {
                provider: self.provider.clone(),
                causes: faults,
            })
        };
        self.end(cause, now, result.clone(), result)
    }

    fn end(
        &mut self,
        cause: Cause,
        now: Duration,
        kept: Result<(), Error>,
        shown: Result<(), Error>,
    ) -> Step {
        self.probe = None;
        self.probed(cause, now, kept.is_ok());
        self.cached = Some(Cached {
            at: now,
            result: kept,
        });
        Step::Done(shown)
    }

    fn probed(&mut self, cause: Cause, now: Duration, well: bool) {
        match (cause, &mut self.loops) {
            (Cause::Start, loops) => *loops = Some(Loops::new(now, well)),
            (Cause::Loop(which), Some(loops)) => loops.probed(which, now, well),
            (Cause::Loop(_), None) | (Cause::Health, _) => {}
        }
    }
}

impl fmt::Debug for KmsV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsV2")
            .field("provider", &self.provider)
            .field("source", &self.current.as_ref().map(|c| &c.source))
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

//! The health probe of a KMS v1 plugin: Encrypt, then Decrypt of what it answered, and only when somebody asks.
//!
//! (apiserver, `server/options/encryptionconfig/config.go`, `kmsPluginProbe`.)

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::state::Cached;
use crate::{Error, error::KmsCall};

/// What is encrypted to see whether the plugin lives.
pub const PING: &[u8; 4] = b"ping";

/// What has to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepV1 {
    /// Call Encrypt with [`PING`] and hand its answer to [`KmsV1::encrypt_answered`].
    Encrypt,
    /// Call Decrypt with this ciphertext and hand its answer to [`KmsV1::decrypt_answered`].
    Decrypt(Vec<u8>),
    /// The probe is over: healthy, or what kube-apiserver's health endpoint says, by [`Error::upstream`].
    Done(Result<(), Error>),
    /// A call is out, and kube-apiserver waits for it here; or no call is out to which this could be the answer.
    Pending,
}

/// One KMS v1 provider of one API server. Every `now` is since an epoch of the caller's.
pub struct KmsV1 {
    provider: String,
    cached: Option<Cached>,
    out: Option<KmsCall>,
}

impl KmsV1 {
    /// A provider that nobody has asked yet.
    pub fn new(provider: &str) -> Self {
        Self {
            provider: provider.into(),
            cached: None,
            out: None,
        }
    }

    /// What a request to the health endpoint does: a result of the last 20 s (good) or 3 s (bad) is repeated, else the
    /// plugin is asked.
    pub fn health(&mut self, now: Duration) -> StepV1 {
        if self.out.is_some() {
            return StepV1::Pending;
        }
        match self.cached.as_ref().and_then(|cached| cached.at(now)) {
            Some(result) => StepV1::Done(result.clone()),
            None => {
                self.out = Some(KmsCall::Encrypt);
                StepV1::Encrypt
            }
        }
    }

    /// Takes what Encrypt answered, or the text of its failure. Any ciphertext will do.
    pub fn encrypt_answered(&mut self, now: Duration, answer: Result<Vec<u8>, String>) -> StepV1 {
        if self.out != Some(KmsCall::Encrypt) {
            return StepV1::Pending;
        }
        match answer {
            Ok(ciphertext) => {
                self.out = Some(KmsCall::Decrypt);
                StepV1::Decrypt(ciphertext)
            }
            Err(reason) => self.failed(KmsCall::Encrypt, now, reason),
        }
    }

    /// Takes whether Decrypt answered, or the text of its failure. What it answered is compared with nothing.
    pub fn decrypt_answered(&mut self, now: Duration, answer: Result<(), String>) -> StepV1 {
        if self.out != Some(KmsCall::Decrypt) {
            return StepV1::Pending;
        }
        match answer {
            Ok(()) => {
                self.out = None;
                self.cached = Some(Cached {
                    at: now,
                    result: Ok(()),
                });
                StepV1::Done(Ok(()))
            }
            Err(reason) => self.failed(KmsCall::Decrypt, now, reason),
        }
    }

    fn failed(&mut self, call: KmsCall, now: Duration, reason: String) -> StepV1 {
        let shown = |provider| Error::KmsCall {
            call,
            provider,
            reason: reason.clone(),
        };
        self.out = None;
        // Upstream keeps the bare cause and shows the wrapped one.
        self.cached = Some(Cached {
            at: now,
            result: Err(shown(None)),
        });
        StepV1::Done(Err(shown(Some(self.provider.clone()))))
    }
}

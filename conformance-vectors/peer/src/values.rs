//! Stored values: opening and sealing with the chain of one resource.

use std::collections::BTreeMap;

use k8senc::{
    Error,
    chain::{Answer, Chain, WriteKey},
    crypto::{Backend, PORTABLE},
    kms::{DekRequest, DekTable, EncryptAnswer, KmsApi, KmsState, WriteSource},
    secret::SecretBytes,
};
use k8senc_backends::NATIVE;
use k8senc_config::{Config, GroupResource, Options};

use crate::ask::{Answers, Questions, Truncated};
use crate::toy;

/// The chain in use, and what this API server knows of its plugins.
#[derive(Default)]
pub struct World {
    chain: Option<Chain>,
    states: Vec<(String, KmsState)>,
    sources: BTreeMap<String, WriteSource>,
}

impl World {
    /// Asked: configuration, resource, backend (0 portable, 1 native); then a count of KMS v2 providers, each with its name,
    /// whether it was ever healthy, key_id, seed form, seed or DEK, encrypted DEK, counter and annotations.
    ///
    /// Answered: `+`, or `-` and kube-apiserver's text.
    pub fn load(&mut self, asked: &mut Questions<'_>, out: &mut Answers) -> Result<(), Truncated> {
        *self = Self::default();
        let mut options = Options::default();
        options.kmsv1 = Some(true);
        let config = Config::parse_as(asked.bytes()?, &options);
        let resource = GroupResource::parse(asked.text()?);
        let backend: &'static dyn Backend = if asked.flag()? { &NATIVE } else { &PORTABLE };
        for _ in 0..asked.count()? {
            let name = asked.text()?;
            let healthy = asked.flag()?;
            let key_id = asked.text()?;
            let uses_seed = asked.flag()?;
            let secret = SecretBytes::from_slice(asked.bytes()?);
            let ciphertext = asked.bytes()?.to_vec();
            let counter = asked.counter()?;
            let mut answer = EncryptAnswer {
                ciphertext,
                key_id: key_id.to_owned(),
                ..EncryptAnswer::default()
            };
            for _ in 0..asked.count()? {
                let annotation = asked.text()?.to_owned();
                answer
                    .annotations
                    .insert(annotation, asked.bytes()?.to_vec());
            }
            if !healthy {
                self.states.push((name.to_owned(), KmsState::NeverHealthy));
                continue;
            }
            let state = KmsState::Current {
                key_id: key_id.to_owned(),
                uses_seed,
            };
            self.states.push((name.to_owned(), state));
            let source = if uses_seed {
                WriteSource::seed(backend, &secret, answer)
            } else {
                WriteSource::key(backend, &secret, counter, answer)
            };
            if let Ok(source) = source {
                self.sources.insert(name.to_owned(), source);
            }
        }
        let refusal = match config.map(|config| config.chain(&resource, backend)) {
            Ok(Ok(chain)) => {
                self.chain = Some(chain);
                out.byte(b'+');
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(refused) => refused.verdict.upstream.unwrap_or_default(),
        };
        out.byte(b'-');
        out.bytes(refusal.as_bytes());
        Ok(())
    }

    /// Asked: etcd key, stored value.
    ///
    /// Answered: `+`, plaintext, stale (0, 1, or 2 for unknown), or a [`refusal`]; then the KMS requests that were made.
    pub fn open(&self, asked: &mut Questions<'_>, out: &mut Answers) -> Result<(), Truncated> {
        let etcd_key = asked.bytes()?;
        let stored = asked.bytes()?;
        let chain = self.chain.as_ref().ok_or(Truncated)?;
        let mut deks = DekTable::new();
        for (name, state) in &self.states {
            deks.set_state(name, state.clone());
        }
        let mut requests = Vec::new();
        let mut answered = chain.open(stored, etcd_key, &deks);
        while let Ok(Answer::Needs(request)) = &answered {
            if requests.len() > chain.len() {
                return Err(Truncated);
            }
            match toy::decrypt(request) {
                Ok(dek) => deks.supply(request, dek),
                Err(reason) => deks.refuse(request, reason),
            }
            requests.push(request.clone());
            answered = chain.open(stored, etcd_key, &deks);
        }
        match answered {
            Ok(Answer::Opened(opened)) => {
                out.byte(b'+');
                out.bytes(opened.plaintext.reveal());
                out.byte(opened.how.stale.as_bool().map_or(2, u8::from));
            }
            Ok(Answer::Needs(_)) => return Err(Truncated),
            Err(error) => refusal(&error, out),
        }
        out.count(requests.len());
        for request in &requests {
            write_request(request, out);
        }
        Ok(())
    }

    /// Asked: etcd key, plaintext, random bytes, what to write with (0 nothing, 1 an encrypted DEK, 2 the state of a KMS v2
    /// provider) and that encrypted DEK or provider name.
    ///
    /// Answered: `+`, the stored value and how many random bytes it took, or a [`refusal`].
    pub fn seal(&mut self, asked: &mut Questions<'_>, out: &mut Answers) -> Result<(), Truncated> {
        let etcd_key = asked.bytes()?;
        let plaintext = asked.bytes()?;
        let random = asked.bytes()?;
        let with = asked.byte()?;
        let argument = asked.bytes()?;
        let chain = self.chain.as_ref().ok_or(Truncated)?;
        let name = std::str::from_utf8(argument).unwrap_or_default();
        let key = match (with, self.sources.get_mut(name)) {
            (1, _) => WriteKey::KmsV1 {
                encrypted_dek: argument,
            },
            (2, Some(source)) => WriteKey::KmsV2(source),
            _ => WriteKey::None,
        };
        let need = chain.random_len(&key);
        match chain.seal(plaintext, etcd_key, random, key) {
            Ok(stored) => {
                out.byte(b'+');
                out.bytes(&stored);
                out.count(need);
            }
            Err(error) => refusal(&error, out),
        }
        Ok(())
    }
}

/// `-`, our code, whether kube-apiserver has a text for it, that text.
fn refusal(error: &Error, out: &mut Answers) {
    let text = error.upstream();
    out.byte(b'-');
    out.bytes(error.code().as_bytes());
    out.byte(u8::from(text.is_some()));
    out.bytes(text.unwrap_or_default().as_bytes());
}

/// Provider, API version, ciphertext, key_id, annotations.
fn write_request(request: &DekRequest, out: &mut Answers) {
    out.bytes(request.provider.as_bytes());
    out.byte(if request.api == KmsApi::V1 { 1 } else { 2 });
    out.bytes(&request.ciphertext);
    out.bytes(request.key_id.as_bytes());
    out.count(request.annotations.len());
    for (name, value) in &request.annotations {
        out.bytes(name.as_bytes());
        out.bytes(value);
    }
}

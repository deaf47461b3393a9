//! The caller's table of DEKs, and the requests that fill it.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use crate::{
    Error,
    crypto::{Backend, Cbc, Expander, Gcm, PORTABLE},
    secret::SecretBytes,
    wire::kmsv2::{EncryptedObject, SourceType},
};

/// Version of the KMS plugin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KmsApi {
    /// `v1beta1`, provider blocks with `apiVersion: v1`.
    V1,
    /// `v2`.
    V2,
}

/// One Decrypt call that has to be made before a value can be opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DekRequest {
    /// API version.
    pub api: KmsApi,
    /// Name of the provider block.
    pub provider: String,
    /// The encrypted DEK or seed, up to 65,535 bytes (v1) or 1,024 bytes (v2).
    pub ciphertext: Vec<u8>,
    /// v2 only: which KEK the plugin said it used.
    pub key_id: String,
    /// v2 only: what the plugin wants back.
    pub annotations: BTreeMap<String, Vec<u8>>,
}

/// What this API server knows of a KMS v2 plugin, which decides what is stale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KmsState {
    /// Nobody asked: whether a value is stale cannot be told.
    #[default]
    Unknown,
    /// Never healthy since start: kube-apiserver then reads nothing.
    NeverHealthy,
    /// What Status reports, and whether the API server writes in seed form (it does since 1.29).
    Current {
        /// The key_id of Status.
        key_id: String,
        /// Seed form (true) or key form.
        uses_seed: bool,
    },
}

/// A DEK with the ciphers made from it.
pub(crate) struct Dek {
    bytes: SecretBytes,
    gcm: Option<Box<dyn Gcm>>,
    seed: Option<Box<dyn Expander>>,
}

impl Dek {
    /// As an AES key: 16, 24 or 32 bytes.
    pub(crate) fn gcm(&self) -> Result<&dyn Gcm, Error> {
        self.gcm.as_deref().ok_or(Error::DekSize {
            got: self.bytes.len(),
        })
    }

    /// As a seed: 32 bytes or more.
    pub(crate) fn seed(&self) -> Result<&dyn Expander, Error> {
        self.seed.as_deref().ok_or(Error::SeedTooShort {
            got: self.bytes.len(),
        })
    }

    /// Made at each call: only values from before 1.25 need it.
    pub(crate) fn cbc(&self, backend: &dyn Backend) -> Option<Box<dyn Cbc>> {
        backend.cbc(self.bytes.expose())
    }
}

pub(crate) enum Lookup<'a> {
    Known(&'a Dek),
    Refused(&'a str),
    Missing,
}

enum Entry {
    Dek(Dek),
    Refused(String),
}

/// DEKs by provider, API version, encrypted DEK, key_id and annotations, so that what was learned for one provider opens
/// nothing of another's.
pub struct DekTable {
    entries: BTreeMap<Vec<u8>, Entry>,
    states: BTreeMap<String, KmsState>,
    backend: &'static dyn Backend,
}

impl Default for DekTable {
    fn default() -> Self {
        Self::new()
    }
}

impl DekTable {
    /// Empty, with the portable backend.
    pub fn new() -> Self {
        Self::with_backend(&PORTABLE)
    }

    /// Empty; the ciphers of the DEKs are made by `backend`.
    pub fn with_backend(backend: &'static dyn Backend) -> Self {
        Self {
            entries: BTreeMap::new(),
            states: BTreeMap::new(),
            backend,
        }
    }

    /// Records what Decrypt answered. Any length is taken; a DEK of no use is refused when it is used, as upstream does.
    pub fn supply(&mut self, request: &DekRequest, dek: SecretBytes) {
        let seed = (request.api == KmsApi::V2 && dek.len() >= 32)
            .then(|| self.backend.expander(dek.expose()));
        let entry = Dek {
            gcm: self.backend.gcm(dek.expose()),
            seed,
            bytes: dek,
        };
        self.entries.insert(request.table_key(), Entry::Dek(entry));
    }

    /// Records that Decrypt failed, with the plugin's text, which upstream repeats.
    pub fn refuse(&mut self, request: &DekRequest, reason: String) {
        self.entries
            .insert(request.table_key(), Entry::Refused(reason));
    }

    /// Takes an answer back, so that the KMS is asked again: a refusal may have been its outage.
    pub fn forget(&mut self, request: &DekRequest) {
        self.entries.remove(&request.table_key());
    }

    /// Whether an answer to `request`, good or bad, is there.
    pub fn contains(&self, request: &DekRequest) -> bool {
        self.entries.contains_key(&request.table_key())
    }

    /// Answers recorded, refusals included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says what is known of the KMS v2 plugin of `provider`.
    pub fn set_state(&mut self, provider: &str, state: KmsState) {
        self.states.insert(provider.into(), state);
    }

    pub(crate) fn state(&self, provider: &str) -> &KmsState {
        self.states.get(provider).unwrap_or(&KmsState::Unknown)
    }

    pub(crate) fn find_v1(&self, provider: &str, encrypted_dek: &[u8]) -> Lookup<'_> {
        self.find(&table_key(
            KmsApi::V1,
            provider,
            encrypted_dek,
            "",
            core::iter::empty(),
        ))
    }

    pub(crate) fn find_v2(&self, provider: &str, object: &EncryptedObject<'_>) -> Lookup<'_> {
        let annotations = object.annotations.iter().map(|(&k, &v)| (k, v));
        self.find(&table_key(
            KmsApi::V2,
            provider,
            object.encrypted_dek_source,
            object.key_id,
            annotations,
        ))
    }

    fn find(&self, key: &[u8]) -> Lookup<'_> {
        match self.entries.get(key) {
            Some(Entry::Dek(dek)) => Lookup::Known(dek),
            Some(Entry::Refused(reason)) => Lookup::Refused(reason),
            None => Lookup::Missing,
        }
    }
}

impl fmt::Debug for DekTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DekTable({} answers, redacted)", self.len())
    }
}

impl DekRequest {
    pub(crate) fn v1(provider: &str, encrypted_dek: &[u8]) -> Self {
        Self {
            api: KmsApi::V1,
            provider: provider.into(),
            ciphertext: encrypted_dek.into(),
            key_id: String::new(),
            annotations: BTreeMap::new(),
        }
    }

    pub(crate) fn v2(provider: &str, object: &EncryptedObject<'_>) -> Self {
        Self {
            api: KmsApi::V2,
            provider: provider.into(),
            ciphertext: object.encrypted_dek_source.into(),
            key_id: object.key_id.into(),
            annotations: object.owned_annotations(),
        }
    }

    fn table_key(&self) -> Vec<u8> {
        let annotations = self
            .annotations
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_slice()));
        table_key(
            self.api,
            &self.provider,
            &self.ciphertext,
            &self.key_id,
            annotations,
        )
    }
}

/// Whether a value of this form is stale for `state`: by key_id, by source type; `None` if nobody asked the plugin.
pub(crate) fn stale_for(
    state: &KmsState,
    key_id: &str,
    source_type: SourceType,
) -> Option<(bool, bool)> {
    match state {
        KmsState::Current {
            key_id: current,
            uses_seed,
        } => Some((
            key_id != current,
            (source_type == SourceType::Seed) != *uses_seed,
        )),
        KmsState::Unknown | KmsState::NeverHealthy => None,
    }
}

/// Every part with its length in front, so that no two requests have the same bytes.
fn table_key<'a>(
    api: KmsApi,
    provider: &str,
    ciphertext: &[u8],
    key_id: &str,
    annotations: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Vec<u8> {
    let parts = [provider.as_bytes(), ciphertext, key_id.as_bytes()];
    let size = parts
        .iter()
        .map(|p| p.len().saturating_add(8))
        .fold(1, usize::saturating_add);
    let mut key = Vec::with_capacity(size);
    key.push(u8::from(api == KmsApi::V2));
    for part in parts {
        push_part(&mut key, part);
    }
    for (name, value) in annotations {
        push_part(&mut key, name.as_bytes());
        push_part(&mut key, value);
    }
    key
}

fn push_part(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(&(part.len() as u64).to_be_bytes());
    key.extend_from_slice(part);
}

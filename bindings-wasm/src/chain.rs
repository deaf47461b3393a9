//! The providers of one resource: opening and sealing stored values.

use js_sys::Uint8Array;
use k8senc::chain::{Answer, NamedKey, ProviderSpec, Staleness, WriteKey};
use k8senc::crypto::PORTABLE;
use k8senc::kms::{DekTable, KmsState};
use k8senc::secret::SecretBytes;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::failure::Failure;
use crate::kms::{DekRequest, WriteSource};

/// What opens and judges the values of one resource, in kube-apiserver's order, and what KMS plugins said so far.
#[wasm_bindgen]
pub struct Chain {
    chain: k8senc::chain::Chain,
    deks: DekTable,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct How<'c> {
    stale: Option<bool>,
    reasons: Vec<&'static str>,
    provider: &'static str,
    provider_index: usize,
    key: Option<&'c str>,
    key_index: Option<usize>,
    authenticated: bool,
    length: usize,
}

#[derive(Serialize)]
struct Info<'c> {
    kind: &'static str,
    name: Option<&'c str>,
    keys: Vec<&'c str>,
}

impl Chain {
    pub(crate) fn new(chain: k8senc::chain::Chain) -> Self {
        Self {
            chain,
            deks: DekTable::with_backend(&PORTABLE),
        }
    }

    fn how(&self, opened: &k8senc::chain::Opened) -> String {
        let how = opened.how;
        let info = self.chain.describe(how.provider);
        let provider = info.map_or("identity", |info| info.kind);
        let key_name = how
            .key
            .and_then(|key| self.chain.key_name(how.provider, key));
        json(&How {
            stale: how.stale.as_bool(),
            reasons: match how.stale {
                Staleness::Stale(reasons) => reasons.codes().collect(),
                _ => Vec::new(),
            },
            provider,
            provider_index: how.provider,
            key: key_name.or(info.and_then(|info| info.name)),
            key_index: how.key,
            authenticated: !how.unauthenticated && provider != "identity",
            length: opened.plaintext.len(),
        })
    }
}

#[wasm_bindgen]
impl Chain {
    /// What serves a resource that no rule covers.
    pub fn bare() -> Self {
        Self::new(k8senc::chain::Chain::bare_identity())
    }

    /// One static key: `aescbc`, `aesgcm` or `secretbox`.
    ///
    /// # Errors
    /// A provider without static keys; `StoredValueError` with code `key-size`.
    #[wasm_bindgen(js_name = withKey)]
    pub fn with_key(provider: &str, name: String, secret: Vec<u8>) -> Result<Self, Failure> {
        let keys = vec![NamedKey {
            name,
            secret: SecretBytes::new(secret),
        }];
        let spec = match provider {
            "aescbc" => ProviderSpec::AesCbc(keys),
            "aesgcm" => ProviderSpec::AesGcm(keys),
            "secretbox" => ProviderSpec::Secretbox(keys),
            other => {
                return Err(Failure::usage(
                    "provider",
                    format!("{other:?} has no static keys; aescbc, aesgcm and secretbox have"),
                ));
            }
        };
        Ok(Self::new(k8senc::chain::Chain::new(vec![spec], &PORTABLE)?))
    }

    /// One KMS provider: `v1` or `v2`.
    ///
    /// # Errors
    /// Another API version.
    #[wasm_bindgen(js_name = withKms)]
    pub fn with_kms(api_version: &str, name: String) -> Result<Self, Failure> {
        let spec = match api_version {
            "v1" => ProviderSpec::KmsV1 { name },
            "v2" => ProviderSpec::KmsV2 { name },
            other => {
                return Err(Failure::usage(
                    "kms-version",
                    format!("KMS API version {other:?}; v1 and v2 exist"),
                ));
            }
        };
        Ok(Self::new(k8senc::chain::Chain::new(vec![spec], &PORTABLE)?))
    }

    /// Providers in order, with their names and those of their keys.
    pub fn describe(&self) -> String {
        let infos = (0..self.chain.len()).filter_map(|index| {
            let info = self.chain.describe(index)?;
            Some(Info {
                kind: info.kind,
                name: info.name,
                keys: (0..)
                    .map_while(|key| self.chain.key_name(index, key))
                    .collect(),
            })
        });
        json(&infos.collect::<Vec<_>>())
    }

    /// Opens a stored value, or says what has to be asked first.
    ///
    /// # Errors
    /// `StoredValueError`: what kube-apiserver would report.
    pub fn open(&self, stored: Vec<u8>, etcd_key: Vec<u8>) -> Result<Step, Failure> {
        Ok(match self.chain.open(&stored, &etcd_key, &self.deks)? {
            Answer::Needs(request) => Step {
                request: Some(DekRequest(request)),
                opened: None,
            },
            Answer::Opened(opened) => {
                let how = self.how(&opened);
                Step {
                    request: None,
                    opened: Some(Opened {
                        how,
                        plaintext: opened.plaintext,
                    }),
                }
            }
        })
    }

    /// The Decrypt calls that reading a value may take and that are not answered yet.
    pub fn needs(&self, stored: Vec<u8>) -> Vec<DekRequest> {
        let requests = self.chain.needs([stored.as_slice()], &self.deks);
        requests.into_iter().map(DekRequest).collect()
    }

    /// Puts in what a plugin answered.
    pub fn supply(&mut self, request: &DekRequest, dek: Vec<u8>) {
        self.deks.supply(&request.0, SecretBytes::new(dek));
    }

    /// Puts in a plugin's error.
    pub fn refuse(&mut self, request: &DekRequest, reason: String) {
        self.deks.refuse(&request.0, reason);
    }

    /// Takes an answer back, so that the plugin is asked again.
    pub fn forget(&mut self, request: &DekRequest) {
        self.deks.forget(&request.0);
    }

    /// What Status of a KMS v2 provider reports: a key_id, or that it never did (`neverHealthy`), or nobody asked.
    #[wasm_bindgen(js_name = setState)]
    pub fn set_state(
        &mut self,
        provider: &str,
        key_id: Option<String>,
        uses_seed: bool,
        never_healthy: bool,
    ) {
        let state = match key_id {
            _ if never_healthy => KmsState::NeverHealthy,
            Some(key_id) => KmsState::Current { key_id, uses_seed },
            None => KmsState::Unknown,
        };
        self.deks.set_state(provider, state);
    }

    /// Random bytes that one [`seal`](Self::seal) draws.
    #[wasm_bindgen(js_name = randomLength)]
    pub fn random_length(&self) -> usize {
        self.chain.random_len(&WriteKey::None)
    }

    /// Random bytes that one [`seal_with`](Self::seal_with) draws.
    #[wasm_bindgen(js_name = randomLengthWith)]
    pub fn random_length_with(&self, source: &mut WriteSource) -> usize {
        self.chain.random_len(&source.write_key())
    }

    /// The stored value for a plaintext, by a static provider or identity. `random` is fresh and used once.
    ///
    /// # Errors
    /// `StoredValueError`.
    pub fn seal(
        &self,
        plaintext: Vec<u8>,
        etcd_key: Vec<u8>,
        random: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        Ok(self
            .chain
            .seal(&plaintext, &etcd_key, &random, WriteKey::None)?)
    }

    /// As [`seal`](Self::seal), by a KMS provider.
    ///
    /// # Errors
    /// `StoredValueError`.
    #[wasm_bindgen(js_name = sealWith)]
    pub fn seal_with(
        &self,
        plaintext: Vec<u8>,
        etcd_key: Vec<u8>,
        random: Vec<u8>,
        source: &mut WriteSource,
    ) -> Result<Vec<u8>, Failure> {
        let key = source.write_key();
        Ok(self.chain.seal(&plaintext, &etcd_key, &random, key)?)
    }
}

/// One of the two is there.
#[wasm_bindgen]
pub struct Step {
    request: Option<DekRequest>,
    opened: Option<Opened>,
}

#[wasm_bindgen]
impl Step {
    /// What has to be asked, once.
    #[wasm_bindgen(js_name = takeRequest)]
    pub fn take_request(&mut self) -> Option<DekRequest> {
        self.request.take()
    }

    /// The opened value, once.
    #[wasm_bindgen(js_name = takeOpened)]
    pub fn take_opened(&mut self) -> Option<Opened> {
        self.opened.take()
    }
}

/// An opened value; its plaintext is wiped when it is freed.
#[wasm_bindgen]
pub struct Opened {
    how: String,
    plaintext: k8senc::secret::Plaintext,
}

#[wasm_bindgen]
impl Opened {
    /// Who opened it and whether it is stale, as JSON.
    pub fn how(&self) -> String {
        self.how.clone()
    }

    /// The plaintext, in memory of JavaScript's from then on.
    pub fn reveal(&self) -> Uint8Array {
        Uint8Array::from(self.plaintext.reveal())
    }

    /// What kind of object it is, without its values.
    pub fn object(&self) -> String {
        crate::value::object_answer(self.plaintext.reveal())
    }

    /// It as `yaml` or `json`; masked, its values are sizes.
    ///
    /// # Errors
    /// `StoredValueError` for what has no such form.
    pub fn text(&self, form: &str, masked: bool) -> Result<String, Failure> {
        crate::value::written(self.plaintext.reveal(), form, masked)
    }
}

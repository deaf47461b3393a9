//! Questions to a KMS, and what a KMS provider writes with.

use std::collections::BTreeMap;

use k8senc::chain::WriteKey;
use k8senc::crypto::PORTABLE;
use k8senc::kms::plugins::{Stored, Wrapped, recognise as known};
use k8senc::kms::{EncryptAnswer, KmsApi, WriteSource as Inner};
use k8senc::secret::SecretBytes;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::answer::{hex, json};
use crate::failure::Failure;
use crate::options::read;

/// One Decrypt call that has to be made.
#[wasm_bindgen]
#[derive(Clone)]
pub struct DekRequest(pub(crate) k8senc::kms::DekRequest);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestAnswer<'r> {
    api_version: &'static str,
    provider: &'r str,
    key_id: &'r str,
    annotations: BTreeMap<&'r str, String>,
}

#[wasm_bindgen]
impl DekRequest {
    /// API version, provider, key_id, annotations (hex).
    pub fn describe(&self) -> String {
        let request = &self.0;
        json(&RequestAnswer {
            api_version: match request.api {
                KmsApi::V1 => "v1",
                KmsApi::V2 => "v2",
            },
            provider: &request.provider,
            key_id: &request.key_id,
            annotations: request
                .annotations
                .iter()
                .map(|(name, value)| (name.as_str(), hex(value)))
                .collect(),
        })
    }

    /// The encrypted DEK or seed.
    pub fn ciphertext(&self) -> Vec<u8> {
        self.0.ciphertext.clone()
    }
}

/// What a KMS provider writes with.
#[wasm_bindgen]
pub struct WriteSource(Source);

enum Source {
    V1 { encrypted_dek: Vec<u8> },
    V2(Inner),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Beside {
    key_id: String,
    annotations: BTreeMap<String, Vec<u8>>,
}

fn answer(ciphertext: Vec<u8>, beside: &str) -> Result<EncryptAnswer, Failure> {
    let beside: Beside = read(beside)?;
    Ok(EncryptAnswer {
        ciphertext,
        key_id: beside.key_id,
        annotations: beside.annotations,
    })
}

#[wasm_bindgen]
impl WriteSource {
    /// KMS v1: what Encrypt answered for the DEK.
    pub fn v1(encrypted_dek: Vec<u8>) -> Self {
        Self(Source::V1 { encrypted_dek })
    }

    /// KMS v2 in seed form. `beside` is the JSON of key_id and annotations (lists of bytes).
    ///
    /// # Errors
    /// What kube-apiserver refuses of a plugin's answer.
    pub fn seed(seed: Vec<u8>, ciphertext: Vec<u8>, beside: &str) -> Result<Self, Failure> {
        let seed = SecretBytes::new(seed);
        Ok(Self(Source::V2(Inner::seed(
            &PORTABLE,
            &seed,
            answer(ciphertext, beside)?,
        )?)))
    }

    /// KMS v2 in key form; `counter` is the last one used.
    ///
    /// # Errors
    /// As [`seed`](Self::seed).
    pub fn key(
        dek: Vec<u8>,
        counter: u64,
        ciphertext: Vec<u8>,
        beside: &str,
    ) -> Result<Self, Failure> {
        let dek = SecretBytes::new(dek);
        Ok(Self(Source::V2(Inner::key(
            &PORTABLE,
            &dek,
            counter,
            answer(ciphertext, beside)?,
        )?)))
    }

    /// Key form: the last counter used.
    pub fn counter(&self) -> Option<u64> {
        match &self.0 {
            Source::V1 { .. } => None,
            Source::V2(source) => source.counter(),
        }
    }
}

impl WriteSource {
    pub(crate) fn write_key(&mut self) -> WriteKey<'_> {
        match &mut self.0 {
            Source::V1 { encrypted_dek } => WriteKey::KmsV1 { encrypted_dek },
            Source::V2(source) => WriteKey::KmsV2(source),
        }
    }
}

/// Whether kube-apiserver accepts what a KMS v2 plugin's Encrypt answered.
///
/// # Errors
/// Why not.
#[wasm_bindgen(js_name = checkEncryptAnswer)]
pub fn check_encrypt_answer(ciphertext: Vec<u8>, beside: &str) -> Result<(), Failure> {
    Ok(answer(ciphertext, beside)?.check()?)
}

#[derive(Serialize)]
struct WrappedAnswer {
    plugin: &'static str,
    authenticated: bool,
    needs: Vec<NeedAnswer>,
    facts: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct NeedAnswer {
    need: &'static str,
    text: &'static str,
}

/// What the bytes and their key_id say, for the plugins that say something.
fn facts(wrapped: &Wrapped<'_>) -> BTreeMap<&'static str, String> {
    let facts: [(&str, Option<String>); 2] = match wrapped {
        Wrapped::Aws(aws) => [
            ("backingKeyHint", aws.backing_key_hint.map(|hint| hex(hint))),
            ("versioned", Some(aws.versioned.to_string())),
        ],
        Wrapped::Gcp(gcp) => [
            ("cryptoKey", gcp.crypto_key.map(str::to_owned)),
            ("keyVersion", gcp.key_version.map(str::to_owned)),
        ],
        Wrapped::Transit(transit) => [
            ("keyVersion", Some(transit.key_version.to_string())),
            ("ciphertext", Some(transit.text.to_owned())),
        ],
        _ => [("", None), ("", None)],
    };
    let known = facts.into_iter();
    known
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Which plugins write such a ciphertext, likeliest first, and what has to be known to unwrap it.
///
/// # Errors
/// Annotations that are none.
#[wasm_bindgen]
pub fn recognise(ciphertext: Vec<u8>, beside: &str) -> Result<String, Failure> {
    let beside: Beside = read(beside)?;
    let stored = Stored {
        ciphertext: &ciphertext,
        key_id: &beside.key_id,
        annotations: beside
            .annotations
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect(),
    };
    let found = known(&stored).into_iter().map(|wrapped| WrappedAnswer {
        plugin: wrapped.name(),
        authenticated: wrapped.is_authenticated(),
        needs: wrapped
            .needs()
            .into_iter()
            .map(|need| NeedAnswer {
                need: need.name(),
                text: need.text(),
            })
            .collect(),
        facts: facts(&wrapped),
    });
    Ok(json(&found.collect::<Vec<_>>()))
}

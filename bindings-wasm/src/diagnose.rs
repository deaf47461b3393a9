//! Why a value does not open: every key under every name, etcd key and form that it may have.

use k8s_object::EtcdName;
use k8senc::crypto::PORTABLE;
use k8senc::secret::{Plaintext, SecretBytes};
use k8senc_recovery::{Opener, Verdict};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::config::Config;

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "result")]
enum Diagnosis {
    #[serde(rename_all = "camelCase")]
    Opened {
        provider: &'static str,
        key: Option<String>,
        unverified: bool,
        moved: bool,
        hint: Option<HintAnswer>,
    },
    Refused {
        provider: &'static str,
        key: Option<String>,
        code: &'static str,
        upstream: Option<String>,
        hint: Option<HintAnswer>,
    },
    Needs {
        provider: String,
    },
}

#[derive(Serialize)]
struct HintAnswer {
    code: &'static str,
    text: String,
}

impl From<k8senc_recovery::Hint> for HintAnswer {
    fn from(hint: k8senc_recovery::Hint) -> Self {
        Self {
            code: hint.code,
            text: hint.text,
        }
    }
}

/// What would open a value, tried with the keys of a configuration and with `keys`, which were typed.
#[wasm_bindgen]
pub fn diagnose(
    stored: Vec<u8>,
    etcd_key: Vec<u8>,
    config: Option<Config>,
    keys: Vec<js_sys::Uint8Array>,
) -> String {
    let config = config.map(|it| it.0);
    let mut opener = Opener::new(config.as_deref(), &PORTABLE);
    for (at, key) in keys.iter().enumerate() {
        let label = format!("typed key {}", at.saturating_add(1));
        opener.add_key(&label, SecretBytes::new(key.to_vec()));
    }
    let name = EtcdName::from_etcd_key(&etcd_key, None);
    let mut scratch = Plaintext::new();
    json(
        &match opener.open(name.as_ref(), &etcd_key, &stored, &mut scratch) {
            Verdict::Opened(it) => Diagnosis::Opened {
                provider: it.provider,
                key: it.key,
                unverified: it.unverified,
                moved: it.moved,
                hint: it.near_miss.map(Into::into),
            },
            Verdict::Refused(it) => Diagnosis::Refused {
                provider: it.provider,
                key: it.key,
                code: it.code,
                upstream: it.upstream,
                hint: it.hint.map(Into::into),
            },
            Verdict::Needs(request) => Diagnosis::Needs {
                provider: request.provider,
            },
        },
    )
}

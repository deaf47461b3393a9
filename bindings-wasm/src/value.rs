//! What a stored value and an opened one say of themselves.

use std::collections::BTreeMap;

use k8s_object::{Form, Types};
use k8senc::inspect::{Inspection, inspect as read_value};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::{hex, json, text};
use crate::failure::Failure;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InspectionAnswer {
    provider: &'static str,
    name: Option<String>,
    name_is_exact: bool,
    candidates: Vec<String>,
    length: usize,
    encrypted_dek: Option<String>,
    key_id: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    source_type: Option<&'static str>,
    problem: Option<ProblemAnswer>,
    parts: Vec<PartAnswer>,
}

#[derive(Serialize)]
struct ProblemAnswer {
    code: &'static str,
    message: String,
    upstream: Option<String>,
}

#[derive(Serialize)]
struct PartAnswer {
    kind: &'static str,
    start: usize,
    end: usize,
    depth: usize,
    guessed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

/// All that shows without a key, and the map of every byte. `name` is the key's or provider's, where it is known.
#[wasm_bindgen]
pub fn inspect(stored: Vec<u8>, name: Option<Vec<u8>>) -> String {
    let found = read_value(&stored);
    let v2 = found.kmsv2.as_ref();
    let encrypted_dek = found
        .kmsv1
        .map(|it| it.encrypted_dek)
        .or(v2.map(|it| it.encrypted_dek_source));
    json(&InspectionAnswer {
        provider: found.format.name(),
        name: found.name.map(text),
        name_is_exact: found.name_is_exact,
        candidates: Inspection::candidates(&stored).map(text).collect(),
        length: stored.len(),
        encrypted_dek: encrypted_dek.map(hex),
        key_id: v2.map(|it| it.key_id.to_owned()),
        annotations: v2.map(|it| {
            it.annotations
                .iter()
                .map(|(&name, &value)| (name.to_owned(), hex(value)))
                .collect()
        }),
        source_type: v2.and_then(|it| match it.source_type {
            0 => Some("key"),
            1 => Some("seed"),
            _ => None,
        }),
        problem: found.problem.as_ref().map(|error| ProblemAnswer {
            code: error.code(),
            message: error.to_string(),
            upstream: error.upstream(),
        }),
        parts: parts(&stored, name.as_deref()),
    })
}

fn parts(stored: &[u8], name: Option<&[u8]>) -> Vec<PartAnswer> {
    let parts = k8senc::inspect::parts(stored, name)
        .into_iter()
        .map(|part| PartAnswer {
            kind: part.kind.name(),
            start: part.start,
            end: part.end,
            depth: part.depth,
            guessed: part.guessed,
            text: part.text(stored).map(text),
            number: part.number,
        });
    parts.collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectAnswer {
    form: &'static str,
    api_version: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    is_object: bool,
}

/// What plaintext bytes are: form, kind and name, no values.
#[wasm_bindgen]
pub fn object(plaintext: Vec<u8>) -> String {
    object_answer(&plaintext)
}

pub(crate) fn object_answer(plaintext: &[u8]) -> String {
    let meta = k8s_object::metadata(plaintext);
    let (api_version, kind) = match k8s_object::classify(plaintext) {
        k8s_object::Kind::Protobuf(types) | k8s_object::Kind::Json(types) => (
            Some(types.api_version.into_owned()),
            Some(types.kind.into_owned()),
        ),
        _ => (None, None),
    };
    json(&ObjectAnswer {
        form: k8s_object::classify(plaintext).name(),
        api_version,
        kind,
        namespace: meta.as_ref().map(|it| it.namespace.clone().into_owned()),
        name: meta.as_ref().map(|it| it.name.clone().into_owned()),
        is_object: k8s_object::looks_like_object(plaintext),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "what")]
enum KeyAnswer {
    Object {
        resource: String,
        group: Option<String>,
        namespace: Option<String>,
        name: String,
    },
    Housekeeping,
    Foreign,
}

/// Which object an etcd key belongs to.
#[wasm_bindgen(js_name = parseEtcdKey)]
pub fn parse_etcd_key(key: Vec<u8>, prefix: Option<Vec<u8>>) -> String {
    json(&match k8s_object::parse_etcd_key(&key, prefix.as_deref()) {
        k8s_object::EtcdKey::Object(name) => KeyAnswer::Object {
            resource: name.to_string(),
            group: name.group.map(str::to_owned),
            namespace: name.namespace.map(text),
            name: text(name.name),
        },
        k8s_object::EtcdKey::Housekeeping => KeyAnswer::Housekeeping,
        _ => KeyAnswer::Foreign,
    })
}

/// The fingerprint of a key; none for one that could be guessed.
#[wasm_bindgen]
pub fn fingerprint(key: Vec<u8>) -> Option<String> {
    k8senc_config::fingerprint(&key).map(|it| it.to_string())
}

thread_local! {
    /// The built-in types, read once and when they are needed.
    static TYPES: Types = Types::builtin();
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TextAnswer {
    text: String,
    unknown_fields: u64,
}

/// A plaintext as `yaml` or `json`; masked, its values are sizes.
///
/// # Errors
/// `StoredValueError` for what has no such form.
#[wasm_bindgen(js_name = objectText)]
pub fn object_text(plaintext: Vec<u8>, form: &str, masked: bool) -> Result<String, Failure> {
    written(&plaintext, form, masked)
}

pub(crate) fn written(plaintext: &[u8], form: &str, masked: bool) -> Result<String, Failure> {
    let form = match form {
        "yaml" => Form::Yaml,
        "json" => Form::Json,
        other => {
            return Err(Failure::usage(
                "form",
                format!("form {other:?}; yaml and json exist"),
            ));
        }
    };
    let mut out = String::new();
    let write = if masked {
        k8s_object::render_masked
    } else {
        k8s_object::render
    };
    match TYPES.with(|types| write(plaintext, types, form, &mut out)) {
        Ok(rendered) => Ok(json(&TextAnswer {
            text: out,
            unknown_fields: rendered.unknown_fields,
        })),
        Err(error) => Err(Failure::value(error.code(), error.to_string())),
    }
}

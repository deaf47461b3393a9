//! What a stored value says of itself without any key.
#![expect(unsafe_code, reason = "names are exported")]

use std::collections::BTreeMap;
use std::mem::MaybeUninit;

use base64ct::{Base64, Encoding as _};
use k8senc::inspect::Inspection;
use serde::Serialize;

use crate::buf::{Buf, write_json};
use crate::fault::{Error, ErrorJson};
use crate::guard::guard;
use crate::raw;
use crate::status::Status;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    provider: &'static str,
    name: Option<String>,
    name_is_exact: bool,
    candidates: Vec<String>,
    length: usize,
    body_length: usize,
    data_length: Option<usize>,
    encrypted_dek: Option<String>,
    key_id: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    source_type: Option<&'static str>,
    problem: Option<ErrorJson>,
}

/// What a stored value says of itself without any key: provider, key or provider name, key_id, annotations, lengths, as JSON;
/// `docs/c.md` has the fields. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_inspect(
    stored: *const u8,
    stored_len: usize,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract.
        let stored = unsafe { raw::bytes(stored, stored_len, "stored")? };
        let found = k8senc::inspect::inspect(stored);
        let v2 = found.kmsv2.as_ref();
        let encrypted_dek = found.kmsv1.as_ref().map(|sealed| sealed.encrypted_dek);
        let encrypted_dek = encrypted_dek.or(v2.map(|object| object.encrypted_dek_source));
        let data_length = found.kmsv1.as_ref().map(|sealed| sealed.body.len());
        let shown = Shown {
            provider: found.format.name(),
            name: found.name.map(lossy),
            name_is_exact: found.name_is_exact,
            candidates: Inspection::candidates(stored).map(lossy).collect(),
            length: stored.len(),
            body_length: found.body.len(),
            data_length: data_length.or(v2.map(|object| object.data.len())),
            encrypted_dek: encrypted_dek.map(base64),
            key_id: v2.map(|object| object.key_id.to_owned()),
            annotations: v2.map(|object| {
                let pairs = object.annotations.iter();
                pairs
                    .map(|(&name, &value)| (name.to_owned(), base64(value)))
                    .collect()
            }),
            source_type: v2.and_then(|object| match object.source_type {
                0 => Some("key"),
                1 => Some("seed"),
                _ => None,
            }),
            problem: found.problem.as_ref().map(ErrorJson::from),
        };
        write_json(json, &shown)
    })
}

/// Standard, with padding: what Go reads into a `[]byte`.
pub(crate) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

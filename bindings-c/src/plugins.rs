//! What the KMS plugins in use store as an encrypted DEK or seed.
#![expect(unsafe_code, reason = "names are exported")]

use std::collections::BTreeMap;
use std::mem::MaybeUninit;

use k8senc::kms::EncryptAnswer;
use k8senc::kms::plugins::{self, Stored, Wrapped};
use k8senc_backends::NATIVE;
use serde::Serialize;

use crate::buf::{Buf, write_json};
use crate::contract::Parts;
use crate::fault::{Error, Fault, need};
use crate::guard::guard;
use crate::inspect::base64;
use crate::raw;
use crate::status::Status;

#[derive(Serialize)]
struct Shown<'a> {
    plugin: &'static str,
    authenticated: bool,
    needs: Vec<Need>,
    facts: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<Remote<'a>>,
}

#[derive(Serialize)]
struct Need {
    need: &'static str,
    text: &'static str,
}

/// The KEK beside a DEK, as the plugin behind has to decrypt it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Remote<'a> {
    ciphertext: String,
    key_id: &'a str,
    annotations: BTreeMap<&'a str, String>,
}

impl<'a> Shown<'a> {
    fn new(wrapped: &Wrapped<'a>) -> Self {
        let needs = wrapped.needs().into_iter().map(|need| Need {
            need: need.name(),
            text: need.text(),
        });
        let remote = match wrapped {
            Wrapped::LocalKek(kek) => Some(Remote {
                ciphertext: base64(kek.remote.ciphertext),
                key_id: kek.remote.key_id,
                annotations: kek
                    .remote
                    .annotations
                    .iter()
                    .map(|&(k, v)| (k, base64(v)))
                    .collect(),
            }),
            _ => None,
        };
        Self {
            plugin: wrapped.name(),
            authenticated: wrapped.is_authenticated(),
            needs: needs.collect(),
            facts: wrapped.facts().into_iter().collect(),
            remote,
        }
    }
}

fn stored(answer: &EncryptAnswer) -> Stored<'_> {
    Stored {
        ciphertext: &answer.ciphertext,
        key_id: &answer.key_id,
        annotations: answer
            .annotations
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_slice()))
            .collect(),
    }
}

/// Which plugins write such an encrypted DEK, the likeliest first, and what has to be known to unwrap it, as JSON; `docs/c.md`
/// has the fields. `key_id` and `annotations` as in `k8senc_dek_request`. That a shape is recognised proves nothing. Gives
/// `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_plugins_recognise(
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let given = Parts {
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        // SAFETY: the caller's contract.
        let given = unsafe { given.read()? };
        let found = plugins::recognise(&stored(&given));
        write_json(json, &found.iter().map(Shown::new).collect::<Vec<_>>())
    })
}

/// Unwraps an encrypted DEK with an AES key that the caller holds, for the plugins where that is possible: `plugin` is
/// `transit`, `pkcs11-gcm`, `barbican` or `local-kek`, as `k8senc_plugins_recognise` names it; `associated_data` is what
/// openbao-kubernetes-kms sent, empty for all others. Gives `*dek`, for `k8senc_buf_free`, which wipes it.
///
/// # Safety
/// As `k8senc_plugins_recognise`; `dek` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_plugins_unwrap(
    plugin: *const u8,
    plugin_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    key: *const u8,
    key_len: usize,
    associated_data: *const u8,
    associated_data_len: usize,
    dek: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let given = Parts {
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let out = need(dek, "dek")?;
        // SAFETY: the caller's contract, here and below.
        let plugin = unsafe { raw::text(plugin, plugin_len, "plugin")? };
        // SAFETY: as above.
        let given = unsafe { given.read()? };
        // SAFETY: as above.
        let key = unsafe { raw::bytes(key, key_len, "key")? };
        // SAFETY: as above.
        let aad = unsafe { raw::bytes(associated_data, associated_data_len, "associated_data")? };
        let stored = stored(&given);
        let found = plugins::recognise(&stored);
        let found = found.iter().find(|wrapped| wrapped.name() == plugin);
        let Some(found) = found else {
            return Err(Fault::argument(format!(
                "the ciphertext is not of the shape that {plugin:?} stores"
            )));
        };
        let Some(opened) = found.open(&NATIVE, key, aad) else {
            return Err(Fault::argument(format!(
                "what {plugin} stores opens under no AES key that one can hold"
            )));
        };
        out.write(Buf::new(opened?.expose().to_vec()));
        Ok(())
    })
}

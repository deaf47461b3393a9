//! Keyset records, opened offline.

use js_sys::Uint8Array;
use k8senc::crypto::PORTABLE;
use k8senc::kms::keyset::{
    Beside, ClusterLabel, LocalKek, Provenance, Record, RecoveryKey, SetKey, WrapKind,
};
use k8senc::secret::SecretBytes;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::{hex, json};
use crate::failure::Failure;

/// A seed out of a keyset record.
#[wasm_bindgen]
pub struct OpenedKeyset {
    seed: SecretBytes,
    provenance: &'static str,
    slot: u8,
}

#[wasm_bindgen]
impl OpenedKeyset {
    /// The seed, in memory of JavaScript's from then on.
    pub fn reveal(&self) -> Uint8Array {
        Uint8Array::from(self.seed.expose())
    }

    /// What the opening proves of who wrote the record: `symmetric-kek`, `set-key` or `unproven`.
    pub fn provenance(&self) -> String {
        self.provenance.to_owned()
    }

    /// The wrap that was opened.
    pub fn slot(&self) -> u8 {
        self.slot
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordAnswer {
    set_id: String,
    wraps: Vec<WrapAnswer>,
}

#[derive(Serialize)]
struct WrapAnswer {
    kind: &'static str,
    slot: u8,
    bytes: usize,
}

/// The wraps of a keyset record.
///
/// # Errors
/// `StoredValueError` with code `keyset-malformed`.
#[wasm_bindgen(js_name = readKeyset)]
pub fn read_keyset(record: Vec<u8>) -> Result<String, Failure> {
    let record = Record::try_from(record.as_slice())?;
    let wraps = record.wraps().iter().map(|wrap| WrapAnswer {
        kind: wrap.kind.name(),
        slot: wrap.slot,
        bytes: wrap.blob.len(),
    });
    Ok(json(&RecordAnswer {
        set_id: hex(&record.set_id().0),
        wraps: wraps.collect(),
    }))
}

/// Opens a record with a recovery key, or with a local KEK. Every wrap of its kind is tried.
///
/// # Errors
/// `StoredValueError` with a code `keyset-...`.
#[wasm_bindgen(js_name = openKeyset)]
pub fn open_keyset(
    record: Vec<u8>,
    key_id: &str,
    cluster: &str,
    key: Vec<u8>,
    recovery: bool,
    set_key: Option<Vec<u8>>,
) -> Result<OpenedKeyset, Failure> {
    let record = Record::try_from(record.as_slice())?;
    let label = ClusterLabel::new(cluster)?;
    let set_key = set_key
        .map(|it| SetKey::new(SecretBytes::new(it)))
        .transpose()?;
    let beside = Beside {
        key_id,
        label: &label,
        set_key: set_key.as_ref(),
    };
    record.check(&beside)?;
    let key = SecretBytes::new(key);
    let (kind, keys) = if recovery {
        (WrapKind::Hpke, (Some(RecoveryKey::new(key)?), None))
    } else {
        (WrapKind::Local, (None, Some(LocalKek::new(key)?)))
    };
    let mut refused = k8senc::Error::KeysetRefused("the record has no wrap of that kind");
    for wrap in record.wraps().iter().filter(|wrap| wrap.kind == kind) {
        let context = record.wrap_context(&label, wrap.slot);
        let unwrapped = match &keys {
            (Some(key), _) => key.unwrap(wrap.blob, &context),
            (None, Some(kek)) => kek.unwrap(&PORTABLE, wrap.blob, &context),
            (None, None) => continue,
        };
        match unwrapped.and_then(|key| record.recover(&PORTABLE, wrap.slot, &key, &beside)) {
            Ok(found) => {
                return Ok(OpenedKeyset {
                    seed: found.seed,
                    provenance: match found.provenance {
                        Provenance::SymmetricKek => "symmetric-kek",
                        Provenance::SetKey => "set-key",
                        Provenance::Unproven => "unproven",
                    },
                    slot: wrap.slot,
                });
            }
            Err(error) => refused = error,
        }
    }
    Err(refused.into())
}

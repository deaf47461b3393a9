//! Records: what they say, and opening them.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;

use k8senc::kms::keyset::{Beside, ClusterLabel, Provenance, Record, SetKey};
use k8senc_backends::NATIVE;
use serde::Serialize;

use super::kek::WrapKey;

use crate::buf::{Buf, write_json};
use crate::fault::{Error, Fault, need};
use crate::guard::guard;
use crate::inspect::base64;
use crate::status::Status;
use crate::{packed, raw};

/// What an offline opening proves about who wrote the record.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: whoever has the recipient's public key, which is no secret, can have made the whole record.
    Nothing = 0,
    /// Written by someone who may encrypt under the symmetric KEK.
    SymmetricKek = 1,
    /// Written by someone who has the set key: worth as much as the place that the set key came from.
    SetKey = 2,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordJson {
    set_id: String,
    wraps: Vec<WrapJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrapJson {
    slot: u8,
    kind: &'static str,
    /// Whether it may be opened online.
    symmetric: bool,
    context: String,
    /// Base64.
    wrap: String,
}

/// What a record says without any key, as JSON: `{"setId", "wraps": [{"slot", "kind", "symmetric", "context", "wrap"}, ...]}`,
/// `wrap` in base64. `label` is the cluster's. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// As `k8senc_kek_new`; `json` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_record_inspect(
    record: *const u8,
    record_len: usize,
    label: *const u8,
    label_len: usize,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract.
        let record = Record::try_from(unsafe { raw::bytes(record, record_len, "record")? })?;
        // SAFETY: the caller's contract.
        let label = ClusterLabel::new(unsafe { raw::text(label, label_len, "label")? })?;
        let wraps = record.wraps().iter().map(|wrap| WrapJson {
            slot: wrap.slot,
            kind: wrap.kind.name(),
            symmetric: wrap.kind.is_symmetric(),
            context: record.wrap_context(&label, wrap.slot),
            wrap: base64(wrap.blob),
        });
        let shown = RecordJson {
            set_id: record.set_id().to_string(),
            wraps: wraps.collect(),
        };
        write_json(json, &shown)
    })
}

/// As `k8senc_record_inspect`, for those who read many: `*parts` is a packed list (each part with its length in front, 4 bytes big
/// endian) of the set id in hexadecimal, one byte that says whether there is a set MAC, and for each wrap three parts: slot, kind's
/// number and symmetric (a byte each), context, wrap. Gives `*parts`, for `k8senc_buf_free`.
///
/// # Safety
/// As `k8senc_record_inspect`; `parts` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_record_parts(
    record: *const u8,
    record_len: usize,
    label: *const u8,
    label_len: usize,
    parts: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(parts, "parts")?;
        // SAFETY: the caller's contract.
        let record = Record::try_from(unsafe { raw::bytes(record, record_len, "record")? })?;
        // SAFETY: the caller's contract.
        let label = ClusterLabel::new(unsafe { raw::text(label, label_len, "label")? })?;
        let mut list = vec![
            record.set_id().to_string().into_bytes(),
            vec![u8::from(record.has_mac())],
        ];
        for wrap in record.wraps() {
            let symmetric = u8::from(wrap.kind.is_symmetric());
            list.push(vec![wrap.slot, wrap.kind.number(), symmetric]);
            list.push(record.wrap_context(&label, wrap.slot).into_bytes());
            list.push(wrap.blob.to_vec());
        }
        out.write(Buf::new(packed::pack(list.iter().map(Vec::as_slice))));
        Ok(())
    })
}

/// Whether key_id, label and set key fit a record, without any KEK: a plugin asks this before it calls a KMS, so that what
/// somebody put into etcd makes no call. `set_key` is the set's, or none: then only the key_id is looked at. `*has_mac` says
/// whether the record has a set MAC, and is written also when the record does not fit.
///
/// # Safety
/// As `k8senc_kek_new`; `has_mac` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_record_check(
    record: *const u8,
    record_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    label: *const u8,
    label_len: usize,
    set_key: *const u8,
    set_key_len: usize,
    has_mac: Option<&mut MaybeUninit<bool>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let beside = Given {
        key_id: (key_id, key_id_len),
        label: (label, label_len),
        set_key: (set_key, set_key_len),
    };
    guard(error, || {
        let out = need(has_mac, "has_mac")?;
        // SAFETY: the caller's contract.
        let record = Record::try_from(unsafe { raw::bytes(record, record_len, "record")? })?;
        out.write(record.has_mac());
        // SAFETY: the caller's contract.
        let known = unsafe { beside.read()? };
        Ok(record.check(&known.beside())?)
    })
}

/// Opens a record online with what a KEK gave for the wrap in `slot`; `key_id` is the one stored beside it, `label` the
/// cluster's, `set_key` the set's, or none. To reseal, open with the old set's KEK and seal with the new set. Gives `*seed`, for `k8senc_buf_free`, which wipes it.
///
/// # Safety
/// As `k8senc_kek_new`; `key` came from this library; `seed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_record_open(
    record: *const u8,
    record_len: usize,
    slot: u8,
    key: Option<&WrapKey>,
    key_id: *const u8,
    key_id_len: usize,
    label: *const u8,
    label_len: usize,
    set_key: *const u8,
    set_key_len: usize,
    seed: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let beside = Given {
        key_id: (key_id, key_id_len),
        label: (label, label_len),
        set_key: (set_key, set_key_len),
    };
    guard(error, || {
        let (key, out) = (need(key, "key")?, need(seed, "seed")?);
        // SAFETY: the caller's contract.
        let record = Record::try_from(unsafe { raw::bytes(record, record_len, "record")? })?;
        // SAFETY: the caller's contract.
        let known = unsafe { beside.read()? };
        let opened = key.lend(|key| record.open(&NATIVE, slot, key, &known.beside()))?;
        out.write(Buf::new(opened.expose().to_vec()));
        Ok(())
    })
}

/// As `k8senc_record_open`, offline: any wrap serves, and `*proof` says what its opening proves.
///
/// # Safety
/// As `k8senc_record_open`; `proof` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_record_recover(
    record: *const u8,
    record_len: usize,
    slot: u8,
    key: Option<&WrapKey>,
    key_id: *const u8,
    key_id_len: usize,
    label: *const u8,
    label_len: usize,
    set_key: *const u8,
    set_key_len: usize,
    proof: Option<&mut MaybeUninit<Proof>>,
    seed: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let beside = Given {
        key_id: (key_id, key_id_len),
        label: (label, label_len),
        set_key: (set_key, set_key_len),
    };
    guard(error, || {
        let (key, out) = (need(key, "key")?, need(seed, "seed")?);
        let proof = need(proof, "proof")?;
        // SAFETY: the caller's contract.
        let record = Record::try_from(unsafe { raw::bytes(record, record_len, "record")? })?;
        // SAFETY: the caller's contract.
        let known = unsafe { beside.read()? };
        let opened = key.lend(|key| record.recover(&NATIVE, slot, key, &known.beside()))?;
        proof.write(match opened.provenance {
            Provenance::Unproven => Proof::Nothing,
            Provenance::SymmetricKek => Proof::SymmetricKek,
            Provenance::SetKey => Proof::SetKey,
        });
        out.write(Buf::new(opened.seed.expose().to_vec()));
        Ok(())
    })
}

/// What a reader has to know besides the record, as the caller gives it.
struct Given {
    key_id: (*const u8, usize),
    label: (*const u8, usize),
    set_key: (*const u8, usize),
}

/// The same, read.
struct Known<'a> {
    key_id: &'a str,
    label: ClusterLabel,
    set_key: Option<SetKey>,
}

impl Given {
    /// # Safety
    /// Each pointer is NULL or readable for the length beside it, for `'a`.
    unsafe fn read<'a>(self) -> Result<Known<'a>, Fault> {
        // SAFETY: the contract of this function, here and below.
        let key_id = unsafe { raw::text(self.key_id.0, self.key_id.1, "key_id")? };
        // SAFETY: as above.
        let label = unsafe { raw::text(self.label.0, self.label.1, "label")? };
        // SAFETY: as above.
        let set_key = unsafe { raw::bytes(self.set_key.0, self.set_key.1, "set_key")? };
        Ok(Known {
            key_id,
            label: ClusterLabel::new(label)?,
            set_key: super::set_key(set_key)?,
        })
    }
}

impl Known<'_> {
    fn beside(&self) -> Beside<'_> {
        Beside {
            key_id: self.key_id,
            label: &self.label,
            set_key: self.set_key.as_ref(),
        }
    }
}

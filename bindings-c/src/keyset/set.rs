//! A set of KEKs, and the records it writes.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::PoisonError;

use k8senc::kms::keyset::ClusterLabel;
use k8senc_backends::NATIVE;
use serde::Serialize;

use super::kek::WrapKey;
use super::members::Members;

use crate::buf::{Buf, write_json};
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::status::Status;
use crate::{packed, raw};

/// A set of KEKs that wrap side by side. Never changes; any number of threads may use it.
pub struct Keyset(k8senc::kms::keyset::Keyset);

/// A set of the KEKs in `members`. `label` is the cluster's, 1 to 63 letters, digits, dots, underscores or hyphens; raise
/// `generation` when a set that was left is taken up again. `set_key` has 32 bytes, or none: see `docs/keyset.md`. Copies it.
/// Gives `*keyset`, for `k8senc_keyset_free`; borrows `members`.
///
/// # Safety
/// As `k8senc_kek_new`; handles came from this library; `keyset` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_keyset_new(
    label: *const u8,
    label_len: usize,
    generation: u64,
    members: Option<&Members>,
    set_key: *const u8,
    set_key_len: usize,
    keyset: Option<&mut MaybeUninit<*mut Keyset>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (members, out) = (need(members, "members")?, need(keyset, "keyset")?);
        // SAFETY: the caller's contract.
        let label = ClusterLabel::new(unsafe { raw::text(label, label_len, "label")? })?;
        let members = members
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // SAFETY: the caller's contract.
        let set_key = super::set_key(unsafe { raw::bytes(set_key, set_key_len, "set_key")? })?;
        let made = k8senc::kms::keyset::Keyset::new(label, generation, members, set_key)?;
        out.write(Box::into_raw(Box::new(Keyset(made))));
        Ok(())
    })
}

/// Frees a set. NULL is allowed. Takes `keyset`.
///
/// # Safety
/// `keyset` is NULL or came from `k8senc_keyset_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_keyset_free(keyset: Option<Box<Keyset>>) {
    quietly((), || drop(keyset));
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetJson<'a> {
    key_id: &'a str,
    set_id: String,
    max_record_len: usize,
    members: Vec<MemberJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberJson {
    slot: u8,
    kind: &'static str,
    wrap_len: usize,
    /// What the wrap in this slot is bound to.
    context: String,
}

/// A set as JSON: `{"keyId", "setId", "maxRecordLen", "members": [{"slot", "kind", "wrapLen", "context"}, ...]}`; the key_id
/// is what the plugin's Status and Encrypt report. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// `keyset` came from `k8senc_keyset_new`; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_keyset_describe(
    keyset: Option<&Keyset>,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let set = &need(keyset, "keyset")?.0;
        let members = set.members().iter().map(|member| MemberJson {
            slot: member.slot,
            kind: member.kind.name(),
            wrap_len: member.wrap_len,
            context: set.wrap_context(member.slot),
        });
        let shown = SetJson {
            key_id: set.key_id(),
            set_id: set.set_id().to_string(),
            max_record_len: set.max_record_len(),
            members: members.collect(),
        };
        write_json(json, &shown)
    })
}

/// Writes a record: `seed` (32 bytes) under `key`, with what every KEK of the set made of `key`: `slots` has `count` slots,
/// `wraps` as many wraps, each with its length in front (4 bytes, big endian). A missing wrap is an error. Gives `*record`,
/// for `k8senc_buf_free`. Spends `key`, also on failure: the handle stays to be freed.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; handles came from this library; `record` and `error` are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_keyset_seal(
    keyset: Option<&Keyset>,
    key: Option<&WrapKey>,
    seed: *const u8,
    seed_len: usize,
    slots: *const u8,
    count: usize,
    wraps: *const u8,
    wraps_len: usize,
    record: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (set, key) = (need(keyset, "keyset")?, need(key, "key")?);
        let out = need(record, "record")?;
        // SAFETY: the caller's contract, here and below.
        let seed = unsafe { raw::bytes(seed, seed_len, "seed")? };
        // SAFETY: as above.
        let slots = unsafe { raw::bytes(slots, count, "slots")? };
        // SAFETY: as above.
        let wraps = packed::unpack(unsafe { raw::bytes(wraps, wraps_len, "wraps")? }, "wraps")?;
        if slots.len() != wraps.len() {
            let (slots, wraps) = (slots.len(), wraps.len());
            return Err(Fault::argument(format!("{slots} slots and {wraps} wraps")));
        }
        let wraps: Vec<(u8, &[u8])> = slots.iter().copied().zip(wraps).collect();
        out.write(Buf::new(set.0.seal(&NATIVE, key.take()?, seed, &wraps)?));
        Ok(())
    })
}

//! Keysets: one seed that several KEKs can open, side by side, in one stored record. `docs/keyset.md` has layout and rules.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

use k8senc::kms::keyset::{
    Beside, ClusterLabel, Identity, LocalKek, Member, Provenance, Recipient, Record, RecoveryKey,
    SetKey, WrapKind,
};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use serde::Serialize;

use crate::buf::{Buf, write_json};
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::inspect::base64;
use crate::status::Status;
use crate::{packed, random, raw};

/// A KEK one holds oneself: 32 random bytes. Never changes; any number of threads may use it.
pub struct Kek(LocalKek);

/// The KEKs of a set while they are named.
pub struct Members(Mutex<Vec<Member>>);

/// A set of KEKs that wrap side by side. Never changes; any number of threads may use it.
pub struct Keyset(k8senc::kms::keyset::Keyset);

/// The key between the KEKs and the seed. A fresh one seals one record.
pub struct WrapKey(Mutex<Option<k8senc::kms::keyset::WrapKey>>);

impl WrapKey {
    fn give(out: &mut MaybeUninit<*mut Self>, key: k8senc::kms::keyset::WrapKey) {
        out.write(Box::into_raw(Box::new(Self(Mutex::new(Some(key))))));
    }

    fn lend<T>(
        &self,
        work: impl FnOnce(&k8senc::kms::keyset::WrapKey) -> Result<T, k8senc::Error>,
    ) -> Result<T, Fault> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(work(held.as_ref().ok_or_else(spent)?)?)
    }

    fn take(&self) -> Result<k8senc::kms::keyset::WrapKey, Fault> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.take().ok_or_else(spent)
    }
}

fn spent() -> Fault {
    Fault::call(Status::Spent, "the wrap key has sealed its record")
}

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

/// Takes a KEK of 32 random bytes; a passphrase is none. Copies it. Gives `*kek`, for `k8senc_kek_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `kek` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kek_new(
    secret: *const u8,
    secret_len: usize,
    kek: Option<&mut MaybeUninit<*mut Kek>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(kek, "kek")?;
        // SAFETY: the caller's contract.
        let secret = SecretBytes::from_slice(unsafe { raw::bytes(secret, secret_len, "secret")? });
        out.write(Box::into_raw(Box::new(Kek(LocalKek::new(secret)?))));
        Ok(())
    })
}

/// Wipes and frees a KEK. NULL is allowed. Takes `kek`.
///
/// # Safety
/// `kek` is NULL or came from `k8senc_kek_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kek_free(kek: Option<Box<Kek>>) {
    quietly((), || drop(kek));
}

/// Wraps `key` under a KEK. `context` is the set's for this slot, from `k8senc_keyset_describe`. Gives `*wrap`, for
/// `k8senc_buf_free`.
///
/// # Safety
/// As `k8senc_kek_new`; handles came from this library; `wrap` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kek_wrap(
    kek: Option<&Kek>,
    key: Option<&WrapKey>,
    context: *const u8,
    context_len: usize,
    wrap: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kek, key, out) = (need(kek, "kek")?, need(key, "key")?, need(wrap, "wrap")?);
        // SAFETY: the caller's contract.
        let context = unsafe { raw::text(context, context_len, "context")? };
        let nonce = random::fixed()?;
        let made = key.lend(|key| kek.0.wrap(&NATIVE, key, context, &nonce))?;
        out.write(Buf::new(made.to_vec()));
        Ok(())
    })
}

/// Unwraps. Gives `*key`, for `k8senc_wrap_key_free`. `K8SENC_STATUS_KEYSET_INTEGRITY` is final: try no other wrap.
///
/// # Safety
/// As `k8senc_kek_wrap`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kek_unwrap(
    kek: Option<&Kek>,
    wrap: *const u8,
    wrap_len: usize,
    context: *const u8,
    context_len: usize,
    key: Option<&mut MaybeUninit<*mut WrapKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kek, out) = (need(kek, "kek")?, need(key, "key")?);
        // SAFETY: the caller's contract.
        let wrap = unsafe { raw::bytes(wrap, wrap_len, "wrap")? };
        // SAFETY: the caller's contract.
        let context = unsafe { raw::text(context, context_len, "context")? };
        WrapKey::give(out, kek.0.unwrap(&NATIVE, wrap, context)?);
        Ok(())
    })
}

/// A fresh wrap key: 32 random bytes of the operating system. Gives `*key`, for `k8senc_wrap_key_free`.
///
/// # Safety
/// `key` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_wrap_key_new(
    key: Option<&mut MaybeUninit<*mut WrapKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(key, "key")?;
        let random = random::fixed()?;
        WrapKey::give(out, k8senc::kms::keyset::WrapKey::fresh(&random));
        Ok(())
    })
}

/// What a KMS answered to Decrypt of a wrap. It opens a record and seals none. Copies. Gives `*key`, for
/// `k8senc_wrap_key_free`.
///
/// # Safety
/// As `k8senc_kek_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_wrap_key_unwrapped_new(
    answer: *const u8,
    answer_len: usize,
    key: Option<&mut MaybeUninit<*mut WrapKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(key, "key")?;
        // SAFETY: the caller's contract.
        let answer = SecretBytes::from_slice(unsafe { raw::bytes(answer, answer_len, "answer")? });
        WrapKey::give(out, k8senc::kms::keyset::WrapKey::unwrapped(answer));
        Ok(())
    })
}

/// The bytes that a remote KMS has to wrap. Gives `*secret`, for `k8senc_buf_free`, which wipes it.
///
/// # Safety
/// `key` came from this library; `secret` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_wrap_key_expose(
    key: Option<&WrapKey>,
    secret: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (key, out) = (need(key, "key")?, need(secret, "secret")?);
        out.write(Buf::new(key.lend(|key| Ok(key.expose().to_vec()))?));
        Ok(())
    })
}

/// Wipes and frees a wrap key. NULL is allowed. Takes `key`.
///
/// # Safety
/// `key` is NULL or came from this library, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_wrap_key_free(key: Option<Box<WrapKey>>) {
    quietly((), || drop(key));
}

/// Wraps `key` to a recovery recipient (HPKE) with an X25519 public key of 32 bytes. Gives `*wrap`, for `k8senc_buf_free`.
///
/// # Safety
/// As `k8senc_kek_wrap`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_recipient_wrap(
    public_key: *const u8,
    public_key_len: usize,
    key: Option<&WrapKey>,
    context: *const u8,
    context_len: usize,
    wrap: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (key, out) = (need(key, "key")?, need(wrap, "wrap")?);
        // SAFETY: the caller's contract.
        let recipient =
            recipient(unsafe { raw::bytes(public_key, public_key_len, "public_key")? })?;
        // SAFETY: the caller's contract.
        let context = unsafe { raw::text(context, context_len, "context")? };
        let random = random::fixed()?;
        let made = key.lend(|key| recipient.wrap(key, context, &random))?;
        out.write(Buf::new(made));
        Ok(())
    })
}

/// The public key of a recovery key, an X25519 private key of 32 bytes. Gives `*public_key`, for `k8senc_buf_free`.
///
/// # Safety
/// As `k8senc_kek_new`; `public_key` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_recovery_public(
    private_key: *const u8,
    private_key_len: usize,
    public_key: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(public_key, "public_key")?;
        // SAFETY: the caller's contract.
        let private = unsafe { raw::bytes(private_key, private_key_len, "private_key")? };
        let recipient = RecoveryKey::new(SecretBytes::from_slice(private))?.recipient()?;
        out.write(Buf::new(recipient.public().to_vec()));
        Ok(())
    })
}

/// Unwraps offline with a recovery key. That it opens proves nothing about who wrapped: only `k8senc_record_recover` takes
/// the wrap key. Gives `*key`, for `k8senc_wrap_key_free`.
///
/// # Safety
/// As `k8senc_kek_wrap`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_recovery_unwrap(
    private_key: *const u8,
    private_key_len: usize,
    wrap: *const u8,
    wrap_len: usize,
    context: *const u8,
    context_len: usize,
    key: Option<&mut MaybeUninit<*mut WrapKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(key, "key")?;
        // SAFETY: the caller's contract, here and below.
        let private = unsafe { raw::bytes(private_key, private_key_len, "private_key")? };
        // SAFETY: as above.
        let wrap = unsafe { raw::bytes(wrap, wrap_len, "wrap")? };
        // SAFETY: as above.
        let context = unsafe { raw::text(context, context_len, "context")? };
        let recovery = RecoveryKey::new(SecretBytes::from_slice(private))?;
        WrapKey::give(out, recovery.unwrap(wrap, context)?);
        Ok(())
    })
}

/// No KEK yet. Gives `*members`, for `k8senc_members_free`.
///
/// # Safety
/// `members` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_members_new(
    members: Option<&mut MaybeUninit<*mut Members>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let made = Members(Mutex::new(Vec::new()));
        need(members, "members")?.write(Box::into_raw(Box::new(made)));
        Ok(())
    })
}

/// Frees the list; keysets made from it live on. NULL is allowed. Takes `members`.
///
/// # Safety
/// `members` is NULL or came from `k8senc_members_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_members_free(members: Option<Box<Members>>) {
    quietly((), || drop(members));
}

fn add(members: Option<&Members>, member: Member) -> Result<(), Fault> {
    let list = need(members, "members")?;
    let mut list = list.0.lock().unwrap_or_else(PoisonError::into_inner);
    list.push(member);
    Ok(())
}

/// Adds a KEK one holds, in `slot`. Borrows.
///
/// # Safety
/// Handles came from this library; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_members_add_kek(
    members: Option<&Members>,
    slot: u8,
    kek: Option<&Kek>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || add(members, need(kek, "kek")?.0.member(slot)))
}

/// Adds a recovery recipient, in `slot`. Borrows.
///
/// # Safety
/// As `k8senc_kek_new`; handles came from this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_members_add_recipient(
    members: Option<&Members>,
    slot: u8,
    public_key: *const u8,
    public_key_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract.
        let recipient =
            recipient(unsafe { raw::bytes(public_key, public_key_len, "public_key")? })?;
        add(members, recipient.member(slot))
    })
}

/// Adds a KEK of a remote KMS, in `slot`: its kind and what names the key and its version, both as in `docs/keyset.md`
/// (`identity` as parts with their lengths in front, 4 bytes, big endian), and how long its wraps are. Borrows.
///
/// # Safety
/// As `k8senc_kek_new`; handles came from this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_members_add_remote(
    members: Option<&Members>,
    slot: u8,
    kind: u8,
    identity: *const u8,
    identity_len: usize,
    wrap_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract.
        let parts = unsafe { raw::bytes(identity, identity_len, "identity")? };
        let kind = WrapKind::from_number(kind)
            .ok_or_else(|| Fault::argument(format!("kind is {kind}, 1 to 9 is needed")))?;
        let member = Member {
            kind,
            slot,
            identity: Identity::of_parts(&packed::unpack(parts, "identity")?),
            wrap_len,
        };
        add(members, member)
    })
}

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
        let set_key = self::set_key(unsafe { raw::bytes(set_key, set_key_len, "set_key")? })?;
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
            set_key: self::set_key(set_key)?,
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

fn set_key(bytes: &[u8]) -> Result<Option<SetKey>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(SetKey::new(SecretBytes::from_slice(bytes))?))
}

fn recipient(public: &[u8]) -> Result<Recipient, Fault> {
    let len = public.len();
    let public = public
        .try_into()
        .map_err(|_| Fault::argument(format!("the public key has {len} bytes, not 32")))?;
    Ok(Recipient::new(public))
}

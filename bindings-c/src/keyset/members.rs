//! The KEKs of a set while they are named.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

use k8senc::kms::keyset::{Identity, Member, WrapKind};

use super::kek::{Kek, recipient};
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::status::Status;
use crate::{packed, raw};

/// The KEKs of a set while they are named.
pub struct Members(pub(super) Mutex<Vec<Member>>);

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

//! The caller's table of what its KMS plugins answered.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8senc::kms::{DekRequest, DekTable, KmsApi, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;

use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::kmsv2::KmsV2;
use crate::status::Status;
use crate::{packed, raw};

/// What the KMS plugins answered, by provider, API version, ciphertext, key_id and annotations. Shared by any number of
/// chains and threads.
pub struct Deks(RwLock<DekTable>);

/// What stands in for NULL.
static NONE: LazyLock<DekTable> = LazyLock::new(DekTable::new);

impl Deks {
    fn new() -> Self {
        Self(RwLock::new(DekTable::with_backend(&NATIVE)))
    }

    /// Lends the table to `work`; an empty one, without a lock, for NULL.
    pub(crate) fn lend<T>(deks: Option<&Self>, work: impl FnOnce(&DekTable) -> T) -> T {
        match deks {
            Some(deks) => work(&deks.known()),
            None => work(&NONE),
        }
    }

    // No invariant spans a panic: each change is one insertion.
    fn known(&self) -> RwLockReadGuard<'_, DekTable> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self) -> RwLockWriteGuard<'_, DekTable> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty table. Gives `*deks`, for `k8senc_deks_free`.
///
/// # Safety
/// `deks` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_new(
    deks: Option<&mut MaybeUninit<*mut Deks>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        need(deks, "deks")?.write(Box::into_raw(Box::new(Deks::new())));
        Ok(())
    })
}

/// Wipes and frees a table. NULL is allowed. Takes `deks`.
///
/// # Safety
/// `deks` is NULL or came from `k8senc_deks_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_free(deks: Option<Box<Deks>>) {
    quietly((), || drop(deks));
}

/// The parts of a request as the caller gives them back.
struct Question {
    api: u32,
    provider: (*const u8, usize),
    ciphertext: (*const u8, usize),
    key_id: (*const u8, usize),
    annotations: (*const u8, usize),
}

impl Question {
    /// # Safety
    /// Each pointer is NULL or readable for the length beside it.
    unsafe fn read(self) -> Result<DekRequest, Fault> {
        let api = match self.api {
            1 => KmsApi::V1,
            2 => KmsApi::V2,
            other => return Err(Fault::argument(format!("api is {other}, 1 or 2 is needed"))),
        };
        // SAFETY: the contract of this function, here and below.
        let provider = unsafe { raw::text(self.provider.0, self.provider.1, "provider")? };
        // SAFETY: as above.
        let ciphertext = unsafe { raw::bytes(self.ciphertext.0, self.ciphertext.1, "ciphertext")? };
        // SAFETY: as above.
        let key_id = unsafe { raw::text(self.key_id.0, self.key_id.1, "key_id")? };
        // SAFETY: as above.
        let packed = unsafe { raw::bytes(self.annotations.0, self.annotations.1, "annotations")? };
        Ok(DekRequest {
            api,
            provider: provider.to_owned(),
            ciphertext: ciphertext.to_vec(),
            key_id: key_id.to_owned(),
            annotations: packed::annotations(packed)?,
        })
    }
}

/// Records what the plugin's Decrypt answered. The parts of the request come first, as in `k8senc_dek_request`: `key_id` and
/// `annotations` empty for KMS v1. Any DEK is taken; one of no use is refused when it is used. Copies everything; borrows.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `deks` came from `k8senc_deks_new`; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_supply(
    deks: Option<&Deks>,
    api: u32,
    provider: *const u8,
    provider_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    dek: *const u8,
    dek_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let question = Question {
        api,
        provider: (provider, provider_len),
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let deks = need(deks, "deks")?;
        // SAFETY: the caller's contract.
        let request = unsafe { question.read()? };
        // SAFETY: the caller's contract.
        let dek = SecretBytes::from_slice(unsafe { raw::bytes(dek, dek_len, "dek")? });
        deks.learn().supply(&request, dek);
        Ok(())
    })
}

/// Records that the plugin's Decrypt failed, with its text, which kube-apiserver repeats; opening then fails with
/// `K8SENC_STATUS_DEK_REFUSED` until `k8senc_deks_forget`. Copies everything; borrows.
///
/// # Safety
/// As `k8senc_deks_supply`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_refuse(
    deks: Option<&Deks>,
    api: u32,
    provider: *const u8,
    provider_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    reason: *const u8,
    reason_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let question = Question {
        api,
        provider: (provider, provider_len),
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let deks = need(deks, "deks")?;
        // SAFETY: the caller's contract.
        let request = unsafe { question.read()? };
        // SAFETY: the caller's contract.
        let reason = unsafe { raw::text(reason, reason_len, "reason")? };
        deks.learn().refuse(&request, reason.to_owned());
        Ok(())
    })
}

/// Takes an answer or refusal back, so that the KMS is asked again. Borrows.
///
/// # Safety
/// As `k8senc_deks_supply`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_forget(
    deks: Option<&Deks>,
    api: u32,
    provider: *const u8,
    provider_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let question = Question {
        api,
        provider: (provider, provider_len),
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let deks = need(deks, "deks")?;
        // SAFETY: the caller's contract.
        let request = unsafe { question.read()? };
        deks.learn().forget(&request);
        Ok(())
    })
}

/// What is known of a KMS v2 plugin, which decides what is stale.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginState {
    /// Nobody asked: whether a value is stale cannot be told.
    Unknown = 0,
    /// Never healthy since the start: kube-apiserver then reads nothing.
    NeverHealthy = 1,
    /// Status reports `key_id`, and values are written in key form, as before Kubernetes 1.29.
    KeyForm = 2,
    /// Status reports `key_id`, and values are written in seed form.
    SeedForm = 3,
}

/// Says what is known of the KMS v2 plugin of `provider`: one of `k8senc_plugin_state`, and the key_id of its Status (empty
/// for the first two). Borrows.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `deks` came from `k8senc_deks_new`; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_set_state(
    deks: Option<&Deks>,
    provider: *const u8,
    provider_len: usize,
    state: u32,
    key_id: *const u8,
    key_id_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let deks = need(deks, "deks")?;
        // SAFETY: the caller's contract.
        let provider = unsafe { raw::text(provider, provider_len, "provider")? };
        // SAFETY: the caller's contract.
        let key_id = unsafe { raw::text(key_id, key_id_len, "key_id")? };
        let current = |uses_seed| KmsState::Current {
            key_id: key_id.to_owned(),
            uses_seed,
        };
        let state = match state {
            s if s == PluginState::Unknown as u32 => KmsState::Unknown,
            s if s == PluginState::NeverHealthy as u32 => KmsState::NeverHealthy,
            s if s == PluginState::KeyForm as u32 => current(false),
            s if s == PluginState::SeedForm as u32 => current(true),
            other => {
                return Err(Fault::argument(format!(
                    "state is {other}, 0 to 3 is needed"
                )));
            }
        };
        deks.learn().set_state(provider, state);
        Ok(())
    })
}

/// As `k8senc_deks_set_state`, with what `kms` knows of its own provider now. Borrows.
///
/// # Safety
/// `deks` and `kms` came from this library; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_deks_follow(
    deks: Option<&Deks>,
    kms: Option<&KmsV2>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (deks, kms) = (need(deks, "deks")?, need(kms, "kms")?);
        let state = kms.machine().read_state();
        deks.learn().set_state(kms.provider(), state);
        Ok(())
    })
}

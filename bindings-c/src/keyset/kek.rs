//! KEKs one holds, wrap keys, and recovery keys: what wraps and what is wrapped.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

use k8senc::kms::keyset::{LocalKek, Recipient, RecoveryKey};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;

use crate::buf::Buf;
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::status::Status;
use crate::{random, raw};

/// A KEK one holds oneself: 32 random bytes. Never changes; any number of threads may use it.
pub struct Kek(pub(super) LocalKek);

/// The key between the KEKs and the seed. A fresh one seals one record.
pub struct WrapKey(Mutex<Option<k8senc::kms::keyset::WrapKey>>);

impl WrapKey {
    pub(super) fn give(out: &mut MaybeUninit<*mut Self>, key: k8senc::kms::keyset::WrapKey) {
        out.write(Box::into_raw(Box::new(Self(Mutex::new(Some(key))))));
    }

    pub(super) fn lend<T>(
        &self,
        work: impl FnOnce(&k8senc::kms::keyset::WrapKey) -> Result<T, k8senc::Error>,
    ) -> Result<T, Fault> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(work(held.as_ref().ok_or_else(spent)?)?)
    }

    pub(super) fn take(&self) -> Result<k8senc::kms::keyset::WrapKey, Fault> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.take().ok_or_else(spent)
    }
}

fn spent() -> Fault {
    Fault::call(Status::Spent, "the wrap key has sealed its record")
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

pub(super) fn recipient(public: &[u8]) -> Result<Recipient, Fault> {
    let len = public.len();
    let public = public
        .try_into()
        .map_err(|_| Fault::argument(format!("the public key has {len} bytes, not 32")))?;
    Ok(Recipient::new(public))
}

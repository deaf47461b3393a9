//! The health probe of a KMS v1 plugin.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8senc::kms::{self, probe_v1::StepV1};

use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::kmsv2::{Step, Todo};
use crate::raw;
use crate::status::Status;

/// One KMS v1 provider of one API server, whose health is asked for: Encrypt of `ping`, then Decrypt of what it answered. Any
/// number of threads may use it.
pub struct KmsV1(Mutex<kms::KmsV1>);

impl KmsV1 {
    fn probe(&self) -> MutexGuard<'_, kms::KmsV1> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn step(step: StepV1) -> Result<Step, Fault> {
    Ok(Step::of(match step {
        StepV1::Encrypt => Todo::Encrypt,
        // The caller has the ciphertext: it has just handed it over.
        StepV1::Decrypt(_) => Todo::Decrypt,
        StepV1::Done(Ok(())) => Todo::Done,
        StepV1::Done(Err(error)) => return Err(Fault::Core(error)),
        StepV1::Pending => Todo::Pending,
    }))
}

/// A provider that nobody has asked yet. Gives `*kms`, for `k8senc_kmsv1_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `kms` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv1_new(
    provider: *const u8,
    provider_len: usize,
    kms: Option<&mut MaybeUninit<*mut KmsV1>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(kms, "kms")?;
        // SAFETY: the caller's contract.
        let provider = unsafe { raw::text(provider, provider_len, "provider")? };
        let probe = KmsV1(Mutex::new(kms::KmsV1::new(provider)));
        out.write(Box::into_raw(Box::new(probe)));
        Ok(())
    })
}

/// Frees a provider. NULL is allowed. Takes `kms`.
///
/// # Safety
/// `kms` is NULL or came from `k8senc_kmsv1_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv1_free(kms: Option<Box<KmsV1>>) {
    quietly((), || drop(kms));
}

/// What a request to the health endpoint does. Steps as in `k8senc_kmsv2_poll`; `now_ns` counts from any one point in time.
/// Borrows.
///
/// # Safety
/// `kms` came from `k8senc_kmsv1_new`; `step` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv1_health(
    kms: Option<&KmsV1>,
    now_ns: u64,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        let next = kms.probe().health(Duration::from_nanos(now_ns));
        out.write(self::step(next)?);
        Ok(())
    })
}

/// Takes whether Encrypt answered (any ciphertext will do: keep it for Decrypt), or with `failed` the text of its failure.
/// Steps as in `k8senc_kmsv2_poll`. Borrows.
///
/// # Safety
/// As `k8senc_kmsv1_health`; each pointer is NULL or readable for the length beside it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv1_encrypt_answered(
    kms: Option<&KmsV1>,
    now_ns: u64,
    failed: bool,
    reason: *const u8,
    reason_len: usize,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        // SAFETY: the caller's contract.
        let reason = unsafe { raw::text(reason, reason_len, "reason")? };
        let answer = if failed {
            Err(reason.to_owned())
        } else {
            Ok(Vec::new())
        };
        let now = Duration::from_nanos(now_ns);
        let next = kms.probe().encrypt_answered(now, answer);
        out.write(self::step(next)?);
        Ok(())
    })
}

/// Takes whether Decrypt answered, or with `failed` the text of its failure; what it answered is compared with nothing. Steps as in
/// `k8senc_kmsv2_poll`. Borrows.
///
/// # Safety
/// As `k8senc_kmsv1_encrypt_answered`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv1_decrypt_answered(
    kms: Option<&KmsV1>,
    now_ns: u64,
    failed: bool,
    reason: *const u8,
    reason_len: usize,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        // SAFETY: the caller's contract.
        let reason = unsafe { raw::text(reason, reason_len, "reason")? };
        let answer = if failed {
            Err(reason.to_owned())
        } else {
            Ok(())
        };
        let now = Duration::from_nanos(now_ns);
        let next = kms.probe().decrypt_answered(now, answer);
        out.write(self::step(next)?);
        Ok(())
    })
}

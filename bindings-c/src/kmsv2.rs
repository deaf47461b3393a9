//! A KMS v2 plugin over time, as kube-apiserver treats it.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8senc::kms::{self, EncryptAnswer, StatusAnswer, state};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use serde::Serialize;

use crate::buf::{Buf, write_json};
use crate::fault::{Error, Fault, need};
use crate::guard::{guard, quietly};
use crate::seal::WriteKey;
use crate::status::Status;
use crate::{contract, raw};

pub(crate) type Machine = Mutex<kms::KmsV2>;

/// One KMS v2 provider of one API server: when to ask its plugin, what to write with, what to say of its health. It makes no
/// call and looks at no clock. Any number of threads may use it.
pub struct KmsV2 {
    machine: Arc<Machine>,
    provider: String,
}

/// A panic leaves the machine in some state of its own, none of them unsound.
pub(crate) fn lock(machine: &Machine) -> MutexGuard<'_, kms::KmsV2> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KmsV2 {
    fn give(out: &mut MaybeUninit<*mut Self>, provider: &str, machine: kms::KmsV2) {
        out.write(Box::into_raw(Box::new(Self {
            machine: Arc::new(Mutex::new(machine)),
            provider: provider.to_owned(),
        })));
    }

    pub(crate) fn machine(&self) -> MutexGuard<'_, kms::KmsV2> {
        lock(&self.machine)
    }

    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }
}

/// What has to be done next.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Todo {
    /// Nothing until `until_ns`; then poll again.
    Wait = 0,
    /// Call Status, and hand over what it answers, also when it fails or times out.
    Status = 1,
    /// KMS v2: draw a seed of 32 random bytes and a uid (UUID v4), call Encrypt with them, and hand over all three and the
    /// answer. KMS v1: call Encrypt with the 4 bytes `ping`.
    Encrypt = 2,
    /// The probe is over, and the plugin is well.
    Done = 3,
    /// A call is out, and kube-apiserver waits for it here; or no call is out to which this could be the answer.
    Pending = 4,
    /// KMS v1: call Decrypt with the ciphertext that Encrypt answered.
    Decrypt = 5,
}

/// What has to be done next. Written by the library into memory of the caller.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What.
    pub todo: Todo,
    /// For WAIT: when to poll again, in nanoseconds since 1970. 0 for all others.
    pub until_ns: u64,
}

impl Step {
    pub(crate) fn of(todo: Todo) -> Self {
        Self { todo, until_ns: 0 }
    }

    /// An unhealthy plugin is the status of the call.
    fn new(step: state::Step) -> Result<Self, Fault> {
        Ok(match step {
            state::Step::Wait { until } => Self {
                todo: Todo::Wait,
                until_ns: u64::try_from(until.as_nanos()).unwrap_or(u64::MAX),
            },
            state::Step::Status => Self::of(Todo::Status),
            state::Step::Encrypt => Self::of(Todo::Encrypt),
            state::Step::Done(Ok(())) => Self::of(Todo::Done),
            state::Step::Done(Err(error)) => return Err(Fault::Core(error)),
            state::Step::Pending => Self::of(Todo::Pending),
        })
    }
}

/// A provider that nobody has asked yet. Gives `*kms`, for `k8senc_kmsv2_free`.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `kms` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_new(
    provider: *const u8,
    provider_len: usize,
    kms: Option<&mut MaybeUninit<*mut KmsV2>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(kms, "kms")?;
        // SAFETY: the caller's contract.
        let provider = unsafe { raw::text(provider, provider_len, "provider")? };
        KmsV2::give(out, provider, kms::KmsV2::new(provider, &NATIVE));
        Ok(())
    })
}

/// As `k8senc_kmsv2_new`, for a server that writes in key form, as 1.27 and 1.28 did: one DEK under a counter until the key_id
/// changes. After a restart begin with a new handle and a new DEK: the counter is kept nowhere else.
///
/// # Safety
/// As `k8senc_kmsv2_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_key_form_new(
    provider: *const u8,
    provider_len: usize,
    kms: Option<&mut MaybeUninit<*mut KmsV2>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let out = need(kms, "kms")?;
        // SAFETY: the caller's contract.
        let provider = unsafe { raw::text(provider, provider_len, "provider")? };
        KmsV2::give(out, provider, kms::KmsV2::key_form(provider, &NATIVE));
        Ok(())
    })
}

/// Frees a provider; its seed is wiped when the last write key that follows it is freed too. NULL is allowed. Takes `kms`.
///
/// # Safety
/// `kms` is NULL or came from `k8senc_kmsv2_new`, was not freed, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_free(kms: Option<Box<KmsV2>>) {
    quietly((), || drop(kms));
}

/// What kube-apiserver does by itself: the first call is the probe at its start, the others are its background polls. Write
/// `*step`, do what it says, and poll again after a probe is over. `now_ns` is the wall clock in nanoseconds since 1970, here
/// and in all functions below. Borrows.
///
/// Every function that takes a step returns OK with `*step`, or, from 100 on, ends the probe: the plugin is not well, for the
/// reason in `error`, which is what kube-apiserver's health endpoint says.
///
/// # Safety
/// `kms` came from `k8senc_kmsv2_new`; `step` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_poll(
    kms: Option<&KmsV2>,
    now_ns: u64,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        let step = kms.machine().poll(Duration::from_nanos(now_ns));
        out.write(Step::new(step)?);
        Ok(())
    })
}

/// What a request to the health endpoint does: a result of the last 20 s (good) or 3 s (bad) is repeated, else the plugin is
/// asked. Steps as in `k8senc_kmsv2_poll`. Borrows.
///
/// # Safety
/// As `k8senc_kmsv2_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_health(
    kms: Option<&KmsV2>,
    now_ns: u64,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        let step = kms.machine().health(Duration::from_nanos(now_ns));
        out.write(Step::new(step)?);
        Ok(())
    })
}

/// Takes what Status answered, at the time it did. Steps as in `k8senc_kmsv2_poll`. Borrows.
///
/// # Safety
/// As `k8senc_kmsv2_poll`; each pointer is NULL or readable for the length beside it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_status_answered(
    kms: Option<&KmsV2>,
    now_ns: u64,
    version: *const u8,
    version_len: usize,
    healthz: *const u8,
    healthz_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        // SAFETY: the caller's contract, here and below.
        let version = unsafe { raw::text(version, version_len, "version")? };
        // SAFETY: as above.
        let healthz = unsafe { raw::text(healthz, healthz_len, "healthz")? };
        // SAFETY: as above.
        let key_id = unsafe { raw::text(key_id, key_id_len, "key_id")? };
        let answer = StatusAnswer {
            version: version.to_owned(),
            healthz: healthz.to_owned(),
            key_id: key_id.to_owned(),
        };
        let now = Duration::from_nanos(now_ns);
        let step = kms.machine().status_answered(now, Ok(answer));
        out.write(Step::new(step)?);
        Ok(())
    })
}

/// As `k8senc_kmsv2_status_answered`, for a call that failed or timed out, with the text of the failure. Borrows.
///
/// # Safety
/// As `k8senc_kmsv2_status_answered`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_status_failed(
    kms: Option<&KmsV2>,
    now_ns: u64,
    reason: *const u8,
    reason_len: usize,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        // SAFETY: the caller's contract.
        let reason = unsafe { raw::text(reason, reason_len, "reason")? };
        let now = Duration::from_nanos(now_ns);
        let step = kms.machine().status_answered(now, Err(reason.to_owned()));
        out.write(Step::new(step)?);
        Ok(())
    })
}

/// Takes the seed and uid that went to Encrypt, and what it answered; `annotations` as in `k8senc_dek_request`. The seed is
/// written with from now on if the answer is good. Steps as in `k8senc_kmsv2_poll`. Copies; borrows.
///
/// # Safety
/// As `k8senc_kmsv2_status_answered`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_encrypt_answered(
    kms: Option<&KmsV2>,
    now_ns: u64,
    seed: *const u8,
    seed_len: usize,
    uid: *const u8,
    uid_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let answer = contract::Parts {
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        // SAFETY: the caller's contract, here and below.
        let seed = SecretBytes::from_slice(unsafe { raw::bytes(seed, seed_len, "seed")? });
        // SAFETY: as above.
        let uid = unsafe { raw::text(uid, uid_len, "uid")? };
        // SAFETY: as above.
        let answer: EncryptAnswer = unsafe { answer.read()? };
        let now = Duration::from_nanos(now_ns);
        let step = kms.machine().encrypt_answered(now, &seed, uid, Ok(answer));
        out.write(Step::new(step)?);
        Ok(())
    })
}

/// As `k8senc_kmsv2_encrypt_answered`, for a call that failed or timed out, with the text of the failure. Borrows.
///
/// # Safety
/// As `k8senc_kmsv2_status_answered`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_encrypt_failed(
    kms: Option<&KmsV2>,
    now_ns: u64,
    uid: *const u8,
    uid_len: usize,
    reason: *const u8,
    reason_len: usize,
    step: Option<&mut MaybeUninit<Step>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(step, "step")?);
        // SAFETY: the caller's contract, here and below.
        let uid = unsafe { raw::text(uid, uid_len, "uid")? };
        // SAFETY: as above.
        let reason = unsafe { raw::text(reason, reason_len, "reason")? };
        let now = Duration::from_nanos(now_ns);
        // A failed call gives no use for a seed.
        let none = SecretBytes::from_slice(&[]);
        let step = kms
            .machine()
            .encrypt_answered(now, &none, uid, Err(reason.to_owned()));
        out.write(Step::new(step)?);
        Ok(())
    })
}

/// A write key that always has the seed that `kms` has at the time of a write; sealing fails with
/// `K8SENC_STATUS_KMS_NEVER_HEALTHY` or `K8SENC_STATUS_KMS_WRITE_EXPIRED` where kube-apiserver refuses to write. Gives `*key`,
/// for `k8senc_write_key_free`; it may outlive `kms`.
///
/// # Safety
/// `kms` came from `k8senc_kmsv2_new`; `key` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_write_key_new(
    kms: Option<&KmsV2>,
    key: Option<&mut MaybeUninit<*mut WriteKey>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let (kms, out) = (need(kms, "kms")?, need(key, "key")?);
        WriteKey::follow(out, Arc::clone(&kms.machine));
        Ok(())
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    provider: &'a str,
    version: Option<&'a str>,
    uid: Option<&'a str>,
    key_id: Option<&'a str>,
    expires_ns: Option<u64>,
}

/// What is known of a provider, as JSON: `{"provider", "version", "uid", "keyId", "expiresNs"}`, null where nothing is known
/// yet. Gives `*json`, for `k8senc_buf_free`.
///
/// # Safety
/// `kms` came from `k8senc_kmsv2_new`; `json` and `error` are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_kmsv2_describe(
    kms: Option<&KmsV2>,
    json: Option<&mut MaybeUninit<Buf>>,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        let kms = need(kms, "kms")?;
        let machine = kms.machine();
        let state = machine.read_state();
        let key_id = match &state {
            kms::KmsState::Current { key_id, .. } => Some(key_id.as_str()),
            _ => None,
        };
        let nanos = |at: Duration| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let shown = Shown {
            provider: kms.provider(),
            version: machine.version(),
            uid: machine.uid(),
            key_id,
            expires_ns: machine.expires().map(nanos),
        };
        write_json(json, &shown)
    })
}

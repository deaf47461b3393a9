//! What a KMS v2 plugin may answer.
#![expect(unsafe_code, reason = "names are exported")]

use std::mem::MaybeUninit;

use k8senc::kms::{EncryptAnswer, StatusAnswer};

use crate::fault::{Error, Fault};
use crate::guard::guard;
use crate::status::Status;
use crate::{packed, raw};

/// An answer of Encrypt as the caller gives it.
pub(crate) struct Parts {
    pub(crate) ciphertext: (*const u8, usize),
    pub(crate) key_id: (*const u8, usize),
    pub(crate) annotations: (*const u8, usize),
}

impl Parts {
    /// # Safety
    /// Each pointer is NULL or readable for the length beside it.
    pub(crate) unsafe fn read(self) -> Result<EncryptAnswer, Fault> {
        // SAFETY: the contract of this function, here and below.
        let ciphertext = unsafe { raw::bytes(self.ciphertext.0, self.ciphertext.1, "ciphertext")? };
        // SAFETY: as above.
        let key_id = unsafe { raw::text(self.key_id.0, self.key_id.1, "key_id")? };
        // SAFETY: as above.
        let packed = unsafe { raw::bytes(self.annotations.0, self.annotations.1, "annotations")? };
        Ok(EncryptAnswer {
            ciphertext: ciphertext.to_vec(),
            key_id: key_id.to_owned(),
            annotations: packed::annotations(packed)?,
        })
    }
}

/// Whether kube-apiserver accepts this answer of a plugin's Encrypt: OK, or the first fault that it finds. `annotations` as in
/// `k8senc_dek_request`. Borrows.
///
/// # Safety
/// Each pointer is NULL or readable for the length beside it; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_contract_encrypt(
    ciphertext: *const u8,
    ciphertext_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    annotations: *const u8,
    annotations_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    let answer = Parts {
        ciphertext: (ciphertext, ciphertext_len),
        key_id: (key_id, key_id_len),
        annotations: (annotations, annotations_len),
    };
    guard(error, || {
        // SAFETY: the caller's contract.
        let answer: EncryptAnswer = unsafe { answer.read()? };
        Ok(answer.check()?)
    })
}

/// Whether kube-apiserver accepts this answer of a plugin's Status: OK, or the first fault, with all of them in `error->json`
/// (`[{"status", "code", "text", "upstream"}, ...]`). `first_version` is the first good version that this plugin reported,
/// empty if it reported none before. Borrows.
///
/// # Safety
/// As `k8senc_contract_encrypt`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn k8senc_contract_status(
    version: *const u8,
    version_len: usize,
    healthz: *const u8,
    healthz_len: usize,
    key_id: *const u8,
    key_id_len: usize,
    first_version: *const u8,
    first_version_len: usize,
    error: Option<&mut MaybeUninit<*mut Error>>,
) -> Status {
    guard(error, || {
        // SAFETY: the caller's contract, here and below.
        let version = unsafe { raw::text(version, version_len, "version")? };
        // SAFETY: as above.
        let healthz = unsafe { raw::text(healthz, healthz_len, "healthz")? };
        // SAFETY: as above.
        let key_id = unsafe { raw::text(key_id, key_id_len, "key_id")? };
        // SAFETY: as above.
        let first = unsafe { raw::text(first_version, first_version_len, "first_version")? };
        let answer = StatusAnswer {
            version: version.to_owned(),
            healthz: healthz.to_owned(),
            key_id: key_id.to_owned(),
        };
        let faults = answer.faults((!first.is_empty()).then_some(first));
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Fault::Faults(faults))
        }
    })
}

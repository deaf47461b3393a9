//! kube-apiserver's probe of one KMS v2 plugin, step by step: who makes the calls is Python.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8senc::kms::state::{SEED_LEN, Step};
use k8senc::kms::{EncryptAnswer, KmsV2, StatusAnswer};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::errors::usage;

/// `("status", None)`, `("encrypt", None)`, `("done", health text or None)`, `("wait", None)` or `("pending", None)`.
type Next = (&'static str, Option<String>);

/// What Encrypt answered: ciphertext, key_id and annotations.
type Sealed = (PyBackedBytes, String, BTreeMap<String, PyBackedBytes>);

/// One KMS v2 provider of one API server, told the time (seconds since the Unix epoch) and what the plugin answered.
#[pyclass(module = "k8senc", frozen)]
pub struct KmsProbe(Mutex<KmsV2>);

#[pymethods]
impl KmsProbe {
    #[new]
    fn new(provider: &str) -> Self {
        Self(Mutex::new(KmsV2::new(provider, &NATIVE)))
    }

    /// What kube-apiserver does by itself now.
    fn poll(&self, now: f64) -> PyResult<Next> {
        let now = seconds(now)?;
        Ok(self.with(|state| next(state.poll(now))))
    }

    /// What a request to kube-apiserver's health endpoint does now.
    fn health(&self, now: f64) -> PyResult<Next> {
        let now = seconds(now)?;
        Ok(self.with(|state| next(state.health(now))))
    }

    /// Takes the version, healthz and key_id of Status, or the text of its failure.
    #[pyo3(signature = (now, answer=None, *, failure=None))]
    fn status_answered(
        &self,
        now: f64,
        answer: Option<(String, String, String)>,
        failure: Option<String>,
    ) -> PyResult<Next> {
        let now = seconds(now)?;
        let answer = either(answer, failure)?;
        let answer = answer.map(|(version, healthz, key_id)| StatusAnswer {
            version,
            healthz,
            key_id,
        });
        Ok(self.with(|state| next(state.status_answered(now, answer))))
    }

    /// Takes what Encrypt answered to `seed` under `uid`, or the text of its failure.
    #[pyo3(signature = (now, seed, uid, answer=None, *, failure=None))]
    fn encrypt_answered(
        &self,
        now: f64,
        seed: PyBackedBytes,
        uid: &str,
        answer: Option<Sealed>,
        failure: Option<String>,
    ) -> PyResult<Next> {
        let now = seconds(now)?;
        if seed.len() != SEED_LEN {
            return Err(usage(
                "kms-seed",
                format!("a seed has {SEED_LEN} bytes, this has {}", seed.len()),
            ));
        }
        let answer = either(answer, failure)?.map(sealed);
        let seed = SecretBytes::from_slice(&seed);
        Ok(self.with(|state| next(state.encrypt_answered(now, &seed, uid, answer))))
    }

    /// Why kube-apiserver refuses to write now, in its words, or None if it writes.
    fn write_refusal(&self, now: f64) -> PyResult<Option<String>> {
        let now = seconds(now)?;
        Ok(self.with(|state| state.write_source(now).err().map(said)))
    }
}

impl KmsProbe {
    fn with<T>(&self, work: impl FnOnce(&mut KmsV2) -> T) -> T {
        // The state machine has no half-made states that a panic could leave.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What kube-apiserver finds wrong with an answer of Encrypt, in its words, or None.
#[pyfunction]
pub fn encrypt_answer_fault(answer: Sealed) -> Option<String> {
    sealed(answer).check().err().map(said)
}

fn sealed((ciphertext, key_id, annotations): Sealed) -> EncryptAnswer {
    EncryptAnswer {
        ciphertext: ciphertext.to_vec(),
        key_id,
        annotations: annotations
            .into_iter()
            .map(|(name, value)| (name, value.to_vec()))
            .collect(),
    }
}

fn next(step: Step) -> Next {
    match step {
        Step::Wait { .. } => ("wait", None),
        Step::Status => ("status", None),
        Step::Encrypt => ("encrypt", None),
        Step::Done(result) => ("done", result.err().map(said)),
        Step::Pending => ("pending", None),
    }
}

/// The words of kube-apiserver, or ours where it has none.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where a closure would"
)]
fn said(error: k8senc::Error) -> String {
    error.upstream().unwrap_or_else(|| error.to_string())
}

fn either<T>(answer: Option<T>, failure: Option<String>) -> PyResult<Result<T, String>> {
    match (answer, failure) {
        (Some(answer), None) => Ok(Ok(answer)),
        (None, Some(failure)) => Ok(Err(failure)),
        _ => Err(usage(
            "kms-answer",
            "either an answer or the text of a failure is needed".into(),
        )),
    }
}

fn seconds(now: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(now).map_err(|_| {
        usage(
            "time",
            "the time is seconds since the Unix epoch, not negative".into(),
        )
    })
}

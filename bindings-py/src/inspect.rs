//! What a stored value tells without any key.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::kms::annotations;

/// What a stored value says of itself. Names are text of the value's writer; bytes that are not UTF-8 are replaced.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Inspection {
    /// `identity`, `aescbc`, `aesgcm`, `secretbox`, `kms-v1`, `kms-v2`, `unknown` or `empty`.
    provider: &'static str,
    /// Key or KMS provider name.
    name: Option<String>,
    /// Whether the name cannot be another one: key names may hold colons.
    name_is_exact: bool,
    /// All names that the value may carry.
    candidates: Py<PyTuple>,
    /// Bytes of the whole value.
    length: usize,
    /// Bytes behind the prefix and name.
    body_length: usize,
    /// Bytes that were encrypted, nonce and tag included; KMS only.
    data_length: Option<usize>,
    encrypted_dek: Option<Py<PyBytes>>,
    key_id: Option<String>,
    annotations: Option<Py<PyDict>>,
    /// `key` or `seed`; KMS v2 only.
    source_type: Option<&'static str>,
    /// Code of what is wrong with it, if that shows without a key.
    problem: Option<&'static str>,
    /// The same in words.
    problem_text: Option<String>,
    /// kube-apiserver's text for it.
    upstream: Option<String>,
}

#[pymethods]
impl Inspection {
    fn __repr__(&self) -> String {
        format!(
            "Inspection(provider={:?}, name={:?}, {} bytes)",
            self.provider, self.name, self.length
        )
    }
}

/// Reads what needs no key.
#[pyfunction]
pub fn inspect(py: Python<'_>, stored: PyBackedBytes) -> PyResult<Inspection> {
    let found = py.detach(|| k8senc::inspect::inspect(&stored));
    let candidates = k8senc::inspect::Inspection::candidates(&stored).map(text);
    let encrypted_dek = found.kmsv1.map(|sealed| sealed.encrypted_dek).or(found
        .kmsv2
        .as_ref()
        .map(|object| object.encrypted_dek_source));
    let data_length = found
        .kmsv1
        .map(|sealed| sealed.body.len())
        .or(found.kmsv2.as_ref().map(|object| object.data.len()));
    let named = |object: &k8senc::wire::kmsv2::EncryptedObject<'_>| {
        let pairs = object
            .annotations
            .iter()
            .map(|(&name, &value)| (name, value));
        annotations(py, pairs).map(Bound::unbind)
    };
    Ok(Inspection {
        provider: found.format.name(),
        name: found.name.map(text),
        name_is_exact: found.name_is_exact,
        candidates: PyTuple::new(py, candidates.collect::<Vec<_>>())?.unbind(),
        length: stored.len(),
        body_length: found.body.len(),
        data_length,
        encrypted_dek: encrypted_dek.map(|dek| PyBytes::new(py, dek).unbind()),
        key_id: found.kmsv2.as_ref().map(|object| object.key_id.to_owned()),
        annotations: found.kmsv2.as_ref().map(named).transpose()?,
        source_type: found
            .kmsv2
            .as_ref()
            .and_then(|object| match object.source_type {
                0 => Some("key"),
                1 => Some("seed"),
                _ => None,
            }),
        problem: found.problem.as_ref().map(k8senc::Error::code),
        problem_text: found.problem.as_ref().map(ToString::to_string),
        upstream: found.problem.as_ref().and_then(k8senc::Error::upstream),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Stored values as people have them at hand.

use k8senc_recovery::Form;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::usage;

/// Forms that can be named; what of them is meant in detail shows by itself.
const NAMED: [(&str, Form); 5] = [
    ("raw", Form::Raw),
    ("hex", Form::Hex),
    ("base64", Form::Base64),
    ("etcdctl-json", Form::EtcdctlJson),
    ("etcdctl", Form::Etcdctl),
];

/// A stored value, and how it was given.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Pasted {
    stored: Py<PyBytes>,
    form: &'static str,
    etcd_key: Option<Py<PyBytes>>,
    mod_revision: Option<i64>,
}

#[pymethods]
impl Pasted {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let length = self.stored.bind(py).len()?;
        Ok(format!("Pasted(form={:?}, {length} bytes)", self.form))
    }
}

/// Whether this begins as a whole database: an etcd snapshot, or SQLite.
#[pyfunction]
pub fn is_store(head: PyBackedBytes) -> bool {
    etcd_store::looks_like_store(&head)
}

/// The stored values in what etcdctl, a tool that dumps bytes, or somebody's clipboard gives. `auto` recognises the form, and
/// takes what has none for raw bytes. The list is empty when etcdctl found no key.
#[pyfunction]
#[pyo3(signature = (data, form = "auto"))]
pub fn read_pasted(py: Python<'_>, data: PyBackedBytes, form: &str) -> PyResult<Vec<Pasted>> {
    let named = NAMED.iter().find(|(name, _)| *name == form);
    let found = match named {
        Some((_, form)) => py.detach(|| k8senc_recovery::pasted_as(&data, *form)),
        None if form == "auto" => py.detach(|| {
            let found = k8senc_recovery::pasted(&data);
            found.or_else(|| k8senc_recovery::pasted_as(&data, Form::Raw))
        }),
        None => None,
    };
    let Some(found) = found else {
        let known = NAMED.map(|(name, _)| name).join(", ");
        let message = format!("the input is not {form}; known forms are auto, {known}");
        return Err(usage("input-form", message));
    };
    let found = found.into_iter().map(|one| Pasted {
        stored: PyBytes::new(py, &one.stored).unbind(),
        form: one.form.name(),
        etcd_key: one.etcd_key.map(|key| PyBytes::new(py, &key).unbind()),
        mod_revision: one.mod_revision,
    });
    Ok(found.collect())
}

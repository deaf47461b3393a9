//! Errors that live in Python, made from those of the crates below.

use k8senc_config::{Verdict, Version};
use pyo3::prelude::*;

use crate::verdict;

pyo3::import_exception!(k8senc.errors, ConfigError);
pyo3::import_exception!(k8senc.errors, SnapshotError);
pyo3::import_exception!(k8senc.errors, StoredValueError);
pyo3::import_exception!(k8senc.errors, UsageError);

/// A value that does not open.
pub fn stored_value(error: &k8senc::Error) -> PyErr {
    StoredValueError::new_err((error.code(), error.to_string(), error.upstream()))
}

/// A configuration that is refused, with its verdict and the places in its text.
pub fn config(py: Python<'_>, text: &[u8], found: &k8senc_config::ConfigError) -> PyErr {
    let Verdict {
        problems, upstream, ..
    } = &found.verdict;
    let code = problems.first().map_or("config", |problem| problem.code);
    let made = verdict::Verdict::new(py, text, &found.verdict, Version::LATEST)
        .and_then(|made| Py::new(py, made));
    match made {
        Ok(verdict) => ConfigError::new_err((code, found.to_string(), upstream.clone(), verdict)),
        Err(error) => error,
    }
}

/// A call that asks for something that does not exist.
pub fn usage(code: &'static str, message: String) -> PyErr {
    UsageError::new_err((code, message))
}

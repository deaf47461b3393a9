//! What kube-apiserver says of a configuration, as Python objects.

use k8senc_config::{Lines, Options, UnknownVersion, Version};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::usage;
use crate::finding::{Shown, snippet};
use crate::input::Text;

/// kube-apiserver's verdict on one EncryptionConfiguration.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Verdict {
    ok: bool,
    stage: Option<&'static str>,
    upstream: Option<String>,
    exact: bool,
    redacted: bool,
    version: String,
    errors: Py<PyTuple>,
}

/// One thing that is wrong, in kube-apiserver's words and in ours, with its place.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Problem {
    code: &'static str,
    field: String,
    message: String,
    upstream: String,
    line: Option<usize>,
    column: Option<usize>,
    redacted: bool,
    snippet: Option<Py<Shown>>,
}

#[pymethods]
impl Verdict {
    fn __repr__(&self) -> String {
        match self.stage {
            _ if self.ok => "Verdict(ok)".to_owned(),
            stage => format!("Verdict(refused at {})", stage.unwrap_or("loading")),
        }
    }

    fn __bool__(&self) -> bool {
        self.ok
    }
}

#[pymethods]
impl Problem {
    fn __repr__(&self) -> String {
        format!("Problem({} at {})", self.code, self.field)
    }
}

impl Verdict {
    /// Copies a verdict on `text`.
    pub fn new(
        py: Python<'_>,
        text: &[u8],
        verdict: &k8senc_config::Verdict,
        version: Version,
    ) -> PyResult<Self> {
        // Spans of a text that is not UTF-8 count in another text than the caller's.
        let lines = core::str::from_utf8(text).ok().map(Lines::new);
        let problems = verdict.problems.iter().map(|problem| {
            let place = lines
                .as_ref()
                .map(|lines| lines.position(problem.span.start));
            let shown = lines.as_ref().map(|l| snippet(py, l, problem.span));
            Ok(Problem {
                code: problem.code,
                field: problem.field.clone(),
                message: problem.ours.clone(),
                upstream: problem.upstream.clone(),
                line: place.map(|place| place.line),
                column: place.map(|place| place.column),
                redacted: problem.redacted,
                snippet: shown.transpose()?.flatten(),
            })
        });
        let problems = problems
            .map(|problem: PyResult<Problem>| Py::new(py, problem?))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self {
            ok: verdict.ok,
            stage: verdict.stage.map(|stage| stage.name()),
            upstream: verdict.upstream.clone(),
            exact: verdict.exact,
            redacted: verdict.redacted,
            version: version.to_string(),
            errors: PyTuple::new(py, problems)?.unbind(),
        })
    }
}

/// Asks what a kube-apiserver of the given release says of the file's text.
#[pyfunction]
#[pyo3(signature = (text, *, version = None, reload = false, kmsv1 = None, path = None))]
pub fn validate(
    py: Python<'_>,
    text: Text,
    version: Option<&str>,
    reload: bool,
    kmsv1: Option<bool>,
    path: Option<String>,
) -> PyResult<Verdict> {
    let mut options = Options::default();
    options.reload = reload;
    options.kmsv1 = kmsv1;
    if let Some(path) = path {
        options.path = path;
    }
    if let Some(version) = version {
        options.version = release(version)?;
    }
    let verdict = py.detach(|| k8senc_config::validate(text.bytes(), &options));
    Verdict::new(py, text.bytes(), &verdict, options.version)
}

/// A release such as `1.29`.
pub fn release(text: &str) -> PyResult<Version> {
    text.parse().map_err(|error: UnknownVersion| {
        usage("kubernetes-version", format!("{text:?} is {error}"))
    })
}

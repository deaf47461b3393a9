//! Advice on a configuration, and on the files that bring one to an API server.

use std::sync::Arc;

use k8senc_config::{FileFacts, LintOptions, Migration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::errors::usage;
use crate::finding::findings;
use crate::input::Text;
use crate::verdict::{Verdict, release};

fn lint_options(
    version: Option<&str>,
    reload: bool,
    kmsv1: Option<bool>,
    migration: Option<&str>,
) -> PyResult<LintOptions> {
    let mut options = LintOptions::default();
    options.server.reload = reload;
    options.server.kmsv1 = kmsv1;
    if let Some(version) = version {
        options.server.version = release(version)?;
    }
    options.migration = match migration {
        None => None,
        Some("encrypting") => Some(Migration::Encrypting),
        Some("done") => Some(Migration::Done),
        Some("decrypting") => Some(Migration::Decrypting),
        Some(other) => {
            let message = format!("{other:?} is none of encrypting, done, decrypting");
            return Err(usage("migration", message));
        }
    };
    Ok(options)
}

/// Judges an EncryptionConfiguration by every rule: the worst findings first.
#[pyfunction]
#[pyo3(signature = (text, *, version = None, reload = false, kmsv1 = None, migration = None, mode = None, owned_by_server = None, directory_writable = None, shared = None))]
#[expect(
    clippy::too_many_arguments,
    reason = "each is an optional keyword of the Python function"
)]
pub fn lint<'py>(
    py: Python<'py>,
    text: Text,
    version: Option<&str>,
    reload: bool,
    kmsv1: Option<bool>,
    migration: Option<&str>,
    mode: Option<u32>,
    owned_by_server: Option<bool>,
    directory_writable: Option<bool>,
    shared: Option<bool>,
) -> PyResult<Bound<'py, PyTuple>> {
    let mut options = lint_options(version, reload, kmsv1, migration)?;
    let mut facts = FileFacts::default();
    facts.mode = mode;
    facts.owned_by_server = owned_by_server;
    facts.directory_writable_by_others = directory_writable;
    facts.shared = shared;
    options.file = facts;
    let found = py.detach(|| k8senc_config::lint(text.bytes(), &options));
    findings(py, text.bytes(), found)
}

/// A file that an API server is told to read.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Reference {
    server: String,
    path: String,
    host_path: Option<String>,
}

/// A configuration that a manifest holds.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct Embedded {
    origin: String,
    writes_to: Option<String>,
    verbatim: bool,
}

/// A file that brings configurations to API servers: a static pod, kubeadm's, k3s', RKE2's or Talos' configuration.
#[pyclass(module = "k8senc", frozen)]
pub struct Manifest {
    inner: Arc<k8senc_config::Manifest>,
    text: Zeroizing<Vec<u8>>,
}

#[pymethods]
impl Manifest {
    /// Reads a file; None when it is an EncryptionConfiguration itself, or nothing that is known.
    #[staticmethod]
    #[pyo3(signature = (text, name = ""))]
    fn read(py: Python<'_>, text: Text, name: &str) -> Option<Self> {
        let bytes = text.bytes();
        let read = py.detach(|| k8senc_config::Manifest::read(bytes, name))?;
        Some(Self {
            inner: Arc::new(read),
            text: Zeroizing::new(bytes.to_vec()),
        })
    }

    /// What kind of file it is, in words.
    #[getter]
    fn form(&self) -> &'static str {
        self.inner.form().name()
    }

    /// The API servers it describes, in words.
    #[getter]
    fn servers(&self) -> Vec<String> {
        self.inner.servers().map(str::to_owned).collect()
    }

    /// The release of its API servers, such as `1.34`, if it says one.
    #[getter]
    fn version(&self) -> Option<String> {
        self.inner.version().map(|v| v.to_string())
    }

    /// Whether an API server of it reloads its configuration by itself.
    #[getter]
    fn reload(&self) -> bool {
        self.inner.reloads()
    }

    /// The files that its API servers are told to read and that it does not hold.
    #[getter]
    fn references<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let made = self.inner.references().into_iter().map(|r| Reference {
            server: r.server,
            path: r.path,
            host_path: r.host_path,
        });
        PyTuple::new(py, made.collect::<Vec<_>>())
    }

    /// The configurations that it holds.
    #[getter]
    fn embedded<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let made = self.inner.embedded().iter().map(|e| Embedded {
            origin: e.origin().to_owned(),
            writes_to: e.writes_to().map(str::to_owned),
            verbatim: e.is_verbatim(),
        });
        PyTuple::new(py, made.collect::<Vec<_>>())
    }

    /// One of the configurations that it holds, by its place in `embedded`.
    fn config(&self, py: Python<'_>, index: usize) -> PyResult<Config> {
        let Some(embedded) = self.inner.embedded().get(index) else {
            return Err(usage(
                "manifest",
                format!("it holds no configuration {index}"),
            ));
        };
        let text = embedded.text().as_bytes();
        match py.detach(|| k8senc_config::Config::parse(text)) {
            Ok(config) => Ok(Config(Arc::new(config))),
            Err(refused) => Err(crate::errors::config(py, text, &refused)),
        }
    }

    /// kube-apiserver's verdict on each configuration that it holds, with places in this file.
    #[pyo3(signature = (*, version = None, reload = None, kmsv1 = None))]
    fn validate<'py>(
        &self,
        py: Python<'py>,
        version: Option<&str>,
        reload: Option<bool>,
        kmsv1: Option<bool>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let options = self.options(version, reload, kmsv1, None)?;
        let made = self.inner.embedded().iter().map(|embedded| {
            let mut server = options.server.clone();
            if let Some(path) = embedded.writes_to() {
                server.path = path.to_owned();
            }
            let mut verdict = k8senc_config::validate(embedded.text().as_bytes(), &server);
            for problem in &mut verdict.problems {
                problem.span = embedded.outer(problem.span);
            }
            Verdict::new(py, &self.text, &verdict, server.version)
        });
        PyTuple::new(py, made.collect::<PyResult<Vec<_>>>()?)
    }

    /// Judges the manifest and the configurations that it holds. `referenced` are the files that its API servers read.
    #[pyo3(signature = (*, referenced = Vec::new(), version = None, reload = None, kmsv1 = None, migration = None))]
    fn lint<'py>(
        &self,
        py: Python<'py>,
        referenced: Vec<Text>,
        version: Option<&str>,
        reload: Option<bool>,
        kmsv1: Option<bool>,
        migration: Option<&str>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let options = self.options(version, reload, kmsv1, migration)?;
        let files: Vec<&[u8]> = referenced.iter().map(Text::bytes).collect();
        let found =
            py.detach(|| k8senc_config::lint_manifest(&self.text, &self.inner, &files, &options));
        findings(py, &self.text, found)
    }

    fn __repr__(&self) -> String {
        format!("Manifest({})", self.inner.form().name())
    }
}

impl Manifest {
    /// What the caller says counts for more than what the file says.
    fn options(
        &self,
        version: Option<&str>,
        reload: Option<bool>,
        kmsv1: Option<bool>,
        migration: Option<&str>,
    ) -> PyResult<LintOptions> {
        let reload = reload.unwrap_or_else(|| self.inner.reloads());
        let kmsv1 = kmsv1.or_else(|| self.inner.kmsv1());
        let mut options = lint_options(version, reload, kmsv1, migration)?;
        if let (None, Some(own)) = (version, self.inner.version()) {
            options.server.version = own;
        }
        Ok(options)
    }
}

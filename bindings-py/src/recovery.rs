//! Recovery of objects from a snapshot or a single value, in steps that Python drives: survey, answers, output.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_object::Types;
use k8senc::kms::{DekTable, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_audit::AnySource;
use k8senc_backends::NATIVE;
use k8senc_recovery::{
    Entry, Folder, Format, Opener, Options, Place, RecoveryError, Selection, Sink, Source, Summary,
};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyByteArray;

use crate::audit::{DekNeed, raised};
use crate::config::Config;
use crate::errors::{SnapshotError, UsageError, usage};
use crate::input::Text;
use crate::kms::DekRequest;
use crate::rows;
use crate::watch::{Watch, watched};

/// Where objects come from.
enum From {
    /// A value that is handed over with each call.
    Value,
    File(AnySource),
    /// A callable that gives a fresh iterator of rows.
    Rows(Py<PyAny>),
}

/// One source, the keys that are left, and what is wanted of it.
#[pyclass(module = "k8senc", frozen)]
pub struct Recovery {
    source: From,
    config: Option<Arc<k8senc_config::Config>>,
    keys: Vec<(String, SecretBytes)>,
    deks: Mutex<DekTable>,
    types: Types,
    format: Format,
    selection: Selection,
    etcd_prefix: Option<Vec<u8>>,
    unverified: bool,
    any_key: bool,
}

#[pymethods]
impl Recovery {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    #[pyo3(signature = (path, config = None, keys = Vec::new(), *, format = "yaml", resource = None, namespace = None, name = None, etcd_key = None, revision = None, etcd_prefix = None, unverified = false, any_key = false, rows = None))]
    fn new(
        path: Option<PathBuf>,
        config: Option<&Config>,
        keys: Vec<(String, PyBackedBytes)>,
        format: &str,
        resource: Option<&str>,
        namespace: Option<Vec<u8>>,
        name: Option<Vec<u8>>,
        etcd_key: Option<Vec<u8>>,
        revision: Option<i64>,
        etcd_prefix: Option<Vec<u8>>,
        unverified: bool,
        any_key: bool,
        rows: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let format = match format {
            "yaml" => Format::Yaml,
            "json" => Format::Json,
            "raw" => Format::Raw,
            other => {
                return Err(usage(
                    "format",
                    format!("format {other:?} is neither yaml, json nor raw"),
                ));
            }
        };
        let keys = keys.into_iter().map(|(label, text)| {
            let key = k8senc_recovery::parse_key(&text);
            let refused = || usage("key-size", format!("{label} holds {} bytes that are no key: 16, 24 or 32 bytes are needed, raw or as base64 or hex", text.len()));
            let (key, cut) = key.ok_or_else(refused)?;
            Ok((cut.map_or_else(|| label.clone(), |cut| format!("{label} ({cut})")), key))
        });
        Ok(Self {
            keys: keys.collect::<PyResult<_>>()?,
            source: match (path, rows) {
                (_, Some(rows)) => From::Rows(rows),
                (Some(path), None) => {
                    From::File(AnySource::open(&path).map_err(|error| raised(&error))?)
                }
                (None, None) => From::Value,
            },
            config: config.map(|config| config.0.clone()),
            deks: Mutex::new(DekTable::with_backend(&NATIVE)),
            types: Types::builtin(),
            format,
            selection: Selection {
                resource: resource.map(Selection::resource_named),
                namespace,
                name,
                etcd_key,
                revision,
            },
            etcd_prefix,
            unverified,
            any_key,
        })
    }

    /// The distinct KMS requests of the selection, most needed first, and how many more there are than could be listed.
    #[pyo3(signature = (progress = None))]
    fn survey(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<(Vec<DekNeed>, u64)> {
        let survey = self.run(py, progress, |opener, options, source| {
            k8senc_recovery::survey(source, opener, &self.selection, options)
        })?;
        let needs = survey.needs.into_iter().map(|(request, live)| {
            let request = Py::new(py, DekRequest(request))?;
            Ok(DekNeed {
                request,
                live,
                history: 0,
            })
        });
        Ok((needs.collect::<PyResult<_>>()?, survey.beyond))
    }

    /// What a single value would ask the KMS.
    fn needs(
        &self,
        py: Python<'_>,
        stored: PyBackedBytes,
        etcd_key: PyBackedBytes,
    ) -> PyResult<Vec<DekNeed>> {
        let requests = self.with_opener(|opener| {
            let name = k8s_object::EtcdName::from_etcd_key(&etcd_key, self.etcd_prefix.as_deref());
            opener.needs(name.as_ref(), &stored)
        });
        let needs = requests.into_iter().map(|request| {
            let request = Py::new(py, DekRequest(request))?;
            Ok(DekNeed {
                request,
                live: 1,
                history: 0,
            })
        });
        needs.collect()
    }

    /// Puts in a plugin's answer.
    fn supply(&self, request: &DekRequest, dek: PyBackedBytes) {
        self.table()
            .supply(&request.0, SecretBytes::from_slice(&dek));
    }

    /// Puts in a plugin's error.
    fn refuse(&self, request: &DekRequest, reason: String) {
        self.table().refuse(&request.0, reason);
    }

    /// Says what the Status of a KMS v2 provider reports now.
    fn set_state(&self, provider: &str, key_id: String, uses_seed: bool) {
        self.table()
            .set_state(provider, KmsState::Current { key_id, uses_seed });
    }

    /// Writes the selection into a new folder. The summary as JSON, also after an interrupt.
    #[pyo3(signature = (folder, progress = None))]
    fn to_folder(
        &self,
        py: Python<'_>,
        folder: PathBuf,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let (done, _) = self.watch(py, progress, |opener, options, source| {
            let mut folder = Folder::create(&folder)?;
            let summary = k8senc_recovery::recover(
                source,
                opener,
                &self.selection,
                &self.types,
                self.format,
                options,
                &mut folder,
            )?;
            folder.finish(&summary)?;
            Ok(summary)
        })?;
        json(&done.map_err(|error| failed(&error))?)
    }

    /// Hands each document, as a bytearray that is the function's to wipe, and then each entry, as JSON, to functions. The
    /// summary as JSON.
    #[pyo3(signature = (document, entry, progress = None))]
    fn to_functions(
        &self,
        py: Python<'_>,
        document: Py<PyAny>,
        entry: Py<PyAny>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let mut sink = Functions {
            document,
            entry,
            raised: None,
        };
        let done = self.run(py, progress, |opener, options, source| {
            k8senc_recovery::recover(
                source,
                opener,
                &self.selection,
                &self.types,
                self.format,
                options,
                &mut sink,
            )
        });
        match sink.raised {
            Some(error) => Err(error),
            None => json(&done?),
        }
    }

    /// Opens one value that is no part of a snapshot, and hands it on as `to_functions` does.
    fn value(
        &self,
        stored: PyBackedBytes,
        etcd_key: PyBackedBytes,
        document: Py<PyAny>,
        entry: Py<PyAny>,
    ) -> PyResult<String> {
        let mut sink = Functions {
            document,
            entry,
            raised: None,
        };
        let done = self.with_opener(|opener| {
            let prefix = self.etcd_prefix.as_deref();
            k8senc_recovery::value(
                opener,
                &etcd_key,
                &stored,
                prefix,
                &self.types,
                self.format,
                &mut sink,
            )
        });
        match sink.raised {
            Some(error) => Err(error),
            None => json(&done.map_err(|error| failed(&error))?),
        }
    }
}

impl Recovery {
    fn table(&self) -> MutexGuard<'_, DekTable> {
        self.deks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_opener<T>(&self, work: impl FnOnce(&mut Opener<'_>) -> T) -> T {
        let mut opener = Opener::new(self.config.as_deref(), &NATIVE);
        opener.unverified = self.unverified;
        opener.any_key = self.any_key;
        for (label, key) in &self.keys {
            opener.add_key(label, SecretBytes::from_slice(key.expose()));
        }
        let mut table = self.table();
        core::mem::swap(&mut opener.deks, &mut table);
        let done = work(&mut opener);
        core::mem::swap(&mut opener.deks, &mut table);
        done
    }

    fn watch<T: Send>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(&mut Opener<'_>, &Options<'_>, Source<'_>) -> Result<T, RecoveryError> + Send,
    ) -> PyResult<(Result<T, RecoveryError>, Option<PyErr>)> {
        let (done, interrupted) = watched(py, progress, |Watch { progress, cancel }| {
            let options = Options {
                etcd_prefix: self.etcd_prefix.as_deref(),
                progress: Some(progress),
                cancel: Some(cancel),
            };
            self.with_opener(|opener| match &self.source {
                From::File(file) => Ok(work(opener, &options, Source::Pages(file))),
                From::Rows(rows) => {
                    rows::pass(rows, |rows| work(opener, &options, Source::Rows(rows)))
                }
                From::Value => Err(usage("no-snapshot", "no snapshot was given".to_owned())),
            })
        });
        match (done, interrupted) {
            (_, Some(error)) if !error.is_instance_of::<PyKeyboardInterrupt>(py) => Err(error),
            (Err(error), None) => Err(error),
            (Err(_), Some(interrupt)) => Err(interrupt),
            (Ok(done), interrupted) => Ok((done, interrupted)),
        }
    }

    fn run<T: Send>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(&mut Opener<'_>, &Options<'_>, Source<'_>) -> Result<T, RecoveryError> + Send,
    ) -> PyResult<T> {
        match self.watch(py, progress, work)? {
            (_, Some(error)) => Err(error),
            (done, None) => done.map_err(|error| failed(&error)),
        }
    }
}

/// Hands documents to Python. What Python raises ends the run.
struct Functions {
    document: Py<PyAny>,
    entry: Py<PyAny>,
    raised: Option<PyErr>,
}

impl Functions {
    fn call(
        &mut self,
        made: impl FnOnce(&Self, Python<'_>) -> PyResult<Py<PyAny>>,
    ) -> Result<(), RecoveryError> {
        let told = Python::attach(|py| made(self, py).map(drop));
        told.map_err(|error| {
            self.raised = Some(error);
            RecoveryError::Sink("the caller's function raised".to_owned())
        })
    }
}

impl Sink for Functions {
    fn document(
        &mut self,
        _: &Place<'_>,
        bytes: &[u8],
        extension: &'static str,
        _: &mut Entry,
    ) -> Result<(), RecoveryError> {
        self.call(|sink, py| {
            sink.document
                .call1(py, (PyByteArray::new(py, bytes), extension))
        })
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), RecoveryError> {
        let text =
            serde_json::to_string(entry).map_err(|error| RecoveryError::Sink(error.to_string()))?;
        self.call(|sink, py| sink.entry.call1(py, (text,)))
    }
}

fn json(summary: &Summary) -> PyResult<String> {
    serde_json::to_string(summary)
        .map_err(|error| SnapshotError::new_err(("report", error.to_string())))
}

fn failed(error: &RecoveryError) -> PyErr {
    match error {
        RecoveryError::Source(error) => raised(error),
        RecoveryError::NotEmpty(_) => UsageError::new_err((error.code(), error.to_string())),
        _ => SnapshotError::new_err((error.code(), error.to_string())),
    }
}

/// A plaintext as YAML or JSON, and how many of its fields the table of built-in types does not have.
#[pyfunction]
#[pyo3(signature = (plaintext, format = "yaml"))]
pub fn render(py: Python<'_>, plaintext: PyBackedBytes, format: &str) -> PyResult<(String, u64)> {
    let form = match format {
        "yaml" => k8s_object::Form::Yaml,
        "json" => k8s_object::Form::Json,
        other => {
            return Err(usage(
                "format",
                format!("format {other:?} is neither yaml nor json"),
            ));
        }
    };
    py.detach(|| {
        let mut text = String::new();
        match k8s_object::render(&plaintext, &Types::builtin(), form, &mut text) {
            Ok(rendered) => Ok((text, rendered.unknown_fields)),
            Err(why) => Err(usage(why.code(), why.to_string())),
        }
    })
}

/// The resource whose objects lie under an etcd key, as an EncryptionConfiguration names it; None for what is no object's.
#[pyfunction]
#[pyo3(signature = (etcd_key, etcd_prefix = None))]
pub fn resource_of(etcd_key: Text, etcd_prefix: Option<Text>) -> Option<String> {
    let prefix = etcd_prefix.as_ref().map(Text::bytes);
    k8s_object::EtcdName::from_etcd_key(etcd_key.bytes(), prefix).map(|name| name.to_string())
}

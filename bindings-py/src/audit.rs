//! The audit of a snapshot file, in steps that Python drives: survey, answers, report.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use k8senc::kms::{DekTable, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_audit::report::Severity;
use k8senc_audit::{AnySource, AuditError, LogFile, Options};
use k8senc_backends::NATIVE;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::config::Config;
use crate::errors::{SnapshotError, usage};
use crate::input::Text;
use crate::kms::DekRequest;
use crate::rows;
use crate::watch::watched;

/// Where values come from.
enum Source {
    File(AnySource),
    /// A callable that gives a fresh iterator of rows.
    Rows(Py<PyAny>),
}

/// One snapshot file, or another source of rows, and what is known to read it with.
#[pyclass(module = "k8senc", frozen)]
pub struct Audit {
    source: Source,
    config: Option<Arc<k8senc_config::Config>>,
    config_name: String,
    also: Vec<(String, Arc<k8senc_config::Config>)>,
    logs: Vec<(Vec<u8>, AnySource)>,
    deks: Mutex<DekTable>,
    threads: usize,
    hash: bool,
    examples: usize,
    etcd_prefix: Option<Vec<u8>>,
    max_key_age: Option<(i64, i64)>,
}

/// A question to a KMS plugin, and how many values wait for the answer.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct DekNeed {
    pub request: Py<DekRequest>,
    pub live: u64,
    pub history: u64,
}

#[pymethods]
impl Audit {
    #[new]
    #[pyo3(signature = (path, config = None, *, threads = 0, hash = true, examples = 3, etcd_prefix = None, config_name = String::new(), also = Vec::new(), logs = Vec::new(), max_key_age = None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        path: PathBuf,
        config: Option<&Config>,
        threads: usize,
        hash: bool,
        examples: usize,
        etcd_prefix: Option<Vec<u8>>,
        config_name: String,
        also: Vec<(String, Py<Config>)>,
        logs: Vec<PathBuf>,
        max_key_age: Option<(i64, i64)>,
    ) -> PyResult<Self> {
        let logs = logs.into_iter().map(|path| {
            let name = path
                .file_name()
                .map_or_else(Vec::new, |name| name.as_encoded_bytes().to_vec());
            Ok((
                name,
                AnySource::open(&path).map_err(|error| raised(&error))?,
            ))
        });
        Ok(Self {
            source: Source::File(AnySource::open(&path).map_err(|error| raised(&error))?),
            config: config.map(|config| config.0.clone()),
            config_name,
            also: configs(also),
            logs: logs.collect::<PyResult<_>>()?,
            deks: Mutex::new(DekTable::with_backend(&NATIVE)),
            threads,
            hash,
            examples,
            etcd_prefix,
            max_key_age,
        })
    }

    /// Of rows: `rows` is called for each pass and gives an iterator of batches, see `k8senc.rows`.
    #[staticmethod]
    #[pyo3(signature = (rows, config = None, *, examples = 3, etcd_prefix = None, config_name = String::new(), also = Vec::new(), max_key_age = None))]
    fn of_rows(
        rows: Py<PyAny>,
        config: Option<&Config>,
        examples: usize,
        etcd_prefix: Option<Vec<u8>>,
        config_name: String,
        also: Vec<(String, Py<Config>)>,
        max_key_age: Option<(i64, i64)>,
    ) -> Self {
        Self {
            source: Source::Rows(rows),
            config: config.map(|config| config.0.clone()),
            config_name,
            also: configs(also),
            logs: Vec::new(),
            deks: Mutex::new(DekTable::with_backend(&NATIVE)),
            threads: 1,
            hash: false,
            examples,
            etcd_prefix,
            max_key_age,
        }
    }

    /// The distinct KMS requests of the file, most needed first, and how many more there are than could be listed.
    #[pyo3(signature = (progress = None))]
    fn survey(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<(Vec<DekNeed>, u64)> {
        let Some(config) = &self.config else {
            return Ok((Vec::new(), 0));
        };
        let survey = self.watched(py, progress, |options| match &self.source {
            Source::File(file) => {
                k8senc_audit::dek_requests(file, config, &self.table(), options).map_err(Stop::from)
            }
            Source::Rows(rows) => {
                // The table is not held while Python gives rows.
                let known = DekTable::with_backend(&NATIVE);
                let found = rows::pass(rows, |rows| {
                    k8senc_audit::dek_requests_of_rows(rows, config, &known, options)
                });
                Ok(found.map_err(Stop::Python)??)
            }
        })?;
        let needs = survey.needs.into_iter().map(|need| {
            let request = Py::new(py, DekRequest(need.request))?;
            Ok(DekNeed {
                request,
                live: need.live,
                history: need.history,
            })
        });
        Ok((needs.collect::<PyResult<_>>()?, survey.beyond))
    }

    /// Puts in a plugin's answer.
    fn supply(&self, py: Python<'_>, request: &DekRequest, dek: PyBackedBytes) {
        let dek = SecretBytes::from_slice(&dek);
        py.detach(|| self.table().supply(&request.0, dek));
    }

    /// Puts in a plugin's error.
    fn refuse(&self, py: Python<'_>, request: &DekRequest, reason: String) {
        py.detach(|| self.table().refuse(&request.0, reason));
    }

    /// Says what the Status of a KMS v2 provider reports now.
    fn set_state(&self, py: Python<'_>, provider: &str, key_id: String, uses_seed: bool) {
        py.detach(|| {
            self.table()
                .set_state(provider, KmsState::Current { key_id, uses_seed })
        });
    }

    /// The report, to be written down in any form.
    #[pyo3(signature = (progress = None))]
    fn finish(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<AuditReport> {
        Ok(AuditReport(Mutex::new(self.audit(py, progress)?)))
    }

    /// The report as JSON, and the exit code of its verdict.
    #[pyo3(signature = (progress = None))]
    fn report(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<(String, u8)> {
        let report = self.audit(py, progress)?;
        let text = py.detach(|| serde_json::to_string_pretty(&report));
        let text = text.map_err(|error| {
            SnapshotError::new_err(("report", format!("the report has no JSON form: {error}")))
        })?;
        Ok((text, report.exit_code()))
    }
}

/// A finished report, to be written down in several forms.
#[pyclass(module = "k8senc", frozen)]
pub struct AuditReport(Mutex<k8senc_audit::Report>);

impl AuditReport {
    fn report(&self) -> std::sync::MutexGuard<'_, k8senc_audit::Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl AuditReport {
    /// The report as `json`, `jsonl`, `sarif`, `csv`, `csv-findings`, `markdown`, `html` or `prometheus`, about a file of
    /// this name.
    #[pyo3(signature = (format, name, when = ""))]
    fn write(&self, py: Python<'_>, format: &str, name: Text, when: &str) -> PyResult<String> {
        let known: k8senc_audit::ReportFormat = format.parse().map_err(|_| {
            let known = k8senc_audit::ReportFormat::ALL.map(k8senc_audit::ReportFormat::name);
            let known = known.join(", ");
            usage(
                "report-format",
                format!("{format:?} is no form of a report; known are {known}"),
            )
        })?;
        let mut about = k8senc_audit::About::new(name.bytes());
        about.when = k8senc_audit::escape(when.as_bytes());
        py.detach(|| self.report().write(known, &about))
            .map_err(|error| {
                SnapshotError::new_err((
                    "report",
                    format!("the report has no {format} form: {error}"),
                ))
            })
    }

    /// Adds findings where live values are not written as `RESOURCE=PROVIDER`, or a preset, demands.
    fn require(&self, requirements: Vec<String>) -> PyResult<()> {
        let parsed: Result<Vec<k8senc_audit::Requirement>, _> =
            requirements.iter().map(|text| text.parse()).collect();
        let parsed = parsed.map_err(|error| usage("requirement", error.to_string()))?;
        self.report().require(&parsed);
        Ok(())
    }

    /// Takes what an earlier JSON report found for information only.
    fn baseline(&self, earlier: &str) -> PyResult<()> {
        let taken = self.report().baseline(earlier);
        taken.map_err(|error| usage("baseline", error.to_string()))
    }

    /// Leaves out the names of objects.
    fn redact(&self) {
        let mut report = self.report();
        let hidden = report.clone().redacted();
        *report = hidden;
    }

    /// The exit code when findings from this severity on count: `error`, `warning` or `info`.
    #[pyo3(signature = (least = "warning"))]
    fn exit_code(&self, least: &str) -> PyResult<u8> {
        let least = match least {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            "info" => Severity::Info,
            other => {
                return Err(usage(
                    "severity",
                    format!("{other:?} is no severity; known are error, warning and info"),
                ));
            }
        };
        Ok(self.report().exit_code_for(least))
    }

    /// Whether every live value opens, and what is missing where not, as JSON.
    fn drill(&self) -> PyResult<String> {
        let answer = serde_json::to_string(&self.report().drill());
        answer.map_err(|error| SnapshotError::new_err(("report", error.to_string())))
    }
}

impl Audit {
    fn table(&self) -> std::sync::MutexGuard<'_, DekTable> {
        self.deks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn audit(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<k8senc_audit::Report> {
        self.watched(py, progress, |options| {
            let config = self.config.as_deref();
            let deks = self.table();
            match &self.source {
                Source::File(file) => {
                    k8senc_audit::audit(file, config, &deks, options).map_err(Stop::from)
                }
                Source::Rows(rows) => {
                    let found = rows::pass(rows, |rows| {
                        k8senc_audit::audit_rows(rows, config, &deks, options)
                    });
                    Ok(found.map_err(Stop::Python)??)
                }
            }
        })
    }

    fn watched<T: Send>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(&Options<'_>) -> Result<T, Stop> + Send,
    ) -> PyResult<T> {
        let (result, interrupted) = watched(py, progress, |watch| {
            let mut options = Options::new(&NATIVE);
            options.threads = self.threads;
            options.hash = self.hash;
            options.examples = self.examples;
            options.etcd_prefix.clone_from(&self.etcd_prefix);
            options.config_name.clone_from(&self.config_name);
            options.also = self
                .also
                .iter()
                .map(|(name, config)| (name.clone(), &**config))
                .collect();
            options.logs = self
                .logs
                .iter()
                .map(|(name, source)| LogFile { name, source })
                .collect();
            options.max_key_age = self.max_key_age;
            options.progress = Some(watch.progress);
            options.cancel = Some(watch.cancel);
            work(&options)
        });
        match interrupted {
            Some(error) => Err(error),
            None => result.map_err(|stop| match stop {
                Stop::Audit(error) => raised(&error),
                Stop::Python(error) => error,
            }),
        }
    }
}

fn configs(given: Vec<(String, Py<Config>)>) -> Vec<(String, Arc<k8senc_config::Config>)> {
    let held = given.into_iter();
    held.map(|(name, config)| (name, config.get().0.clone()))
        .collect()
}

/// Why a pass ended early.
pub enum Stop {
    Audit(AuditError),
    /// What the source raised.
    Python(PyErr),
}

impl From<AuditError> for Stop {
    fn from(error: AuditError) -> Self {
        Self::Audit(error)
    }
}

pub fn raised(error: &AuditError) -> PyErr {
    if error.code() == "cancelled" {
        return PyKeyboardInterrupt::new_err(());
    }
    SnapshotError::new_err((error.code(), error.to_string()))
}

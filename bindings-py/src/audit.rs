//! The audit of a snapshot file, in steps that Python drives: survey, answers, report.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use k8senc::kms::{DekTable, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_audit::report::Severity;
use k8senc_audit::{AnySource, AuditError, Options};
use k8senc_backends::NATIVE;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::config::Config;
use crate::errors::{SnapshotError, usage};
use crate::input::Text;
use crate::kms::DekRequest;
use crate::watch::watched;

/// One snapshot file and what is known to read it with.
#[pyclass(module = "k8senc", frozen)]
pub struct Audit {
    source: AnySource,
    config: Option<Arc<k8senc_config::Config>>,
    deks: Mutex<DekTable>,
    threads: usize,
    hash: bool,
    examples: usize,
    etcd_prefix: Option<Vec<u8>>,
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
    #[pyo3(signature = (path, config = None, *, threads = 0, hash = true, examples = 3, etcd_prefix = None))]
    fn new(
        path: PathBuf,
        config: Option<&Config>,
        threads: usize,
        hash: bool,
        examples: usize,
        etcd_prefix: Option<Vec<u8>>,
    ) -> PyResult<Self> {
        Ok(Self {
            source: AnySource::open(&path).map_err(|error| raised(&error))?,
            config: config.map(|config| config.0.clone()),
            deks: Mutex::new(DekTable::with_backend(&NATIVE)),
            threads,
            hash,
            examples,
            etcd_prefix,
        })
    }

    /// The distinct KMS requests of the file, most needed first, and how many more there are than could be listed.
    #[pyo3(signature = (progress = None))]
    fn survey(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<(Vec<DekNeed>, u64)> {
        let Some(config) = &self.config else {
            return Ok((Vec::new(), 0));
        };
        let survey = self.watched(py, progress, |options| {
            k8senc_audit::dek_requests(&self.source, config, &self.table(), options)
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
        let report = self.watched(py, progress, |options| {
            k8senc_audit::audit(&self.source, self.config.as_deref(), &self.table(), options)
        })?;
        Ok(AuditReport(Mutex::new(report)))
    }

    /// Reads one file of a member's write-ahead log into a finished report: values, those in plaintext, and whether it is
    /// torn.
    fn add_log(
        &self,
        py: Python<'_>,
        finished: &AuditReport,
        path: PathBuf,
    ) -> PyResult<(u64, u64, bool)> {
        let name = path
            .file_name()
            .map_or_else(Vec::new, |name| name.as_encoded_bytes().to_vec());
        let source = AnySource::open(&path).map_err(|error| raised(&error))?;
        let read = self.watched(py, None, |options| {
            let mut report = finished.report();
            report.add_log(&source, &name, self.config.as_deref(), options)
        })?;
        Ok((read.values, read.exposed, read.torn))
    }

    /// The report as JSON, and the exit code of its verdict.
    #[pyo3(signature = (progress = None))]
    fn report(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<(String, u8)> {
        let report = self.watched(py, progress, |options| {
            k8senc_audit::audit(&self.source, self.config.as_deref(), &self.table(), options)
        })?;
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

    /// Adds findings where live values are not written as `RESOURCE=PROVIDER` demands.
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

    fn watched<T: Send>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(&Options<'_>) -> Result<T, AuditError> + Send,
    ) -> PyResult<T> {
        let (result, interrupted) = watched(py, progress, |watch| {
            let mut options = Options::new(&NATIVE);
            options.threads = self.threads;
            options.hash = self.hash;
            options.examples = self.examples;
            options.etcd_prefix.clone_from(&self.etcd_prefix);
            options.progress = Some(watch.progress);
            options.cancel = Some(watch.cancel);
            work(&options)
        });
        match interrupted {
            Some(error) => Err(error),
            None => result.map_err(|error| raised(&error)),
        }
    }
}

pub fn raised(error: &AuditError) -> PyErr {
    if error.code() == "cancelled" {
        return PyKeyboardInterrupt::new_err(());
    }
    SnapshotError::new_err((error.code(), error.to_string()))
}

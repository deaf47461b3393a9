//! The audit of a snapshot, over bytes that JavaScript reads.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etcd_store::{PageSource, Reach, SourceError};
use js_sys::{Function, Uint8Array};
use k8senc::crypto::PORTABLE;
use k8senc::kms::{DekTable, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_audit::{About, AuditError, Options, Report, ReportFormat};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::config::Config;
use crate::failure::Failure;
use crate::kms::DekRequest;
use crate::options::read;

thread_local! {
    /// The reader of the running pass. A source has to be `Sync`, which no JavaScript function is.
    static READER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Reads by calling JavaScript: `(offset, length) => Uint8Array`.
struct Script {
    len: u64,
}

impl PageSource for Script {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let (offset, length) = (
            JsValue::from_f64(off as f64),
            JsValue::from_f64(buf.len() as f64),
        );
        let answer = READER.with_borrow(|reader| {
            reader
                .as_ref()
                .map(|reader| reader.call2(&JsValue::UNDEFINED, &offset, &length))
        });
        let Some(Ok(bytes)) = answer else {
            return Err(SourceError::Other);
        };
        let bytes: Uint8Array = bytes.dyn_into().map_err(|_| SourceError::Other)?;
        if usize::try_from(bytes.length()) != Ok(buf.len()) {
            return Err(SourceError::Short);
        }
        bytes.copy_to(buf);
        Ok(())
    }

    /// A browser takes two milliseconds for a read of its `File`, whatever its length, and reads a megabyte in another.
    fn reach(&self) -> Reach {
        Reach {
            hold: 48 << 20,
            piece: 8 << 20,
            skip: 1 << 20,
        }
    }
}

/// One snapshot and what is known to read it with.
#[wasm_bindgen]
pub struct Audit {
    config: Option<Arc<k8senc_config::Config>>,
    deks: DekTable,
    options: AuditOptions,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct AuditOptions {
    hash: bool,
    examples: usize,
    etcd_prefix: Option<String>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            hash: true,
            examples: 3,
            etcd_prefix: None,
        }
    }
}

#[derive(Serialize)]
struct Survey {
    counts: Vec<Need>,
    beyond: u64,
}

#[derive(Serialize)]
struct Need {
    live: u64,
    history: u64,
}

/// What a KMS has to be asked.
#[wasm_bindgen]
pub struct Needs {
    requests: Vec<k8senc::kms::DekRequest>,
    counts: String,
}

#[wasm_bindgen]
impl Needs {
    /// How many values wait for each request, and how many requests are not listed.
    pub fn counts(&self) -> String {
        self.counts.clone()
    }

    /// The requests, most needed first; once.
    #[wasm_bindgen(js_name = takeRequests)]
    pub fn take_requests(&mut self) -> Vec<DekRequest> {
        core::mem::take(&mut self.requests)
            .into_iter()
            .map(DekRequest)
            .collect()
    }
}

/// The report, and the exit code of its verdict.
#[wasm_bindgen]
pub struct Outcome(Report);

#[wasm_bindgen]
impl Outcome {
    /// As JSON, by the schema of the audit's report.
    pub fn report(&self) -> String {
        json(&self.0)
    }

    /// 0 clean, 1 findings, 3 damaged, 4 partly undecidable.
    #[wasm_bindgen(js_name = exitCode)]
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code()
    }

    /// As `k8senc audit --format` writes it, about a file of this name; `redacted` is its `--redact-names`.
    ///
    /// # Errors
    /// A format that does not exist.
    pub fn write(
        &self,
        format: &str,
        name: &[u8],
        when: &str,
        redacted: bool,
    ) -> Result<String, Failure> {
        let known: ReportFormat = format.parse().map_err(|_| {
            let known = ReportFormat::ALL.map(ReportFormat::name).join(", ");
            let message = format!("{format:?} is no form of a report; known are {known}");
            Failure::usage("report-format", message)
        })?;
        let mut about = About::new(name);
        about.when = k8senc_audit::escape(when.as_bytes());
        let written = if redacted {
            self.0.clone().redacted().write(known, &about)
        } else {
            self.0.write(known, &about)
        };
        written.map_err(|error| Failure::usage("report", error.to_string()))
    }
}

/// What is needed of JavaScript for one pass.
#[wasm_bindgen]
pub struct Pass {
    len: u64,
    reader: Function,
    progress: Option<Function>,
    hash_key: [u8; 16],
}

#[wasm_bindgen]
impl Pass {
    /// `len` bytes that `reader` reads, `(offset, length) => Uint8Array`; `progress` is called with bytes done and bytes
    /// in all, and stops the pass by returning `false`. `random` is 16 fresh bytes against crafted names.
    ///
    /// # Errors
    /// Other than 16 random bytes, a length that is no whole number.
    #[wasm_bindgen(constructor)]
    pub fn new(
        len: f64,
        reader: Function,
        progress: Option<Function>,
        random: Vec<u8>,
    ) -> Result<Pass, Failure> {
        let hash_key = random
            .as_slice()
            .try_into()
            .map_err(|_| Failure::usage("random-too-short", "16 random bytes are needed"))?;
        if !(0.0..=9_007_199_254_740_991.0).contains(&len) || len.fract() != 0.0 {
            return Err(Failure::usage(
                "length",
                "the length of the file is no whole number",
            ));
        }
        Ok(Self {
            len: len as u64,
            reader,
            progress,
            hash_key,
        })
    }
}

thread_local! {
    static PROGRESS: RefCell<Option<Function>> = const { RefCell::new(None) };
}

impl Audit {
    fn run<T>(
        &self,
        pass: &Pass,
        work: impl FnOnce(&(dyn PageSource + Sync), &Options<'_>) -> Result<T, AuditError>,
    ) -> Result<T, Failure> {
        READER.set(Some(pass.reader.clone()));
        PROGRESS.set(pass.progress.clone());
        let cancel = AtomicBool::new(false);
        let tell = |done: u64, total: u64| {
            let (done, total) = (
                JsValue::from_f64(done as f64),
                JsValue::from_f64(total as f64),
            );
            let said = PROGRESS.with_borrow(|it| {
                it.as_ref()
                    .map(|it| it.call2(&JsValue::UNDEFINED, &done, &total))
            });
            // What throws wants no more either.
            if said.is_some_and(|said| said.is_err() || said.is_ok_and(|it| it == JsValue::FALSE)) {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        let mut options = Options::new(&PORTABLE);
        options.threads = 1;
        options.hash = self.options.hash;
        options.examples = self.options.examples;
        options.etcd_prefix = self
            .options
            .etcd_prefix
            .as_ref()
            .map(|it| it.clone().into_bytes());
        options.hash_key = Some(pass.hash_key);
        options.progress = Some(&tell);
        options.cancel = Some(&cancel);
        let source = Script { len: pass.len };
        let result = work(&source, &options);
        READER.set(None);
        PROGRESS.set(None);
        result.map_err(|error| Failure::snapshot(&error))
    }
}

#[wasm_bindgen]
impl Audit {
    /// With a configuration values are opened and judged, without one they are classified.
    ///
    /// # Errors
    /// Options that do not exist.
    #[wasm_bindgen(constructor)]
    pub fn new(config: Option<Config>, options: &str) -> Result<Audit, Failure> {
        Ok(Self {
            config: config.map(|it| it.0),
            deks: DekTable::with_backend(&PORTABLE),
            options: read(options)?,
        })
    }

    /// The distinct KMS requests of the file, most needed first.
    ///
    /// # Errors
    /// `SnapshotError`.
    pub fn survey(&self, pass: &Pass) -> Result<Needs, Failure> {
        let Some(config) = &self.config else {
            let counts = json(&Survey {
                counts: Vec::new(),
                beyond: 0,
            });
            return Ok(Needs {
                requests: Vec::new(),
                counts,
            });
        };
        let survey = self.run(pass, |source, options| {
            k8senc_audit::dek_requests(source, config, &self.deks, options)
        })?;
        let counts = survey.needs.iter().map(|need| Need {
            live: need.live,
            history: need.history,
        });
        let counts = json(&Survey {
            counts: counts.collect(),
            beyond: survey.beyond,
        });
        Ok(Needs {
            requests: survey.needs.into_iter().map(|need| need.request).collect(),
            counts,
        })
    }

    /// Puts in a plugin's answer.
    pub fn supply(&mut self, request: &DekRequest, dek: Vec<u8>) {
        self.deks.supply(&request.0, SecretBytes::new(dek));
    }

    /// Puts in a plugin's error.
    pub fn refuse(&mut self, request: &DekRequest, reason: String) {
        self.deks.refuse(&request.0, reason);
    }

    /// What Status of a KMS v2 provider reports.
    #[wasm_bindgen(js_name = setState)]
    pub fn set_state(&mut self, provider: &str, key_id: String, uses_seed: bool) {
        self.deks
            .set_state(provider, KmsState::Current { key_id, uses_seed });
    }

    /// One pass over the file.
    ///
    /// # Errors
    /// `SnapshotError`.
    pub fn report(&self, pass: &Pass) -> Result<Outcome, Failure> {
        let report = self.run(pass, |source, options| {
            k8senc_audit::audit(source, self.config.as_deref(), &self.deks, options)
        })?;
        Ok(Outcome(report))
    }
}

//! The providers of one resource, and opening stored values with them.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8senc::chain::{Answer, How, Staleness};
use k8senc::kms::{DekTable, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};

use crate::errors::{StoredValueError, stored_value};
use crate::input::Text;
use crate::judge::{self, Judged};
use crate::kms::{self, DekRequest};
use crate::seal;

/// What opens and judges the values of one resource, in kube-apiserver's order.
#[pyclass(module = "k8senc", frozen)]
pub struct Chain {
    chain: k8senc::chain::Chain,
    plugins: BTreeMap<String, Py<PyAny>>,
    deks: RwLock<Known>,
}

/// What plugins said so far.
pub struct Known {
    pub table: DekTable,
    states: BTreeMap<String, KmsState>,
}

/// Who opened a value.
pub struct Told {
    pub provider: &'static str,
    pub key: Option<String>,
    pub authenticated: bool,
}

impl Chain {
    /// A chain and the plugin objects that answer for its KMS providers, by name.
    pub fn new(chain: k8senc::chain::Chain, plugins: BTreeMap<String, Py<PyAny>>) -> Self {
        let table = DekTable::with_backend(&NATIVE);
        let deks = RwLock::new(Known {
            table,
            states: BTreeMap::new(),
        });
        Self {
            chain,
            plugins,
            deks,
        }
    }

    // No invariant spans a panic: the table only grows.
    pub fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.deks.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn learn(&self) -> RwLockWriteGuard<'_, Known> {
        self.deks.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Core's chain.
    pub const fn core(&self) -> &k8senc::chain::Chain {
        &self.chain
    }

    /// The plugin object that was given for a KMS provider.
    pub fn plugin(&self, name: &str) -> Option<&Py<PyAny>> {
        self.plugins.get(name)
    }

    /// What is said of a value that opened.
    pub fn tell(&self, how: &How) -> Told {
        let info = self.chain.describe(how.provider);
        let provider = info.map_or("identity", |info| info.kind);
        let key_name = how
            .key
            .and_then(|key| self.chain.key_name(how.provider, key));
        Told {
            provider,
            key: key_name
                .or(info.and_then(|info| info.name))
                .map(str::to_owned),
            authenticated: !how.unauthenticated && provider != "identity",
        }
    }

    /// Asks every plugin object for its state; they may change it between two values.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        for (name, plugin) in &self.plugins {
            let state = kms::state(plugin.bind(py))?;
            // The lock is never held while waiting for the GIL, nor the other way round.
            py.detach(|| {
                if self.known().states.get(name) != Some(&state) {
                    let mut known = self.learn();
                    known.table.set_state(name, state.clone());
                    known.states.insert(name.clone(), state);
                }
            });
        }
        Ok(())
    }

    fn open_asking(
        &self,
        py: Python<'_>,
        stored: &[u8],
        etcd_key: &[u8],
        refused: &mut Vec<k8senc::kms::DekRequest>,
    ) -> PyResult<Opened> {
        // Each round learns one more answer, and a value asks each KMS provider of the chain at most once.
        for _ in 0..=self.chain.len() {
            let answer = py.detach(|| self.chain.open(stored, etcd_key, &self.known().table));
            let request = match answer.map_err(|error| stored_value(&error))? {
                Answer::Opened(opened) => return self.opened(py, opened),
                Answer::Needs(request) => request,
            };
            let Some(plugin) = self.plugins.get(&request.provider) else {
                let name = &request.provider;
                return Err(dek_needed(format!(
                    "the value needs an answer of KMS provider {name:?}, for which no kms object was given"
                )));
            };
            match kms::unwrap(py, plugin.bind(py), &request)? {
                Ok(dek) => py.detach(|| self.learn().table.supply(&request, dek)),
                Err(reason) => {
                    py.detach(|| self.learn().table.refuse(&request, reason));
                    refused.push(request);
                }
            }
        }
        Err(dek_needed(
            "the value asks for more KMS answers than its chain has providers".to_owned(),
        ))
    }

    fn opened(&self, py: Python<'_>, opened: k8senc::chain::Opened) -> PyResult<Opened> {
        let how = opened.how;
        let told = self.tell(&how);
        let reasons: Vec<&str> = match &how.stale {
            Staleness::Stale(reasons) => reasons.codes().collect(),
            _ => Vec::new(),
        };
        Ok(Opened {
            stale: how.stale.as_bool(),
            reasons: PyTuple::new(py, reasons)?.unbind(),
            provider: told.provider,
            key: told.key,
            authenticated: told.authenticated,
            plaintext: opened.plaintext,
        })
    }
}

fn dek_needed(text: String) -> PyErr {
    StoredValueError::new_err(("dek-needed", text, None::<String>))
}

#[pymethods]
impl Chain {
    /// Opens a stored value as kube-apiserver does, asking the KMS objects where it must.
    fn open(&self, py: Python<'_>, stored: PyBackedBytes, etcd_key: Text) -> PyResult<Opened> {
        self.refresh(py)?;
        let mut refused = Vec::new();
        let result = self.open_asking(py, &stored, etcd_key.bytes(), &mut refused);
        if !refused.is_empty() {
            // What a plugin cannot do now it may do at the next call.
            py.detach(|| {
                let mut known = self.learn();
                refused
                    .iter()
                    .for_each(|request| known.table.forget(request));
            });
        }
        result
    }

    /// Judges many values in one call: no plaintext leaves, and each distinct DEK is asked for once.
    fn judge_many(
        &self,
        py: Python<'_>,
        values: Vec<(Text, PyBackedBytes)>,
    ) -> PyResult<Vec<Judged>> {
        self.refresh(py)?;
        judge::judge_many(py, self, &values)
    }

    /// Kind and KMS name of the provider that writes; None for a chain without any.
    #[getter]
    fn writer(&self) -> Option<(&'static str, Option<&str>)> {
        self.core().describe(0).map(|it| (it.kind, it.name))
    }

    /// Writes a value as kube-apiserver does, with random bytes of the operating system.
    #[pyo3(signature = (plaintext, etcd_key, state = None))]
    fn seal<'py>(
        &self,
        py: Python<'py>,
        plaintext: PyBackedBytes,
        etcd_key: Text,
        state: Option<&seal::KmsState>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        seal::seal_drawing(py, self, &plaintext, etcd_key.bytes(), state)
    }

    /// The distinct KMS requests that these values need and that are not answered yet.
    fn needs(&self, py: Python<'_>, values: Vec<PyBackedBytes>) -> Vec<DekRequest> {
        let requests = py.detach(|| {
            let known = self.known();
            self.chain
                .needs(values.iter().map(|value| &**value), &known.table)
        });
        requests.into_iter().map(DekRequest).collect()
    }

    /// Puts in the answer to a request; values that need it then open without asking.
    fn supply(&self, py: Python<'_>, request: &DekRequest, dek: PyBackedBytes) {
        let dek = SecretBytes::from_slice(&dek);
        py.detach(|| self.learn().table.supply(&request.0, dek));
    }

    fn __repr__(&self) -> String {
        format!("Chain({} providers)", self.chain.len())
    }
}

/// A value that opened. The plaintext leaves by `reveal` alone and is wiped when the object goes.
#[pyclass(module = "k8senc", frozen)]
pub struct Opened {
    /// Whether kube-apiserver would rewrite it; `None` when that depends on a KMS state that is not known.
    #[pyo3(get)]
    stale: Option<bool>,
    #[pyo3(get)]
    reasons: Py<PyTuple>,
    #[pyo3(get)]
    provider: &'static str,
    #[pyo3(get)]
    key: Option<String>,
    #[pyo3(get)]
    authenticated: bool,
    plaintext: k8senc::secret::Plaintext,
}

#[pymethods]
impl Opened {
    /// The plaintext, as a new bytes object that Python owns from then on.
    fn reveal<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.plaintext.reveal())
    }

    fn __len__(&self) -> usize {
        self.plaintext.len()
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        let stale = self
            .stale
            .map_or("None", |stale| if stale { "True" } else { "False" });
        format!(
            "Opened({} bytes, provider={:?}, stale={stale})",
            self.plaintext.len(),
            self.provider
        )
    }
}

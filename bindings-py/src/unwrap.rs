//! Encrypted DEKs and seeds taken apart, for those who unwrap them without the plugin that wrapped them.

use std::collections::BTreeMap;

use k8senc::Error;
use k8senc::kms::keyset::{
    Beside, ClusterLabel, LocalKek, Provenance, Record, RecoveryKey, SetKey, Wrap, WrapKey,
    WrapKind,
};
use k8senc::kms::plugins::{self, Payload, Stored, Wrapped};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::{stored_value, usage};
use crate::kms::DekRequest;

/// The seed, and what opening the record proved.
type Opened<'py> = (Bound<'py, PyBytes>, &'static str);

/// What the k8senc KMS plugin stores: one seed under several KEKs.
#[pyclass(module = "k8senc", frozen)]
pub struct KeysetRecord(k8senc::kms::DekRequest);

#[pymethods]
impl KeysetRecord {
    /// The record of a request, or None if it is none.
    #[staticmethod]
    fn of(request: &DekRequest) -> PyResult<Option<Self>> {
        if !Record::begins(&request.0.ciphertext) {
            return Ok(None);
        }
        let made = Self(request.0.clone());
        made.record()?;
        Ok(Some(made))
    }

    #[getter]
    fn has_mac(&self) -> PyResult<bool> {
        Ok(self.record()?.has_mac())
    }

    /// Slot, kind and wrap of each KEK.
    #[getter]
    fn wraps<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(u8, &'static str, Bound<'py, PyBytes>)>> {
        let record = self.record()?;
        let wraps = record.wraps().iter();
        Ok(wraps
            .map(|wrap| (wrap.slot, wrap.kind.name(), PyBytes::new(py, wrap.blob)))
            .collect())
    }

    /// What the wrap in `slot` is bound to in the cluster `label`.
    fn context(&self, slot: u8, label: &str) -> PyResult<String> {
        Ok(self.record()?.wrap_context(&label_of(label)?, slot))
    }

    /// Opens with what a KMS answered for the wrap in `slot`.
    #[pyo3(signature = (slot, answer, label, set_key = None))]
    fn open<'py>(
        &self,
        py: Python<'py>,
        slot: u8,
        answer: PyBackedBytes,
        label: &str,
        set_key: Option<PyBackedBytes>,
    ) -> PyResult<Opened<'py>> {
        let key = WrapKey::unwrapped(SecretBytes::from_slice(&answer));
        self.recover(py, label, set_key, |_, _| Ok(Some((slot, key))))
    }

    /// Opens with a local KEK; None if the record has no wrap of one.
    #[pyo3(signature = (kek, label, set_key = None))]
    fn open_locally<'py>(
        &self,
        py: Python<'py>,
        kek: PyBackedBytes,
        label: &str,
        set_key: Option<PyBackedBytes>,
    ) -> PyResult<Option<Opened<'py>>> {
        let kek = LocalKek::new(SecretBytes::from_slice(&kek)).map_err(|e| stored_value(&e))?;
        self.try_kind(py, WrapKind::Local, label, set_key, |wrap, context| {
            kek.unwrap(&NATIVE, wrap.blob, context)
        })
    }

    /// Opens with a recovery key, an X25519 private key; None if the record has no wrap for a recipient.
    #[pyo3(signature = (private, label, set_key = None))]
    fn open_offline<'py>(
        &self,
        py: Python<'py>,
        private: PyBackedBytes,
        label: &str,
        set_key: Option<PyBackedBytes>,
    ) -> PyResult<Option<Opened<'py>>> {
        let key = recovery_key(&private)?;
        self.try_kind(py, WrapKind::Hpke, label, set_key, |wrap, context| {
            key.unwrap(wrap.blob, context)
        })
    }

    fn __repr__(&self) -> String {
        format!("KeysetRecord({} bytes)", self.0.ciphertext.len())
    }
}

impl KeysetRecord {
    fn record(&self) -> PyResult<Record<'_>> {
        Record::try_from(self.0.ciphertext.as_slice()).map_err(|error| stored_value(&error))
    }

    /// The first wrap of this kind that `unwrap` unwraps.
    fn try_kind<'py>(
        &self,
        py: Python<'py>,
        kind: WrapKind,
        label: &str,
        set_key: Option<PyBackedBytes>,
        unwrap: impl Fn(&Wrap<'_>, &str) -> Result<WrapKey, Error> + Send + Sync,
    ) -> PyResult<Option<Opened<'py>>> {
        let record = self.record()?;
        if !record.wraps().iter().any(|wrap| wrap.kind == kind) {
            return Ok(None);
        }
        self.recover(py, label, set_key, |record, label| {
            let mut last = Err(Error::KeysetIntegrity);
            for wrap in record.wraps().iter().filter(|wrap| wrap.kind == kind) {
                last = unwrap(wrap, &record.wrap_context(label, wrap.slot));
                if let Ok(key) = last {
                    return Ok(Some((wrap.slot, key)));
                }
            }
            last.map(|_| None)
        })
        .map(Some)
    }

    fn recover<'py>(
        &self,
        py: Python<'py>,
        label: &str,
        set_key: Option<PyBackedBytes>,
        unwrapped: impl FnOnce(&Record<'_>, &ClusterLabel) -> Result<Option<(u8, WrapKey)>, Error>
        + Send,
    ) -> PyResult<Opened<'py>> {
        let (record, label) = (self.record()?, label_of(label)?);
        let set_key = set_key
            .map(|key| SetKey::new(SecretBytes::from_slice(&key)))
            .transpose()
            .map_err(|error| stored_value(&error))?;
        let beside = Beside {
            key_id: &self.0.key_id,
            label: &label,
            set_key: set_key.as_ref(),
        };
        let opened = py.detach(|| {
            let (slot, key) = unwrapped(&record, &label)?.ok_or(Error::KeysetIntegrity)?;
            record.recover(&NATIVE, slot, &key, &beside)
        });
        let opened = opened.map_err(|error| stored_value(&error))?;
        let proof = match opened.provenance {
            Provenance::SymmetricKek => "kek",
            Provenance::SetKey => "set-key",
            Provenance::Unproven => "nothing",
        };
        Ok((PyBytes::new(py, opened.seed.expose()), proof))
    }
}

fn label_of(label: &str) -> PyResult<ClusterLabel> {
    ClusterLabel::new(label).map_err(|error| usage("cluster-label", error.to_string()))
}

fn recovery_key(private: &[u8]) -> PyResult<RecoveryKey> {
    RecoveryKey::new(SecretBytes::from_slice(private)).map_err(|error| stored_value(&error))
}

/// The public key of a recovery key.
#[pyfunction]
pub fn recovery_public<'py>(
    py: Python<'py>,
    private: PyBackedBytes,
) -> PyResult<Bound<'py, PyBytes>> {
    let recipient = recovery_key(&private)?.recipient();
    let recipient = recipient.map_err(|error| stored_value(&error))?;
    Ok(PyBytes::new(py, recipient.public()))
}

/// An encrypted DEK or seed read as what one kind of plugin stores.
#[pyclass(module = "k8senc", frozen, get_all)]
pub struct WrappedDek {
    plugin: &'static str,
    authenticated: bool,
    /// What the bytes and the key_id say.
    facts: BTreeMap<&'static str, String>,
    /// Name and text of what has to be known besides.
    needs: Vec<(&'static str, &'static str)>,
    /// What the KMS is to decrypt, where one call to it does.
    #[pyo3(name = "to_kms")]
    to_kms: Option<Py<PyBytes>>,
}

impl WrappedDek {
    fn new(py: Python<'_>, wrapped: &Wrapped<'_>) -> Self {
        Self {
            plugin: wrapped.name(),
            authenticated: wrapped.is_authenticated(),
            facts: wrapped.facts().into_iter().collect(),
            needs: wrapped
                .needs()
                .iter()
                .map(|need| (need.name(), need.text()))
                .collect(),
            to_kms: wrapped
                .to_kms()
                .map(|bytes| PyBytes::new(py, &bytes).unbind()),
        }
    }
}

/// Everything that the ciphertext of a request can be read as, the likeliest first. The lines of trousseau stand behind it,
/// each as what its provider wrote.
#[pyfunction]
pub fn recognise(py: Python<'_>, request: &DekRequest) -> Vec<WrappedDek> {
    let stored = Stored::from(&request.0);
    let mut found = Vec::new();
    for wrapped in plugins::recognise(&stored) {
        found.push(WrappedDek::new(py, &wrapped));
        let Wrapped::Trousseau(lines) = &wrapped else {
            continue;
        };
        for line in lines {
            let inner: &[u8] = match &line.payload {
                Payload::Transit(bytes) | Payload::Aws(bytes) => bytes,
                Payload::Azure(text) => text.as_bytes(),
                _ => continue,
            };
            let inner = plugins::recognise(&Stored::bare(inner));
            found.extend(inner.iter().map(|wrapped| WrappedDek::new(py, wrapped)));
        }
    }
    found
}

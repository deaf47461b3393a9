//! Writing stored values: random bytes come from the operating system.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use k8senc::Error;
use k8senc::chain::WriteKey;
use k8senc::kms::state::SEED_LEN;
use k8senc::kms::{EncryptAnswer, RotationFailure, WriteSource};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use zeroize::Zeroizing;

use crate::chain::Chain;
use crate::errors::{stored_value, usage};
use crate::input::Text;

/// The most random bytes that any format draws.
const MOST_RANDOM: usize = 44;
const DEK_LEN: usize = 32;

/// What a KMS v2 provider writes with until the KEK changes: a seed, and what the plugin made of it.
#[pyclass(module = "k8senc", frozen)]
pub struct KmsState(Mutex<WriteSource>);

#[pymethods]
impl KmsState {
    /// From a seed of 32 bytes or more and what the plugin's Encrypt answered for it.
    #[new]
    fn new(seed: PyBackedBytes, sealed: &Bound<'_, PyAny>) -> PyResult<Self> {
        let answer = answer(sealed)?;
        let seed = SecretBytes::from_slice(&seed);
        let source = WriteSource::seed(&NATIVE, &seed, answer);
        source.map(Self::of).map_err(|error| stored_value(&error))
    }

    /// Draws a seed and has the plugin encrypt it, as kube-apiserver does at its start and when the key_id changes.
    #[staticmethod]
    fn create(py: Python<'_>, kms: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut seed = Zeroizing::new([0u8; SEED_LEN]);
        draw(&mut *seed)?;
        let answer = encrypt(py, kms, &*seed)?;
        let current: Option<String> = match kms.getattr_opt("key_id")? {
            Some(key_id) => key_id.extract()?,
            None => None,
        };
        if let Some(current) = current.filter(|current| *current != answer.key_id) {
            return Err(stored_value(&Error::KmsRotation(Box::new(
                RotationFailure {
                    uid: String::new(),
                    uses_seed: true,
                    cause: None,
                    status_key_id: k8senc::kms::contract::key_id_hash(&current),
                    encrypt_key_id: k8senc::kms::contract::key_id_hash(&answer.key_id),
                    state_key_id: String::new(),
                    expires: None,
                },
            ))));
        }
        let source = WriteSource::seed(&NATIVE, &SecretBytes::from_slice(&*seed), answer);
        source.map(Self::of).map_err(|error| stored_value(&error))
    }

    /// Which KEK the plugin used.
    #[getter]
    fn key_id(&self) -> String {
        self.with(|source| source.answer().key_id.clone())
    }

    /// What the plugin made of the seed; it stands in every value.
    #[getter]
    fn encrypted_seed<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = self.with(|source| source.answer().ciphertext.clone());
        PyBytes::new(py, &bytes)
    }

    /// What the plugin wants back at Decrypt.
    #[getter]
    fn annotations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = self.with(|source| source.answer().annotations.clone());
        crate::kms::annotations(py, found.iter().map(|(k, v)| (k.as_str(), v.as_slice())))
    }

    fn __repr__(&self) -> String {
        format!("KmsState(key_id={:?}, redacted)", self.key_id())
    }
}

impl KmsState {
    fn of(source: WriteSource) -> Self {
        Self(Mutex::new(source))
    }

    // No invariant spans a panic: the counter was counted up before anything was sealed.
    fn with<T>(&self, work: impl FnOnce(&mut WriteSource) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Key form, as kube-apiserver 1.27 and 1.28 wrote. For the vectors: a counter that goes back gives plaintexts away.
#[pyfunction]
pub fn _key_form(
    dek: PyBackedBytes,
    counter: u64,
    sealed: &Bound<'_, PyAny>,
) -> PyResult<KmsState> {
    let dek = SecretBytes::from_slice(&dek);
    let source = WriteSource::key(&NATIVE, &dek, counter, answer(sealed)?);
    source
        .map(KmsState::of)
        .map_err(|error| stored_value(&error))
}

/// `Chain.seal` with given random bytes. For the vectors: random bytes used twice give keys or plaintexts away.
#[pyfunction]
#[pyo3(signature = (chain, plaintext, etcd_key, random, *, encrypted_dek = None, state = None))]
pub fn _seal_with_random<'py>(
    py: Python<'py>,
    chain: &Chain,
    plaintext: PyBackedBytes,
    etcd_key: Text,
    random: PyBackedBytes,
    encrypted_dek: Option<PyBackedBytes>,
    state: Option<&KmsState>,
) -> PyResult<Bound<'py, PyBytes>> {
    let key = match (&encrypted_dek, state) {
        (Some(encrypted_dek), _) => Key::V1(encrypted_dek),
        (None, Some(state)) => Key::V2(state),
        (None, None) => Key::None,
    };
    seal(py, chain, &plaintext, etcd_key.bytes(), &random, key)
}

/// What stands behind `WriteKey`, whose KMS v2 form borrows what a lock holds.
enum Key<'a> {
    None,
    V1(&'a [u8]),
    V2(&'a KmsState),
}

fn seal<'py>(
    py: Python<'py>,
    chain: &Chain,
    plaintext: &[u8],
    etcd_key: &[u8],
    random: &[u8],
    key: Key<'_>,
) -> PyResult<Bound<'py, PyBytes>> {
    let sealed = py.detach(|| {
        let seal = |key: WriteKey<'_>| chain.core().seal(plaintext, etcd_key, random, key);
        match key {
            Key::None => seal(WriteKey::None),
            Key::V1(encrypted_dek) => seal(WriteKey::KmsV1 { encrypted_dek }),
            Key::V2(state) => state.with(|source| seal(WriteKey::KmsV2(source))),
        }
    });
    let sealed = sealed.map_err(|error| stored_value(&error))?;
    Ok(PyBytes::new(py, &sealed))
}

/// `Chain.seal`.
pub fn seal_drawing<'py>(
    py: Python<'py>,
    chain: &Chain,
    plaintext: &[u8],
    etcd_key: &[u8],
    state: Option<&KmsState>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut random = Zeroizing::new([0u8; MOST_RANDOM]);
    draw(&mut *random)?;
    let writer = chain.core().describe(0);
    let name = writer.and_then(|it| it.name).unwrap_or_default();
    match (writer.map(|it| it.kind), state) {
        (Some("kms-v2"), Some(state)) => {
            seal(py, chain, plaintext, etcd_key, &*random, Key::V2(state))
        }
        (Some("kms-v2"), None) => Err(usage(
            "kms-state",
            format!("KMS v2 provider {name:?} writes: give state=KmsState.create(...)"),
        )),
        (kind, Some(_)) => Err(usage(
            "kms-state",
            format!(
                "a KmsState is for KMS v2, but {} writes",
                kind.unwrap_or("nothing")
            ),
        )),
        (Some("kms-v1"), None) => {
            let Some(plugin) = chain.plugin(name) else {
                return Err(usage(
                    "kms-object",
                    format!("KMS v1 provider {name:?} writes, for which no kms object was given"),
                ));
            };
            let dek = random.get(..DEK_LEN).unwrap_or_default();
            let answer = encrypt(py, plugin.bind(py), dek)?;
            seal(
                py,
                chain,
                plaintext,
                etcd_key,
                &*random,
                Key::V1(&answer.ciphertext),
            )
        }
        (_, None) => seal(py, chain, plaintext, etcd_key, &*random, Key::None),
    }
}

fn draw(into: &mut [u8]) -> PyResult<()> {
    getrandom::fill(into).map_err(|error| {
        usage(
            "random",
            format!("the operating system gives no random bytes: {error}"),
        )
    })
}

/// Asks the plugin object to encrypt. What it raises is raised.
fn encrypt(py: Python<'_>, kms: &Bound<'_, PyAny>, plaintext: &[u8]) -> PyResult<EncryptAnswer> {
    let Some(method) = kms.getattr_opt("encrypt")? else {
        return Err(usage(
            "kms-encrypt",
            "the kms object has no method encrypt, so nothing can be written with it".to_owned(),
        ));
    };
    answer(&method.call1((PyBytes::new(py, plaintext),))?)
}

/// Reads a `Sealed`, or anything with its attributes.
fn answer(sealed: &Bound<'_, PyAny>) -> PyResult<EncryptAnswer> {
    let ciphertext: PyBackedBytes = sealed.getattr("ciphertext")?.extract()?;
    let annotations: BTreeMap<String, PyBackedBytes> = sealed.getattr("annotations")?.extract()?;
    Ok(EncryptAnswer {
        ciphertext: ciphertext.to_vec(),
        key_id: sealed.getattr("key_id")?.extract()?,
        annotations: annotations
            .into_iter()
            .map(|(name, value)| (name, value.to_vec()))
            .collect(),
    })
}

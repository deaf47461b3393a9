//! KMS plugins as Python objects, and the toy one that the sample snapshot needs.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8senc::crypto::Backend;
use k8senc::kms::{KmsApi, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_backends::NATIVE;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::usage;

/// One question to a KMS plugin: what is the DEK or seed inside this ciphertext?
#[pyclass(module = "k8senc", frozen, eq)]
#[derive(Clone, PartialEq, Eq)]
pub struct DekRequest(pub k8senc::kms::DekRequest);

#[pymethods]
impl DekRequest {
    #[getter]
    fn api_version(&self) -> &'static str {
        match self.0.api {
            KmsApi::V1 => "v1",
            KmsApi::V2 => "v2",
        }
    }

    #[getter]
    fn provider(&self) -> &str {
        &self.0.provider
    }

    #[getter]
    fn ciphertext<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.ciphertext)
    }

    #[getter]
    fn key_id(&self) -> &str {
        &self.0.key_id
    }

    #[getter]
    fn annotations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        annotations(
            py,
            self.0
                .annotations
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_slice())),
        )
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let it = &self.0;
        (&it.provider, &it.ciphertext, &it.key_id, &it.annotations).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let (version, bytes) = (self.api_version(), self.0.ciphertext.len());
        format!(
            "DekRequest({version}, provider={:?}, key_id={:?}, {bytes} bytes)",
            self.0.provider, self.0.key_id
        )
    }
}

/// Annotations as a new `dict[str, bytes]`.
pub fn annotations<'py, 'a>(
    py: Python<'py>,
    pairs: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in pairs {
        dict.set_item(name, PyBytes::new(py, value))?;
    }
    Ok(dict)
}

/// What the plugin object says of itself: `key_id` and `uses_seed`, both optional, and `never_healthy` for a server
/// whose plugin has not answered since it started.
pub fn state(object: &Bound<'_, PyAny>) -> PyResult<KmsState> {
    if object
        .getattr_opt("never_healthy")?
        .is_some_and(|it| it.is_truthy().unwrap_or(false))
    {
        return Ok(KmsState::NeverHealthy);
    }
    let key_id: Option<String> = match object.getattr_opt("key_id")? {
        Some(value) => value.extract()?,
        None => None,
    };
    let uses_seed = match object.getattr_opt("uses_seed")? {
        Some(value) => value.is_truthy()?,
        None => true,
    };
    Ok(
        key_id.map_or(KmsState::Unknown, |key_id| KmsState::Current {
            key_id,
            uses_seed,
        }),
    )
}

/// Asks the plugin object. `Err` in the `Ok` is a refusal with the exception's text; `Err` outside is for the caller,
/// such as an interrupt.
pub fn unwrap(
    py: Python<'_>,
    object: &Bound<'_, PyAny>,
    request: &k8senc::kms::DekRequest,
) -> PyResult<Result<SecretBytes, String>> {
    let asked = DekRequest(request.clone());
    let answer = object
        .call_method1("unwrap", (asked,))
        .and_then(|answer| answer.extract::<PyBackedBytes>().map_err(Into::into));
    match answer {
        Ok(dek) => Ok(Ok(SecretBytes::from_slice(&dek))),
        // Interrupts and exits are no answers of a plugin.
        Err(error) if !error.is_instance_of::<pyo3::exceptions::PyException>(py) => Err(error),
        Err(error) => Ok(Err(error.value(py).str()?.to_string_lossy().into_owned())),
    }
}

/// Toy KEKs in memory, for the sample snapshot and for tests. An encrypted DEK is nonce (12 bytes), AES-256-GCM
/// ciphertext and tag (16 bytes) without additional data, under the KEK that `key_id` names (KMS v2) or under any (v1).
#[pyclass(module = "k8senc", frozen)]
pub struct LocalKek {
    keks: BTreeMap<String, SecretBytes>,
    #[pyo3(get)]
    key_id: Option<String>,
    #[pyo3(get)]
    uses_seed: bool,
}

const NONCE: usize = 12;
const TAG: usize = 16;

#[pymethods]
impl LocalKek {
    #[new]
    #[pyo3(signature = (keks, *, key_id = None, uses_seed = true))]
    fn new(
        keks: BTreeMap<String, PyBackedBytes>,
        key_id: Option<String>,
        uses_seed: bool,
    ) -> PyResult<Self> {
        let sized = keks.into_iter().map(|(name, kek)| {
            let found = kek.len();
            if found == 32 {
                Ok((name, SecretBytes::from_slice(&kek)))
            } else {
                Err(usage(
                    "kek-size",
                    format!("KEK {name:?} has {found} bytes, 32 are needed"),
                ))
            }
        });
        Ok(Self {
            keks: sized.collect::<PyResult<_>>()?,
            key_id,
            uses_seed,
        })
    }

    /// Asking costs nothing and needs no pacing.
    #[getter]
    fn remote(&self) -> bool {
        false
    }

    /// The DEK or seed of a request.
    #[pyo3(signature = (request, /))]
    fn unwrap<'py>(&self, py: Python<'py>, request: &DekRequest) -> PyResult<Bound<'py, PyBytes>> {
        let request = &request.0;
        match py.detach(|| self.open(request)) {
            Some(dek) => Ok(PyBytes::new(py, dek.expose())),
            None if request.api == KmsApi::V2 && !self.keks.contains_key(&request.key_id) => {
                Err(usage(
                    "kek-unknown",
                    format!("there is no local KEK {:?}", request.key_id),
                ))
            }
            None => Err(usage(
                "kek-refused",
                "no local KEK opens this encrypted DEK".to_owned(),
            )),
        }
    }

    /// Encrypts a DEK or seed under the KEK that `key_id` names, or under the only one.
    #[pyo3(signature = (plaintext, /))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        plaintext: PyBackedBytes,
    ) -> PyResult<Bound<'py, PyAny>> {
        let current = match &self.key_id {
            Some(name) => self.keks.get_key_value(name),
            None if self.keks.len() == 1 => self.keks.first_key_value(),
            None => None,
        };
        let Some((name, kek)) = current else {
            return Err(usage(
                "kek-unknown",
                "key_id names no local KEK, so there is none to encrypt with".to_owned(),
            ));
        };
        let mut nonce = [0u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| {
            usage(
                "random",
                format!("the operating system gives no random bytes: {error}"),
            )
        })?;
        let sealed = py.detach(|| {
            let kek: &[u8; 32] = kek.expose().try_into().ok()?;
            let mut out =
                Vec::with_capacity(NONCE.saturating_add(plaintext.len()).saturating_add(TAG));
            out.extend_from_slice(&nonce);
            out.resize(NONCE.saturating_add(plaintext.len()), 0);
            let sealed = out.get_mut(NONCE..)?;
            let tag = NATIVE.gcm256_seal_once(kek, &nonce, &[], &plaintext, sealed);
            out.extend_from_slice(&tag);
            Some(out)
        });
        let sealed = PyBytes::new(py, &sealed.unwrap_or_default());
        let answer = py.import("k8senc.kms_client")?.getattr("Sealed")?;
        answer.call1((sealed, name, PyDict::new(py)))
    }

    fn __repr__(&self) -> String {
        format!("LocalKek({} keys, redacted)", self.keks.len())
    }
}

impl LocalKek {
    fn open(&self, request: &k8senc::kms::DekRequest) -> Option<SecretBytes> {
        let (nonce, rest) = request.ciphertext.split_first_chunk::<NONCE>()?;
        let (body, tag) = rest.split_last_chunk::<TAG>()?;
        let fits = |name: &String| request.api == KmsApi::V1 || *name == request.key_id;
        self.keks
            .iter()
            .filter(|(name, _)| fits(name))
            .find_map(|(_, kek)| {
                let kek: &[u8; 32] = kek.expose().try_into().ok()?;
                let mut dek = zeroize::Zeroizing::new(vec![0; body.len()]);
                NATIVE
                    .gcm256_open_once(kek, nonce, &[], body, tag, &mut dek)
                    .ok()?;
                Some(SecretBytes::from_slice(&dek))
            })
    }
}

//! EncryptionConfigurations.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8senc_backends::NATIVE;
use k8senc_config::{GroupResource, KmsVersion};
use pyo3::prelude::*;

use crate::chain::Chain;
use crate::errors;
use crate::input::Text;

/// A configuration that kube-apiserver loads.
#[pyclass(module = "k8senc", frozen)]
pub struct Config(pub Arc<k8senc_config::Config>);

#[pymethods]
impl Config {
    /// Reads an EncryptionConfiguration, YAML or JSON. KMS v1 blocks are taken, whatever their feature gate says.
    #[staticmethod]
    fn parse(py: Python<'_>, text: Text) -> PyResult<Self> {
        match py.detach(|| k8senc_config::Config::parse(text.bytes())) {
            Ok(config) => Ok(Self(Arc::new(config))),
            Err(refused) => Err(errors::config(py, text.bytes(), &refused)),
        }
    }

    /// The providers of a resource such as `secrets` or `deployments.apps`, picked as kube-apiserver picks them.
    #[pyo3(signature = (resource, kms = None))]
    fn chain(&self, resource: &str, kms: Option<BTreeMap<String, Py<PyAny>>>) -> PyResult<Chain> {
        let chain = self.0.chain(&GroupResource::parse(resource), &NATIVE);
        let chain = chain.map_err(|error| errors::stored_value(&error))?;
        Ok(Chain::new(chain, kms.unwrap_or_default()))
    }

    /// The names of the KMS providers with their API version, in file order.
    #[getter]
    fn kms_providers(&self) -> Vec<(String, &'static str)> {
        let blocks = self.0.kms_blocks();
        let named = blocks.map(|block| (block.name.clone(), api(block.version)));
        named.collect()
    }

    /// What kube-apiserver reports as the hash of the file.
    #[getter]
    fn content_hash(&self) -> String {
        self.0.content_hash().to_owned()
    }

    fn __repr__(&self) -> String {
        format!("Config({} entries)", self.0.entries().len())
    }
}

fn api(version: KmsVersion) -> &'static str {
    match version {
        KmsVersion::V1 => "v1",
        KmsVersion::V2 => "v2",
    }
}

//! From a configuration to core's chains: the only way to make one from a file.

use k8senc::chain::{Chain, NamedKey, ProviderSpec};
use k8senc::crypto::Backend;
use k8senc::secret::SecretBytes;

use crate::config::{Config, KmsVersion, Provider};
use crate::resource::GroupResource;

impl Config {
    /// The chain that kube-apiserver uses for a resource of storage, such as `secrets` or `deployments.apps`: that of
    /// the exact name, else of `*` in its group, else of `*.*`, else bare identity. Entries with one name are merged.
    ///
    /// # Errors
    /// None for a configuration that was parsed: its keys have the sizes their ciphers take.
    pub fn chain(
        &self,
        resource: &GroupResource,
        backend: &'static dyn Backend,
    ) -> Result<Chain, k8senc::Error> {
        let found = self.matching(resource);
        if found.rule.is_none() {
            return Ok(Chain::bare_identity());
        }
        Chain::new(
            found.providers.into_iter().map(Provider::spec).collect(),
            backend,
        )
    }
}

impl Provider {
    /// The provider as core wants it, with a copy of its keys.
    #[must_use]
    pub fn spec(&self) -> ProviderSpec {
        let keys = |keys: &[crate::NamedKey]| {
            let copy = |key: &crate::NamedKey| NamedKey {
                name: key.name.clone(),
                secret: SecretBytes::from_slice(key.secret()),
            };
            keys.iter().map(copy).collect()
        };
        match self {
            Self::Identity => ProviderSpec::Identity,
            Self::Aescbc(list) => ProviderSpec::AesCbc(keys(list)),
            Self::Aesgcm(list) => ProviderSpec::AesGcm(keys(list)),
            Self::Secretbox(list) => ProviderSpec::Secretbox(keys(list)),
            Self::Kms(block) => {
                let name = block.name.clone();
                match block.version {
                    KmsVersion::V1 => ProviderSpec::KmsV1 { name },
                    KmsVersion::V2 => ProviderSpec::KmsV2 { name },
                }
            }
        }
    }
}

//! The chain of each rule of a configuration, and which of them takes a resource.

use etcd_store::{HashKey, NameHash};
use k8s_object::EtcdName;
use k8senc::chain::{Chain, ProviderSpec};
use k8senc_config::{Config, GroupResource, Provider};

use crate::{AuditError, Options};

/// One chain for each rule, and bare identity for what no rule takes.
pub(crate) struct Chains<'c> {
    config: &'c Config,
    rules: Vec<(GroupResource, Rule)>,
    unmatched: Rule,
}

/// How values of the resources under one rule are read.
pub(crate) struct Rule {
    pub name: Option<String>,
    pub chain: Chain,
    /// Whether one of the providers encrypts.
    pub covered: bool,
    /// A keyed hash of each local key, by provider: the same secret under two names or rules is one key.
    secrets: Vec<Vec<NameHash>>,
}

impl<'c> Chains<'c> {
    pub(crate) fn new(
        config: &'c Config,
        options: &Options<'_>,
        hash_key: &HashKey,
    ) -> Result<Self, AuditError> {
        let rules = config.rules().map(|(name, providers)| {
            let rule = Rule::new(Some(name.to_string()), &providers, options, hash_key)?;
            Ok((name.clone(), rule))
        });
        Ok(Self {
            config,
            rules: rules.collect::<Result<_, AuditError>>()?,
            unmatched: Rule::new(None, &[], options, hash_key)?,
        })
    }

    /// The rule that takes a resource, as kube-apiserver picks it.
    pub(crate) fn of(&self, name: &EtcdName<'_>) -> &Rule {
        let group = name.group.unwrap_or_default().to_owned();
        // Without a REST API a resource cannot be named: only wildcards reach it.
        let resource = if name.has_api { name.resource } else { "*" }.to_owned();
        let rule = self
            .config
            .matching(&GroupResource { group, resource })
            .rule;
        rule.and_then(|rule| self.rules.iter().find(|(name, _)| *name == rule))
            .map_or(&self.unmatched, |(_, rule)| rule)
    }
}

impl Rule {
    fn new(
        name: Option<String>,
        providers: &[&Provider],
        options: &Options<'_>,
        hash_key: &HashKey,
    ) -> Result<Self, AuditError> {
        let specs: Vec<ProviderSpec> = providers.iter().map(|p| p.spec()).collect();
        let chain = if specs.is_empty() {
            Ok(Chain::bare_identity())
        } else {
            Chain::new(specs, options.backend)
        };
        Ok(Self {
            name,
            chain: chain.map_err(AuditError::Configuration)?,
            covered: providers.iter().any(|p| !matches!(p, Provider::Identity)),
            secrets: providers
                .iter()
                .map(|provider| match provider {
                    Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys) => {
                        keys.iter().map(|k| hash_key.hash(k.secret())).collect()
                    }
                    _ => Vec::new(),
                })
                .collect(),
        })
    }

    /// What stands for the secret of a local key.
    pub(crate) fn secret_at(&self, provider: usize, key: Option<usize>) -> Option<NameHash> {
        self.secrets.get(provider)?.get(key?).copied()
    }

    /// The key, or KMS provider, at a place of the chain.
    pub(crate) fn name_at(&self, provider: usize, key: Option<usize>) -> Option<&str> {
        key.and_then(|k| self.chain.key_name(provider, k))
            .or_else(|| self.chain.describe(provider)?.name)
    }
}

//! A configuration that loads, what it does to each resource, and how it differs from another.

use std::sync::Arc;

use k8senc::crypto::PORTABLE;
use k8senc_config::{
    Config as Inner, GroupResource, KmsVersion, Match, NamedKey, Provider, Reason,
};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::json;
use crate::chain::Chain;
use crate::failure::Failure;
use crate::options::{ServerOptions, read, version};

/// An EncryptionConfiguration. Its keys are wiped when it is freed.
#[wasm_bindgen]
pub struct Config(pub(crate) Arc<Inner>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    content_hash: String,
    entries: Vec<EntryAnswer>,
    kms: Vec<KmsAnswer>,
    health_checks: Vec<String>,
    health_checks_with_reload: Vec<String>,
    grace_period: String,
}

#[derive(Serialize)]
struct EntryAnswer {
    resources: Vec<String>,
    providers: Vec<ProviderAnswer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderAnswer {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeyAnswer>,
}

#[derive(Serialize)]
struct KeyAnswer {
    name: String,
    bytes: usize,
    fingerprint: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KmsAnswer {
    name: String,
    api_version: &'static str,
    entry: usize,
    provider: usize,
    endpoint: String,
    socket: String,
    timeout_nanos: i64,
    cache_size: Option<i32>,
}

const fn api(version: KmsVersion) -> &'static str {
    match version {
        KmsVersion::V1 => "v1",
        KmsVersion::V2 => "v2",
    }
}

impl ProviderAnswer {
    fn new(provider: &Provider) -> Self {
        let key = |key: &NamedKey| KeyAnswer {
            name: key.name.clone(),
            bytes: key.secret().len(),
            fingerprint: key.fingerprint().map(|it| it.to_string()),
        };
        let (keys, block) = match provider {
            Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys) => {
                (keys.iter().map(key).collect(), None)
            }
            Provider::Kms(block) => (Vec::new(), Some(block)),
            _ => (Vec::new(), None),
        };
        Self {
            kind: provider.kind(),
            name: block.map(|block| block.name.clone()),
            api_version: block.map(|block| api(block.version)),
            keys,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchAnswer {
    resource: String,
    reason: &'static str,
    rule: Option<String>,
    entries: Vec<usize>,
    encrypts: bool,
    providers: Vec<ProviderAnswer>,
}

impl MatchAnswer {
    fn new(resource: String, found: &Match<'_>) -> Self {
        let first = found.providers.first();
        Self {
            resource,
            reason: match found.reason {
                Reason::Exact => "exact",
                Reason::Group => "group",
                Reason::All => "all",
                Reason::Unmatched => "unmatched",
            },
            rule: found.rule.as_ref().map(ToString::to_string),
            entries: found.entries.clone(),
            encrypts: first.is_some_and(|it| !matches!(it, Provider::Identity)),
            providers: found
                .providers
                .iter()
                .map(|it| ProviderAnswer::new(it))
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct Effective {
    resources: Vec<MatchAnswer>,
    rules: Vec<RuleAnswer>,
    unreached: Vec<UnreachedAnswer>,
}

#[derive(Serialize)]
struct RuleAnswer {
    rule: String,
    providers: Vec<ProviderAnswer>,
}

#[derive(Serialize)]
struct UnreachedAnswer {
    entry: usize,
    name: String,
    meant: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureModeAnswer {
    rule: String,
    kms: String,
    moment: &'static str,
    text: &'static str,
    writes: &'static str,
    known_reads: &'static str,
    other_reads: &'static str,
}

const fn outcome(outcome: k8senc_config::Outcome) -> &'static str {
    match outcome {
        k8senc_config::Outcome::Works => "works",
        k8senc_config::Outcome::ForThreeMinutes => "for-three-minutes",
        k8senc_config::Outcome::Fails => "fails",
    }
}

const fn moment(moment: k8senc_config::Moment) -> &'static str {
    match moment {
        k8senc_config::Moment::OneMinute => "one-minute",
        k8senc_config::Moment::FourMinutes => "four-minutes",
        k8senc_config::Moment::Reload => "reload",
        k8senc_config::Moment::Restart => "restart",
    }
}

#[wasm_bindgen]
impl Config {
    /// Reads the text as the given kube-apiserver does; KMS v1 blocks are taken unless the options say otherwise.
    ///
    /// # Errors
    /// `ConfigError` when that server refuses it.
    pub fn parse(text: Vec<u8>, options: &str) -> Result<Self, Failure> {
        let mut options = read::<ServerOptions>(options)?.server()?;
        options.kmsv1 = Some(options.kmsv1.unwrap_or(true));
        match Inner::parse_as(&text, &options) {
            Ok(config) => Ok(Self(Arc::new(config))),
            Err(error) => Err(Failure::config(&text, &error)),
        }
    }

    /// Entries, providers, key names and fingerprints; no key.
    pub fn summary(&self) -> String {
        let entries = self.0.entries().iter().map(|entry| EntryAnswer {
            resources: entry.resources.iter().map(ToString::to_string).collect(),
            providers: entry.providers.iter().map(ProviderAnswer::new).collect(),
        });
        let kms = self.0.kms_blocks().map(|block| KmsAnswer {
            name: block.name.clone(),
            api_version: api(block.version),
            entry: block.entry,
            provider: block.provider,
            endpoint: block.endpoint.clone(),
            socket: block.socket.clone(),
            timeout_nanos: block.timeout_nanos,
            cache_size: block.cache_size,
        });
        json(&Summary {
            content_hash: self.0.content_hash().to_owned(),
            entries: entries.collect(),
            kms: kms.collect(),
            health_checks: self.0.health_checks(false),
            health_checks_with_reload: self.0.health_checks(true),
            grace_period: self.0.grace_period(),
        })
    }

    /// Every built-in resource of a release with its chain, every rule, and the names that reach nothing.
    ///
    /// # Errors
    /// A release that does not exist.
    pub fn effective(&self, release: Option<String>) -> Result<String, Failure> {
        let release = version(release.as_deref())?;
        let resources = self
            .0
            .coverage(release)
            .map(|row| MatchAnswer::new(row.resource.name(), &row.found));
        let rules = self.0.rules().map(|(rule, providers)| RuleAnswer {
            rule: rule.to_string(),
            providers: providers.into_iter().map(ProviderAnswer::new).collect(),
        });
        let unreached = self
            .0
            .unreached(release)
            .into_iter()
            .map(|it| UnreachedAnswer {
                entry: it.entry,
                name: it.name,
                meant: it.meant,
            });
        Ok(json(&Effective {
            resources: resources.collect(),
            rules: rules.collect(),
            unreached: unreached.collect(),
        }))
    }

    /// The chain of one resource, custom ones too.
    pub fn matching(&self, resource: &str) -> String {
        let found = self.0.matching(&GroupResource::parse(resource));
        json(&MatchAnswer::new(resource.to_owned(), &found))
    }

    /// What reads and writes do while each KMS is down.
    #[wasm_bindgen(js_name = failureModes)]
    pub fn failure_modes(&self) -> String {
        let modes = self
            .0
            .failure_modes()
            .into_iter()
            .map(|mode| FailureModeAnswer {
                rule: mode.rule.to_string(),
                kms: mode.kms,
                moment: moment(mode.moment),
                text: mode.moment.text(),
                writes: outcome(mode.writes),
                known_reads: outcome(mode.known_reads),
                other_reads: outcome(mode.other_reads),
            });
        json(&modes.collect::<Vec<_>>())
    }

    /// The providers of a resource, picked as kube-apiserver picks them.
    ///
    /// # Errors
    /// `StoredValueError` for keys that no cipher takes.
    pub fn chain(&self, resource: &str) -> Result<Chain, Failure> {
        let chain = self.0.chain(&GroupResource::parse(resource), &PORTABLE)?;
        Ok(Chain::new(chain))
    }
}

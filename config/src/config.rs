//! A configuration that loads, and the providers it gives each resource.

use core::fmt;
use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::golang::{Duration, base64_decode, parse_url};
use crate::load::load;
use crate::model;
use crate::resource::GroupResource;
use crate::verdict::{Options, Verdict};

/// A file that kube-apiserver loads. Its keys are wiped when it is dropped.
#[derive(Debug)]
pub struct Config {
    entries: Vec<Entry>,
    /// Rule to the entries that name it, in file order.
    rules: BTreeMap<GroupResource, Vec<usize>>,
    content_hash: String,
}

/// A file that kube-apiserver refuses.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// Why, in its words and ours.
    pub verdict: Verdict,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for problem in &self.verdict.problems {
            f.write_str(separator)?;
            if !problem.field.is_empty() {
                write!(f, "{}: ", problem.field)?;
            }
            f.write_str(&problem.ours)?;
            separator = "; ";
        }
        Ok(())
    }
}

impl core::error::Error for ConfigError {}

/// One element of `resources`.
#[derive(Debug)]
pub struct Entry {
    /// The names, in file order.
    pub resources: Vec<GroupResource>,
    /// The providers, in file order; the first one writes.
    pub providers: Vec<Provider>,
}

/// One element of `providers`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Provider {
    /// Plain text; reading refuses what begins as encrypted.
    Identity,
    /// AES-CBC with PKCS#7 padding.
    Aescbc(Vec<NamedKey>),
    /// AES-GCM with a random nonce.
    Aesgcm(Vec<NamedKey>),
    /// XSalsa20-Poly1305.
    Secretbox(Vec<NamedKey>),
    /// A KMS plugin.
    Kms(KmsBlock),
}

impl Provider {
    /// The provider's field name in the file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Aescbc(_) => "aescbc",
            Self::Aesgcm(_) => "aesgcm",
            Self::Secretbox(_) => "secretbox",
            Self::Kms(_) => "kms",
        }
    }

    /// What stored values begin with, one for each key; empty text for identity.
    pub fn prefixes(&self) -> impl Iterator<Item = String> {
        let (head, names): (&str, Vec<&str>) = match self {
            Self::Identity => return vec![String::new()].into_iter(),
            Self::Aescbc(keys) => (
                "k8s:enc:aescbc:v1:",
                keys.iter().map(|k| k.name.as_str()).collect(),
            ),
            Self::Aesgcm(keys) => (
                "k8s:enc:aesgcm:v1:",
                keys.iter().map(|k| k.name.as_str()).collect(),
            ),
            Self::Secretbox(keys) => (
                "k8s:enc:secretbox:v1:",
                keys.iter().map(|k| k.name.as_str()).collect(),
            ),
            Self::Kms(block) => (block.version.prefix(), vec![block.name.as_str()]),
        };
        let prefixes: Vec<String> = names.iter().map(|name| format!("{head}{name}:")).collect();
        prefixes.into_iter()
    }
}

/// A key of a local provider, of a length the provider takes. Wiped when dropped.
pub struct NamedKey {
    /// Part of the stored prefix.
    pub name: String,
    secret: Zeroizing<Vec<u8>>,
}

impl NamedKey {
    /// A key from the text in a file.
    pub(crate) fn from_base64(name: &str, secret: &str) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            secret: base64_decode(secret)?,
        })
    }

    /// The key: 16, 24 or 32 bytes for AES, 32 for secretbox.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "NamedKey({}, {} bytes, redacted)",
            self.name,
            self.secret.len()
        )
    }
}

/// Which KMS protocol a block speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KmsVersion {
    /// One DEK for each write.
    V1,
    /// One seed for many writes.
    V2,
}

impl KmsVersion {
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::V1 => "k8s:enc:kms:v1:",
            Self::V2 => "k8s:enc:kms:v2:",
        }
    }
}

/// A KMS block, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KmsBlock {
    /// Index in `resources`.
    pub entry: usize,
    /// Index in that entry's `providers`.
    pub provider: usize,
    /// The protocol.
    pub version: KmsVersion,
    /// Part of the stored prefix.
    pub name: String,
    /// As written in the file.
    pub endpoint: String,
    /// The socket that is dialled: a path, or `@name` for an abstract socket. Empty when the endpoint has no path.
    pub socket: String,
    /// Deadline of each call, in nanoseconds.
    pub timeout_nanos: i64,
    /// KMS v1 only: DEKs kept in memory; negative is none.
    pub cache_size: Option<i32>,
}

/// Why a resource has the chain that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The file names the resource.
    Exact,
    /// `*.group` takes it.
    Group,
    /// `*.*` takes it.
    All,
    /// Nothing takes it: plain text, and encrypted values are refused.
    Unmatched,
}

/// The chain of one resource.
#[derive(Debug)]
#[non_exhaustive]
pub struct Match<'c> {
    /// Why.
    pub reason: Reason,
    /// The rule that took the resource, unless none did.
    pub rule: Option<GroupResource>,
    /// The entries that name the rule, in file order; with more than one, their providers are merged.
    pub entries: Vec<usize>,
    /// The providers in order; the first one writes, all are tried to read. Empty is bare identity.
    pub providers: Vec<&'c Provider>,
}

impl Config {
    /// Reads a file as the current kube-apiserver does, with the feature gate `KMSv1` on, so that what an older
    /// server wrote can still be read.
    ///
    /// # Errors
    /// When kube-apiserver would refuse the file.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let options = Options {
            kmsv1: Some(true),
            ..Options::default()
        };
        Self::parse_as(text, &options)
    }

    /// What a server without a file does: plain text is written and read, and nothing else is.
    #[must_use]
    pub const fn without_file() -> Self {
        Self {
            entries: Vec::new(),
            rules: BTreeMap::new(),
            content_hash: String::new(),
        }
    }

    /// Reads a file as the given kube-apiserver does.
    ///
    /// # Errors
    /// When that kube-apiserver would refuse the file.
    pub fn parse_as(text: &[u8], options: &Options) -> Result<Self, ConfigError> {
        let loaded = load(text, options);
        let refused = || ConfigError {
            verdict: loaded.verdict.clone(),
        };
        let model = loaded
            .model
            .as_ref()
            .filter(|_| loaded.verdict.ok)
            .ok_or_else(refused)?;
        let entries = model
            .entries()
            .iter()
            .enumerate()
            .map(|(i, entry)| Entry::new(i, entry));
        // Validation has passed, so nothing is missing here.
        let entries: Vec<Entry> = entries.collect::<Option<_>>().ok_or_else(refused)?;
        let mut rules: BTreeMap<GroupResource, Vec<usize>> = BTreeMap::new();
        for (i, entry) in entries.iter().enumerate() {
            for name in &entry.resources {
                rules.entry(name.clone()).or_default().push(i);
            }
        }
        Ok(Self {
            entries,
            rules,
            content_hash: crate::hash::content_hash(text),
        })
    }

    /// The entries, in file order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every rule with its merged providers.
    pub fn rules(&self) -> impl Iterator<Item = (&GroupResource, Vec<&Provider>)> {
        self.rules
            .iter()
            .map(|(rule, entries)| (rule, self.merged(entries)))
    }

    /// The merged providers of a rule that the file has.
    pub(crate) fn rule(&self, rule: &GroupResource) -> Option<Vec<&Provider>> {
        self.rules.get(rule).map(|entries| self.merged(entries))
    }

    fn merged(&self, entries: &[usize]) -> Vec<&Provider> {
        entries
            .iter()
            .filter_map(|i| self.entries.get(*i))
            .flat_map(|entry| &entry.providers)
            .collect()
    }

    /// The chain of a resource of storage: the exact name, else `*` of its group, else `*.*`, else bare identity.
    #[must_use]
    pub fn matching(&self, resource: &GroupResource) -> Match<'_> {
        let tries = [
            (Reason::Exact, resource.clone()),
            (Reason::Group, resource.any_in_group()),
            (Reason::All, GroupResource::any()),
        ];
        for (reason, rule) in tries {
            if let Some(entries) = self.rules.get(&rule) {
                let providers = self.merged(entries);
                return Match {
                    reason,
                    rule: Some(rule),
                    entries: entries.clone(),
                    providers,
                };
            }
        }
        Match {
            reason: Reason::Unmatched,
            rule: None,
            entries: Vec::new(),
            providers: Vec::new(),
        }
    }

    /// Every KMS block, in file order.
    pub fn kms_blocks(&self) -> impl Iterator<Item = &KmsBlock> {
        self.entries
            .iter()
            .flat_map(|entry| &entry.providers)
            .filter_map(|provider| match provider {
                Provider::Kms(block) => Some(block),
                _ => None,
            })
    }

    /// `sha256:` and the hash of the file, as the API server's metric reports it.
    #[must_use]
    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }

    /// The health checks that the API server registers under `/healthz` and `/readyz`.
    #[must_use]
    pub fn health_checks(&self, reload: bool) -> Vec<String> {
        let v1 = self.kms_blocks().any(|b| b.version == KmsVersion::V1);
        match self.kms_blocks().count() {
            blocks if reload || (blocks > 0 && !v1) => vec!["kms-providers".to_owned()],
            blocks => (0..blocks).map(|i| format!("kms-provider-{i}")).collect(),
        }
    }

    /// How long old transformers stay open after a reload, in nanoseconds: four times each v1 timeout and twice
    /// each v2 timeout.
    #[must_use]
    pub fn grace_period_nanos(&self) -> i64 {
        self.kms_blocks().fold(0i64, |sum, block| {
            let calls = if block.version == KmsVersion::V1 {
                4
            } else {
                2
            };
            sum.wrapping_add(block.timeout_nanos.wrapping_mul(calls))
        })
    }

    /// The grace period as Go prints durations.
    #[must_use]
    pub fn grace_period(&self) -> String {
        Duration(self.grace_period_nanos()).to_string()
    }
}

impl Entry {
    fn new(index: usize, entry: &model::Entry) -> Option<Self> {
        let resources = entry
            .names()
            .iter()
            .map(|n| GroupResource::parse(&n.text))
            .collect();
        let providers = entry
            .providers()
            .iter()
            .enumerate()
            .map(|(j, provider)| Provider::new((index, j), provider));
        Some(Self {
            resources,
            providers: providers.collect::<Option<_>>()?,
        })
    }
}

impl Provider {
    fn new((entry, index): (usize, usize), provider: &model::Provider) -> Option<Self> {
        let keys = |keys: &model::Keys| -> Option<Vec<NamedKey>> {
            let named = keys.list().iter().map(|key| {
                let secret = base64_decode(&key.secret.text)?;
                Some(NamedKey {
                    name: key.name.text.as_str().to_owned(),
                    secret,
                })
            });
            named.collect()
        };
        if let Some(found) = &provider.aesgcm {
            return keys(found).map(Self::Aesgcm);
        }
        if let Some(found) = &provider.aescbc {
            return keys(found).map(Self::Aescbc);
        }
        if let Some(found) = &provider.secretbox {
            return keys(found).map(Self::Secretbox);
        }
        let Some(kms) = &provider.kms else {
            return provider.identity.map(|_| Self::Identity);
        };
        let path = parse_url(&kms.endpoint.text).ok()?.path;
        let path = String::from_utf8_lossy(&path).into_owned();
        let socket = if path.starts_with("/@") {
            path.trim_start_matches('/').to_owned()
        } else {
            path
        };
        let version = if kms.api_version.text.as_str() == "v1" {
            KmsVersion::V1
        } else {
            KmsVersion::V2
        };
        Some(Self::Kms(KmsBlock {
            entry,
            provider: index,
            version,
            name: kms.name.text.as_str().to_owned(),
            endpoint: kms.endpoint.text.as_str().to_owned(),
            socket,
            timeout_nanos: kms.timeout?.0,
            cache_size: kms.cachesize.filter(|_| version == KmsVersion::V1),
        }))
    }
}

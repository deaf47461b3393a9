//! Opening values: as the configuration says first, and by trying the keys when that does not do.

use std::collections::HashMap;

use k8s_object::{EtcdName, looks_like_object, metadata};
use k8senc::chain::{Chain, How, Outcome};
use k8senc::crypto::Backend;
use k8senc::inspect::{Format, inspect};
use k8senc::kms::{DekRequest, DekTable};
use k8senc::secret::{Plaintext, SecretBytes};
use k8senc_audit::escape;
use k8senc_audit::trial::{Hint, Trial, keys_of, near_miss, truncated};
use k8senc_config::{Config, GroupResource};

/// Resources whose chain is kept; a crafted file can name one in each row.
const MAX_CHAINS: usize = 1024;
/// Values that are tried with all keys for a hint only.
const MAX_TRIALS: u32 = 200;

/// What became of one value. The plaintext, if any, is in the scratch space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It opened.
    Opened(Opened),
    /// It did not.
    Refused(Refused),
    /// Its DEK is not in the table.
    Needs(Box<DekRequest>),
}

/// How a value opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// `aescbc` and so on; `identity` for plaintext.
    pub provider: &'static str,
    /// The key or KMS provider of the configuration.
    pub key: Option<String>,
    /// Nothing authenticates it and it is no object: noise, most likely.
    pub unverified: bool,
    /// It holds an object of another name than its etcd key.
    pub moved: bool,
    /// Not as the configuration has it.
    pub near_miss: Option<Hint>,
}

/// Why a value did not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `aescbc` and so on.
    pub provider: &'static str,
    /// The name that the value carries, escaped.
    pub key: Option<String>,
    /// Core's stable code, or `not-an-object`.
    pub code: &'static str,
    /// What kube-apiserver would say.
    pub upstream: Option<String>,
    /// What would have opened it, or why nothing can.
    pub hint: Option<Hint>,
}

/// Holds the keys and opens values with them.
pub struct Opener<'c> {
    config: Option<&'c Config>,
    backend: &'static dyn Backend,
    /// The DEKs that KMS plugins gave.
    pub deks: DekTable,
    /// Takes values that nothing authenticates and that open to no object.
    pub unverified: bool,
    /// Takes what a trial of all keys opens; otherwise the trial only gives a hint.
    pub any_key: bool,
    chains: HashMap<String, Chain>,
    trials: Vec<Trial>,
    tried: u32,
}

impl<'c> Opener<'c> {
    /// With the keys of a configuration, or without any.
    pub fn new(config: Option<&'c Config>, backend: &'static dyn Backend) -> Self {
        let trials = config.map_or_else(Vec::new, keys_of);
        Self {
            config,
            backend,
            deks: DekTable::with_backend(backend),
            unverified: false,
            any_key: false,
            chains: HashMap::new(),
            trials,
            tried: 0,
        }
    }

    /// Adds a key without a configuration; it is tried on whatever does not open otherwise, under any name, as a key, DEK
    /// or seed.
    pub fn add_key(&mut self, label: &str, secret: SecretBytes) {
        self.trials.insert(
            0,
            Trial {
                from: escape(label.as_bytes()),
                loose: true,
                secret,
            },
        );
    }

    /// The Decrypt requests of one value that the table does not hold.
    pub fn needs(&mut self, name: Option<&EtcdName<'_>>, stored: &[u8]) -> Vec<DekRequest> {
        if !matches!(Format::of(stored).0, Format::KmsV1 | Format::KmsV2) {
            return Vec::new();
        }
        self.prepare(name);
        let deks = &self.deks;
        self.chains
            .get(&chain_key(name))
            .map_or_else(Vec::new, |chain| chain.needs([stored], deks))
    }

    fn prepare(&mut self, name: Option<&EtcdName<'_>>) {
        let key = chain_key(name);
        if self.chains.contains_key(&key) {
            return;
        }
        if self.chains.len() >= MAX_CHAINS {
            self.chains.clear();
        }
        // Without a REST API a resource cannot be named: only wildcards reach it.
        let resource = name.map(|n| GroupResource {
            group: n.group.unwrap_or_default().to_owned(),
            resource: if n.has_api { n.resource } else { "*" }.to_owned(),
        });
        let chain = match (self.config, resource) {
            (Some(config), Some(resource)) => config
                .chain(&resource, self.backend)
                .unwrap_or_else(|_| Chain::bare_identity()),
            _ => Chain::bare_identity(),
        };
        self.chains.insert(key, chain);
    }

    /// Opens one value into `scratch`, which holds the plaintext after [`Verdict::Opened`] only.
    pub fn open(
        &mut self,
        name: Option<&EtcdName<'_>>,
        etcd_key: &[u8],
        stored: &[u8],
        scratch: &mut Plaintext,
    ) -> Verdict {
        self.prepare(name);
        let key = chain_key(name);
        let Some(chain) = self.chains.get(&key) else {
            return Verdict::Refused(self.refused(stored, "no-matching-prefix", None));
        };
        let refused = match chain.open_in(stored, etcd_key, &self.deks, scratch) {
            Ok(Outcome::Opened(how)) => {
                let opened = self.opened(chain, &how, name, scratch, None);
                if !opened.unverified || self.unverified {
                    return Verdict::Opened(opened);
                }
                self.refused(stored, "not-an-object", None)
            }
            Ok(Outcome::Needs(request)) if !self.trials.iter().any(|t| t.loose) => {
                return Verdict::Needs(Box::new(request));
            }
            Ok(Outcome::Needs(_)) => self.refused(stored, "dek-missing", None),
            Err(error) => self.refused(stored, error.code(), error.upstream()),
        };
        self.by_trial(name, etcd_key, stored, refused, scratch)
    }

    fn by_trial(
        &mut self,
        name: Option<&EtcdName<'_>>,
        etcd_key: &[u8],
        stored: &[u8],
        mut refused: Refused,
        scratch: &mut Plaintext,
    ) -> Verdict {
        let only_hints = !self.any_key && !self.trials.iter().any(|t| t.loose);
        if only_hints && self.tried >= MAX_TRIALS {
            return Verdict::Refused(refused);
        }
        match near_miss(stored, etcd_key, name, &self.trials, self.backend, scratch) {
            Some((hint, how)) if self.any_key || hint.code == "given-key" => {
                let mut opened =
                    self.opened(&Chain::bare_identity(), &how, name, scratch, Some(hint));
                opened.provider = Format::of(stored).0.name();
                opened.unverified = false;
                Verdict::Opened(opened)
            }
            Some((hint, _)) => {
                self.tried += 1;
                refused.hint = Some(hint);
                Verdict::Refused(refused)
            }
            None => {
                self.tried += 1;
                refused.hint = truncated(refused.code, stored);
                Verdict::Refused(refused)
            }
        }
    }

    fn opened(
        &self,
        chain: &Chain,
        how: &How,
        name: Option<&EtcdName<'_>>,
        scratch: &Plaintext,
        near_miss: Option<Hint>,
    ) -> Opened {
        let plain = scratch.reveal();
        let about = chain.describe(how.provider);
        let key = how
            .key
            .and_then(|k| chain.key_name(how.provider, k))
            .or_else(|| about.as_ref().and_then(|p| p.name))
            .map(|key| escape(key.as_bytes()));
        let moved =
            name.is_some_and(|name| metadata(plain).is_some_and(|meta| !name.may_hold(&meta)));
        Opened {
            provider: about.map_or("identity", |p| p.kind),
            key,
            unverified: how.unauthenticated && !looks_like_object(plain),
            moved,
            near_miss,
        }
    }

    fn refused(&self, stored: &[u8], code: &'static str, upstream: Option<String>) -> Refused {
        let inspection = inspect(stored);
        Refused {
            provider: inspection.format.name(),
            key: inspection.name.map(escape),
            code,
            upstream: upstream.map(|text| escape(text.as_bytes())),
            hint: None,
        }
    }
}

fn chain_key(name: Option<&EtcdName<'_>>) -> String {
    name.map_or_else(String::new, |name| {
        format!("{} {name}", u8::from(name.has_api))
    })
}

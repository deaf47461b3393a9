use std::collections::BTreeMap;

use serde::Deserialize;

use crate::reading::{ApiVersion, Hex, etcd_key};
use crate::upstream::{Compare, Upstream};
use crate::{read_text, suites, sure};

/// One plaintext, the random bytes drawn, and what kube-apiserver writes.
#[derive(Debug, Clone)]
pub struct WriteCase {
    /// The suite's name, such as `write/static`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// File of the configuration, relative to the vectors' folder.
    pub config_path: String,
    /// The configuration itself.
    pub config_text: String,
    /// `resource` or `resource.group` whose chain writes.
    pub resource: String,
    /// The whole etcd key.
    pub etcd_key: Vec<u8>,
    /// What is sealed.
    pub plaintext: Vec<u8>,
    /// Every byte the writer drew from the random source, in order.
    pub random: Vec<u8>,
    /// What each KMS provider writes with.
    pub kms: BTreeMap<String, WriteKms>,
    /// What the real code did.
    pub expect: WriteExpect,
}

/// The state a KMS provider writes with; for v1 what Encrypt answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteKms {
    /// KMS v1: a DEK per write. Both are `None` when this provider did not write.
    V1 {
        /// The DEK, also the first 32 bytes of `random`.
        dek: Option<Vec<u8>>,
        /// What Encrypt answered.
        encrypted_dek: Option<Vec<u8>>,
    },
    /// KMS v2 that was never healthy.
    V2NeverHealthy,
    /// KMS v2 with a state.
    V2 {
        /// The seed, or the AES key with its counter.
        source: WriteSource,
        /// What Encrypt answered.
        encrypted_dek: Vec<u8>,
        /// The state's key_id.
        key_id: String,
        /// The state's annotations.
        annotations: BTreeMap<String, Vec<u8>>,
    },
}

/// The secret of a KMS v2 state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteSource {
    /// HKDF extended nonce form.
    Seed(Vec<u8>),
    /// Counter nonce form.
    Key {
        /// The AES key.
        dek: Vec<u8>,
        /// The counter before this write; the first write of a process sees 1,000,000,000.
        counter: u64,
    },
}

/// What the real writer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteExpect {
    /// It sealed to exactly these bytes.
    Sealed(Vec<u8>),
    /// It sealed to these bytes, or the same with the annotations in another order.
    SealedInAnyOrder(Vec<u8>),
    /// It refused.
    Refused(Upstream),
    /// Upstream panicked or ended its process; ours must return an error with this code.
    UpstreamPanics(Upstream),
}

/// The writing cases of every suite whose name starts with `prefix`, such as `write/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn writing(prefix: &str) -> Vec<WriteCase> {
    sure(load(prefix))
}

fn load(prefix: &str) -> Result<Vec<WriteCase>, String> {
    let mut cases = Vec::new();
    for (suite, raw) in suites::<RawCase>("write", prefix)? {
        for case in raw {
            let config_text = read_text(&case.config)?;
            let id = case.id.clone();
            cases.push(
                case.finish(suite.clone(), config_text)
                    .map_err(|e| format!("{suite}/{id}: {e}"))?,
            );
        }
    }
    Ok(cases)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawCase {
    id: String,
    why: String,
    config: String,
    resource: String,
    etcd_key: Option<String>,
    etcd_key_hex: Option<Hex>,
    plaintext: Hex,
    random: Hex,
    #[serde(default)]
    kms: BTreeMap<String, RawKms>,
    expect: RawExpect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawKms {
    api_version: ApiVersion,
    seed: Option<Hex>,
    dek: Option<Hex>,
    encrypted_dek: Option<Hex>,
    key_id: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, Hex>,
    counter: Option<u64>,
    #[serde(default)]
    never_healthy: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpect {
    result: String,
    stored: Option<Hex>,
    upstream: Option<String>,
    compare: String,
}

impl RawCase {
    fn finish(self, suite: String, config_text: String) -> Result<WriteCase, String> {
        let mut kms = BTreeMap::new();
        for (name, side) in self.kms {
            kms.insert(name, side.finish()?);
        }
        Ok(WriteCase {
            suite,
            id: self.id,
            why: self.why,
            config_path: self.config,
            config_text,
            resource: self.resource,
            etcd_key: etcd_key(self.etcd_key, self.etcd_key_hex)?,
            plaintext: self.plaintext.0,
            random: self.random.0,
            kms,
            expect: self.expect.finish()?,
        })
    }
}

impl RawKms {
    fn finish(self) -> Result<WriteKms, String> {
        match self {
            Self {
                api_version: ApiVersion::V1,
                seed: None,
                dek,
                encrypted_dek,
                key_id: None,
                counter: None,
                never_healthy: false,
                ..
            } => Ok(WriteKms::V1 {
                dek: dek.map(|h| h.0),
                encrypted_dek: encrypted_dek.map(|h| h.0),
            }),
            Self {
                api_version: ApiVersion::V2,
                seed: None,
                dek: None,
                encrypted_dek: None,
                key_id: None,
                counter: None,
                never_healthy: true,
                ..
            } => Ok(WriteKms::V2NeverHealthy),
            Self {
                api_version: ApiVersion::V2,
                seed,
                dek,
                encrypted_dek: Some(encrypted_dek),
                key_id: Some(key_id),
                annotations,
                counter,
                never_healthy: false,
            } => {
                let source = match (seed, dek, counter) {
                    (Some(Hex(seed)), None, None) => WriteSource::Seed(seed),
                    (None, Some(Hex(dek)), Some(counter)) => WriteSource::Key { dek, counter },
                    _ => return Err("a v2 state is a seed, or a dek with its counter".to_owned()),
                };
                let annotations = annotations.into_iter().map(|(k, v)| (k, v.0)).collect();
                Ok(WriteKms::V2 {
                    source,
                    encrypted_dek: encrypted_dek.0,
                    key_id,
                    annotations,
                })
            }
            _ => Err("the fields of a kms entry do not fit its apiVersion".to_owned()),
        }
    }
}

impl RawExpect {
    fn finish(self) -> Result<WriteExpect, String> {
        match (
            self.result.as_str(),
            self.stored,
            self.upstream,
            self.compare.as_str(),
        ) {
            ("sealed", Some(Hex(stored)), None, "exact") => Ok(WriteExpect::Sealed(stored)),
            ("sealed", Some(Hex(stored)), None, "decoded") => {
                Ok(WriteExpect::SealedInAnyOrder(stored))
            }
            (result, None, Some(text), "exact") => {
                let upstream = |code: &str| Upstream {
                    code: code.to_owned(),
                    text,
                    compare: Compare::Exact,
                };
                match result.split_once(':') {
                    Some(("refused", code)) => Ok(WriteExpect::Refused(upstream(code))),
                    Some(("upstream-panics", code)) => {
                        Ok(WriteExpect::UpstreamPanics(upstream(code)))
                    }
                    _ => Err(format!("unknown result {result:?}")),
                }
            }
            _ => Err("the fields of expect do not fit its result".to_owned()),
        }
    }
}

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::upstream::{CompareName, Upstream};
use crate::{read_text, suites, sure};

/// One stored value, and what kube-apiserver makes of it.
#[derive(Debug, Clone)]
pub struct ReadCase {
    /// The suite's name, such as `wire/aescbc`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// File of the configuration, relative to the vectors' folder.
    pub config_path: String,
    /// The configuration itself.
    pub config_text: String,
    /// `resource` or `resource.group` whose chain reads.
    pub resource: String,
    /// The whole etcd key; may be empty, may be no UTF-8.
    pub etcd_key: Vec<u8>,
    /// The stored value.
    pub stored: Vec<u8>,
    /// The KMS plugins of the configuration by provider name.
    pub kms: BTreeMap<String, KmsSide>,
    /// What the real code did.
    pub expect: ReadExpect,
}

/// What one KMS plugin says while a value is read.
#[derive(Debug, Clone)]
pub struct KmsSide {
    /// Which KMS API the provider speaks.
    pub api_version: ApiVersion,
    /// The state the API server holds; v2: `None` = the plugin was never healthy; v1: always `None`.
    pub status: Option<KmsStatus>,
    /// The Decrypt calls that were made, in order, with their answers. A reader must ask these and no others.
    pub answers: Vec<KmsAnswer>,
}

/// A KMS API version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiVersion {
    /// `apiVersion: v1`
    V1,
    /// `apiVersion: v2`
    V2,
}

/// The part of a KMS v2 state that decides staleness.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KmsStatus {
    /// The key_id that Status and Encrypt reported.
    pub key_id: String,
    /// Whether the state holds a seed (as always since 1.29) or an AES key.
    pub uses_seed: bool,
}

/// One Decrypt call with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsAnswer {
    /// The encrypted DEK (or seed) that was asked about.
    pub ciphertext: Vec<u8>,
    /// v2: the key_id asked with; v1: `None`.
    pub key_id: Option<String>,
    /// v2: the annotations asked with; v1: empty.
    pub annotations: BTreeMap<String, Vec<u8>>,
    /// The DEK (or seed), or the text of the plugin's error.
    pub answer: Result<Vec<u8>, String>,
}

/// What the real code did with a stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadExpect {
    /// It opened.
    Opened {
        /// The plaintext.
        plaintext: Vec<u8>,
        /// Whether the next write would seal it anew.
        stale: bool,
    },
    /// It was refused.
    Refused(Upstream),
    /// Upstream panicked; ours must return an error with this code.
    UpstreamPanics(Upstream),
}

/// The reading cases of every suite whose name starts with `prefix`, such as `wire/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn reading(prefix: &str) -> Vec<ReadCase> {
    sure(load(prefix))
}

/// Calls `run` on every reading case under `prefix` and returns how many there were.
///
/// # Panics
/// As [`reading`], and when `run` does.
pub fn each(prefix: &str, mut run: impl FnMut(&ReadCase)) -> usize {
    let cases = reading(prefix);
    for case in &cases {
        run(case);
    }
    cases.len()
}

fn load(prefix: &str) -> Result<Vec<ReadCase>, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut cases = Vec::new();
    for (suite, raw) in suites::<RawCase>("read", prefix)? {
        for case in raw {
            if !texts.contains_key(&case.config) {
                texts.insert(case.config.clone(), read_text(&case.config)?);
            }
            let config_text = texts.get(&case.config).cloned().unwrap_or_default();
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
    stored: Hex,
    #[serde(default)]
    kms: BTreeMap<String, RawSide>,
    expect: RawExpect,
}

#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Hex(#[serde(with = "hex")] pub(crate) Vec<u8>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawSide {
    api_version: ApiVersion,
    #[serde(default, deserialize_with = "present")]
    status: Option<Option<KmsStatus>>,
    answers: Vec<RawAnswer>,
}

/// Tells an absent field (`None`) from one that is null (`Some(None)`).
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<KmsStatus>>, D::Error> {
    Option::deserialize(d).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawAnswer {
    ciphertext: Hex,
    key_id: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, Hex>,
    dek: Option<Hex>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawExpect {
    result: String,
    plaintext: Option<Hex>,
    stale: Option<bool>,
    upstream: Option<String>,
    compare: Option<CompareName>,
    upstream_prefix: Option<String>,
    upstream_parts: Option<Vec<String>>,
}

/// The etcd key out of its text or hex field, exactly one of which is given.
pub(crate) fn etcd_key(text: Option<String>, hex: Option<Hex>) -> Result<Vec<u8>, String> {
    match (text, hex) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(Hex(bytes))) => Ok(bytes),
        _ => Err("needs exactly one of etcdKey and etcdKeyHex".to_owned()),
    }
}

impl RawCase {
    fn finish(self, suite: String, config_text: String) -> Result<ReadCase, String> {
        let mut kms = BTreeMap::new();
        for (name, side) in self.kms {
            kms.insert(name, side.finish()?);
        }
        Ok(ReadCase {
            suite,
            id: self.id,
            why: self.why,
            config_path: self.config,
            config_text,
            resource: self.resource,
            etcd_key: etcd_key(self.etcd_key, self.etcd_key_hex)?,
            stored: self.stored.0,
            kms,
            expect: self.expect.finish()?,
        })
    }
}

impl RawSide {
    fn finish(self) -> Result<KmsSide, String> {
        let status = match (self.api_version, self.status) {
            (ApiVersion::V1, None) => None,
            (ApiVersion::V2, Some(status)) => status,
            _ => return Err("status belongs to KMS v2 and only there".to_owned()),
        };
        let answers = self
            .answers
            .into_iter()
            .map(RawAnswer::finish)
            .collect::<Result<_, _>>()?;
        Ok(KmsSide {
            api_version: self.api_version,
            status,
            answers,
        })
    }
}

impl RawAnswer {
    fn finish(self) -> Result<KmsAnswer, String> {
        let answer = match (self.dek, self.error) {
            (Some(Hex(dek)), None) => Ok(dek),
            (None, Some(error)) => Err(error),
            _ => return Err("an answer is either a dek or an error".to_owned()),
        };
        let annotations = self
            .annotations
            .into_iter()
            .map(|(k, v)| (k, v.0))
            .collect();
        Ok(KmsAnswer {
            ciphertext: self.ciphertext.0,
            key_id: self.key_id,
            annotations,
            answer,
        })
    }
}

impl RawExpect {
    fn finish(self) -> Result<ReadExpect, String> {
        if self.result == "opened" {
            return match (self.plaintext, self.stale, self.upstream) {
                (Some(Hex(plaintext)), Some(stale), None) => {
                    Ok(ReadExpect::Opened { plaintext, stale })
                }
                _ => Err("opened needs plaintext and stale, and no upstream text".to_owned()),
            };
        }
        let (Some(text), Some(compare), None, None) =
            (self.upstream, self.compare, self.plaintext, self.stale)
        else {
            return Err("a refusal needs upstream and compare, and no plaintext".to_owned());
        };
        let compare = compare.with(self.upstream_prefix, self.upstream_parts)?;
        let upstream = |code: &str| Upstream {
            code: code.to_owned(),
            text,
            compare,
        };
        match self.result.split_once(':') {
            Some(("refused", code)) => Ok(ReadExpect::Refused(upstream(code))),
            Some(("upstream-panics", code)) => Ok(ReadExpect::UpstreamPanics(upstream(code))),
            _ => Err(format!("unknown result {:?}", self.result)),
        }
    }
}

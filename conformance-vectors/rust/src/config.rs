use std::collections::BTreeMap;

use serde::Deserialize;

use crate::reading::Hex;
use crate::{suites, sure};

/// One configuration file, and what kube-apiserver makes of it.
#[derive(Debug, Clone)]
pub struct ConfigCase {
    /// The suite's name, such as `config/kms`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// The whole file; may be no UTF-8.
    pub text: Vec<u8>,
    /// Whether automatic reload is on.
    pub reload: bool,
    /// Whether the feature gate `KMSv1` is on.
    pub kmsv1: bool,
    /// What the real loader did.
    pub expect: ConfigExpect,
}

/// What the real loader did with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigExpect {
    /// It loaded.
    Loads {
        /// Rule to stored prefixes, in order; the first one writes, `""` is identity.
        chains: BTreeMap<String, Vec<String>>,
        /// Names of the health checks.
        health_checks: Vec<String>,
        /// Go's text of the grace period.
        grace_period: String,
        /// `sha256:` and the hash of the file.
        content_hash: String,
    },
    /// It was refused.
    Refused {
        /// Where.
        stage: Stage,
        /// The whole error text, with `<PATH>` for the file's path.
        text: String,
        /// Stage validate: the single field errors.
        errors: Vec<String>,
        /// How `text` may be compared.
        compare: ConfigCompare,
    },
    /// The real code crashes with this text; do not imitate.
    Panics(String),
}

/// The step that refused a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the file.
    Load,
    /// YAML, JSON, kind and strict fields.
    Decode,
    /// The field rules.
    Validate,
    /// Making transformers: masks, gates, endpoints.
    Build,
}

/// How the text of a refused configuration may be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigCompare {
    /// Byte for byte.
    Exact,
    /// Up to the words ` in scheme `.
    SchemeName,
    /// Up to `yaml: `; the rest is go-yaml's own wording.
    GoYaml,
}

impl ConfigCompare {
    /// Whether `ours` is as good as upstream's `text`.
    #[must_use]
    pub fn matches(self, text: &str, ours: &str) -> bool {
        let upto = |s: &'static str| match (text.split_once(s), ours.split_once(s)) {
            (Some((a, _)), Some((b, _))) => a == b,
            _ => false,
        };
        match self {
            Self::Exact => text == ours,
            Self::SchemeName => upto(" in scheme "),
            Self::GoYaml => upto("yaml: "),
        }
    }
}

/// The configuration cases of every suite whose name starts with `prefix`, such as `config/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn configuration(prefix: &str) -> Vec<ConfigCase> {
    sure(load(prefix))
}

fn load(prefix: &str) -> Result<Vec<ConfigCase>, String> {
    let mut cases = Vec::new();
    for (suite, raw) in suites::<RawCase>("config", prefix)? {
        for case in raw {
            let id = case.id.clone();
            cases.push(
                case.finish(suite.clone())
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
    text: Option<String>,
    text_hex: Option<Hex>,
    reload: bool,
    kmsv1: bool,
    expect: RawExpect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawExpect {
    ok: bool,
    stage: Option<String>,
    upstream: Option<String>,
    #[serde(default)]
    errors: Vec<String>,
    compare: Option<String>,
    chains: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    health_checks: Vec<String>,
    kms_close_grace_period: Option<String>,
    content_hash: Option<String>,
}

/// The bytes out of a text or hex field, exactly one of which is given.
pub(crate) fn text_or_hex(text: Option<String>, hex: Option<Hex>) -> Result<Vec<u8>, String> {
    match (text, hex) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(Hex(bytes))) => Ok(bytes),
        _ => Err("needs exactly one of text and textHex".to_owned()),
    }
}

impl RawCase {
    fn finish(self, suite: String) -> Result<ConfigCase, String> {
        Ok(ConfigCase {
            suite,
            id: self.id,
            why: self.why,
            text: text_or_hex(self.text, self.text_hex)?,
            reload: self.reload,
            kmsv1: self.kmsv1,
            expect: self.expect.finish()?,
        })
    }
}

impl RawExpect {
    fn finish(self) -> Result<ConfigExpect, String> {
        if self.ok {
            let (Some(chains), Some(grace_period), Some(content_hash), None, None) = (
                self.chains,
                self.kms_close_grace_period,
                self.content_hash,
                self.stage,
                self.upstream,
            ) else {
                return Err(
                    "a configuration that loads needs chains, grace period and hash".to_owned(),
                );
            };
            return Ok(ConfigExpect::Loads {
                chains,
                health_checks: self.health_checks,
                grace_period,
                content_hash,
            });
        }
        let (Some(stage), Some(text), Some(compare)) = (self.stage, self.upstream, self.compare)
        else {
            return Err("a refused configuration needs stage, upstream and compare".to_owned());
        };
        let stage = match stage.as_str() {
            "load" => Stage::Load,
            "decode" => Stage::Decode,
            "validate" => Stage::Validate,
            "build" => Stage::Build,
            "panic" => return Ok(ConfigExpect::Panics(text)),
            other => return Err(format!("unknown stage {other:?}")),
        };
        let compare = match compare.as_str() {
            "exact" => ConfigCompare::Exact,
            "scheme-name" => ConfigCompare::SchemeName,
            "go-yaml" => ConfigCompare::GoYaml,
            other => return Err(format!("unknown compare {other:?}")),
        };
        Ok(ConfigExpect::Refused {
            stage,
            text,
            errors: self.errors,
            compare,
        })
    }
}

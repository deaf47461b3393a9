use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::reading::{ApiVersion, Hex};
use crate::{suites, sure};

/// What a KMS provider of a real API server did over time.
#[derive(Debug, Clone)]
pub struct StateCase {
    /// The suite's name, such as `state/kmsv2`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// Which KMS API the provider speaks.
    pub api_version: ApiVersion,
    /// The provider's name.
    pub provider: String,
    /// Whether the server writes in key form, as 1.27 and 1.28 did.
    pub key_form: bool,
    /// The wall clock at `at_ms` 0, RFC 3339.
    pub start: String,
    /// Everything that happened, in order.
    pub events: Vec<StateEvent>,
}

/// One thing that happened, milliseconds after the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEvent {
    /// When.
    pub at_ms: u64,
    /// What.
    pub what: Happened,
}

/// What happened. `Err` holds upstream's or the plugin's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The configuration was loaded.
    Start,
    /// The plugin answered Status.
    Status {
        /// What caused the call.
        by: Cause,
        /// The answer.
        answer: Result<StatusAnswer, String>,
    },
    /// The plugin answered Encrypt.
    Encrypt {
        /// What caused the call.
        by: Cause,
        /// The seed (v2) or the probe's text (v1).
        input: Vec<u8>,
        /// The answer.
        answer: Result<EncryptAnswer, String>,
    },
    /// The plugin answered Decrypt (v1 only).
    Decrypt {
        /// What caused the call.
        by: Cause,
        /// The ciphertext.
        input: Vec<u8>,
        /// The plaintext.
        answer: Result<Vec<u8>, String>,
    },
    /// A health request was answered.
    Health(Result<(), String>),
    /// A value was written.
    Write(Result<Written, String>),
    /// A good seed value of this key_id was read.
    Read {
        /// The value's key_id.
        key_id: String,
        /// Whether it was stale.
        stale: Result<bool, String>,
    },
}

/// What caused a call to the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The probe inside loading.
    Start,
    /// A background poll.
    Loop,
    /// The health request whose answer follows.
    Health,
}

/// A Status answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StatusAnswer {
    /// `version`
    pub version: String,
    /// `healthz`
    pub healthz: String,
    /// `key_id`
    pub key_id: String,
}

/// An Encrypt answer; v1 has only the ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptAnswer {
    /// `ciphertext`
    pub ciphertext: Vec<u8>,
    /// `key_id`; v1: empty.
    pub key_id: String,
    /// `annotations`
    pub annotations: BTreeMap<String, Vec<u8>>,
}

/// A value that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The stored value.
    pub stored: Vec<u8>,
    /// The random bytes drawn for it, in order.
    pub random: Vec<u8>,
}

/// The transcripts of every suite whose name starts with `prefix`, such as `state/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn transcripts(prefix: &str) -> Vec<StateCase> {
    sure(load(prefix))
}

fn load(prefix: &str) -> Result<Vec<StateCase>, String> {
    let mut cases = Vec::new();
    for (suite, raw) in suites::<RawCase>("state", prefix)? {
        for case in raw {
            let name = format!("{suite}/{}", case.id);
            let events = case
                .events
                .into_iter()
                .map(RawEvent::finish)
                .collect::<Result<_, _>>();
            cases.push(StateCase {
                suite: suite.clone(),
                id: case.id,
                why: case.why,
                api_version: case.api_version,
                provider: case.provider,
                key_form: case.key_form,
                start: case.start,
                events: events.map_err(|e| format!("{name}: {e}"))?,
            });
        }
    }
    Ok(cases)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawCase {
    id: String,
    why: String,
    api_version: ApiVersion,
    provider: String,
    #[serde(default)]
    key_form: bool,
    start: String,
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawEvent {
    at_ms: u64,
    event: String,
    by: Option<Cause>,
    input: Option<Hex>,
    answer: Option<Value>,
    error: Option<String>,
    key_id: Option<String>,
    stored: Option<Hex>,
    random: Option<Hex>,
    stale: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawEncrypt {
    ciphertext: Hex,
    #[serde(default)]
    key_id: String,
    #[serde(default)]
    annotations: BTreeMap<String, Hex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDecrypt {
    plaintext: Hex,
}

/// An answer out of `answer` or `error`, exactly one of which is given.
fn either<R: serde::de::DeserializeOwned, T>(
    answer: Option<Value>,
    error: Option<String>,
    finish: impl FnOnce(R) -> T,
) -> Result<Result<T, String>, String> {
    match (answer, error) {
        (Some(answer), None) => serde_json::from_value(answer)
            .map(|r| Ok(finish(r)))
            .map_err(|e| e.to_string()),
        (None, Some(error)) => Ok(Err(error)),
        _ => Err("a call has either an answer or an error".to_owned()),
    }
}

impl RawEvent {
    fn finish(self) -> Result<StateEvent, String> {
        let by = self.by.ok_or("a call needs a cause");
        let input = self.input.map(|h| h.0).ok_or("a call needs an input");
        let what = match self.event.as_str() {
            "start" => Happened::Start,
            "status" => Happened::Status {
                by: by?,
                answer: either(self.answer, self.error, |a: StatusAnswer| a)?,
            },
            "encrypt" => Happened::Encrypt {
                by: by?,
                input: input?,
                answer: either(self.answer, self.error, |a: RawEncrypt| EncryptAnswer {
                    ciphertext: a.ciphertext.0,
                    key_id: a.key_id,
                    annotations: a.annotations.into_iter().map(|(k, v)| (k, v.0)).collect(),
                })?,
            },
            "decrypt" => Happened::Decrypt {
                by: by?,
                input: input?,
                answer: either(self.answer, self.error, |a: RawDecrypt| a.plaintext.0)?,
            },
            "health" => Happened::Health(self.error.map_or(Ok(()), Err)),
            "write" => Happened::Write(match (self.stored, self.random, self.error) {
                (Some(Hex(stored)), Some(Hex(random)), None) => Ok(Written { stored, random }),
                (None, None, Some(error)) => Err(error),
                _ => return Err("a write has either stored and random, or an error".to_owned()),
            }),
            "read" => Happened::Read {
                key_id: self.key_id.ok_or("a read needs a keyId")?,
                stale: match (self.stale, self.error) {
                    (Some(stale), None) => Ok(stale),
                    (None, Some(error)) => Err(error),
                    _ => return Err("a read has either stale or an error".to_owned()),
                },
            },
            other => return Err(format!("unknown event {other:?}")),
        };
        Ok(StateEvent {
            at_ms: self.at_ms,
            what,
        })
    }
}

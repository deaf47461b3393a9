use serde::Deserialize;

use crate::config::text_or_hex;
use crate::reading::Hex;
use crate::{suites, sure};

/// One YAML text, and the JSON kube-apiserver makes of it.
#[derive(Debug, Clone)]
pub struct YamlCase {
    /// The suite's name, such as `yaml/scalars`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// The text; may be no UTF-8.
    pub text: Vec<u8>,
    /// What the lax conversion gives, which the configuration decoder reads.
    pub lax: YamlResult,
    /// What the strict conversion gives, which finds repeated keys.
    pub strict: YamlResult,
}

/// What a conversion gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YamlResult {
    /// This JSON text.
    Json(String),
    /// This error text, in go-yaml's wording.
    Error(String),
    /// Go's map order decides: the answer differs from run to run.
    Varies,
}

/// The YAML cases of every suite whose name starts with `prefix`, such as `yaml/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn yaml(prefix: &str) -> Vec<YamlCase> {
    sure(load(prefix))
}

fn load(prefix: &str) -> Result<Vec<YamlCase>, String> {
    let mut cases = Vec::new();
    for (suite, raw) in suites::<RawCase>("yaml", prefix)? {
        for case in raw {
            let name = format!("{suite}/{}", case.id);
            let fail = |e: String| format!("{name}: {e}");
            cases.push(YamlCase {
                suite: suite.clone(),
                id: case.id,
                why: case.why,
                text: text_or_hex(case.text, case.text_hex).map_err(fail)?,
                lax: case.lax.finish().map_err(fail)?,
                strict: case.strict.finish().map_err(fail)?,
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
    text: Option<String>,
    text_hex: Option<Hex>,
    lax: RawResult,
    strict: RawResult,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResult {
    json: Option<String>,
    error: Option<String>,
    #[serde(default)]
    varies: bool,
}

impl RawResult {
    fn finish(self) -> Result<YamlResult, String> {
        match (self.json, self.error, self.varies) {
            (Some(json), None, false) => Ok(YamlResult::Json(json)),
            (None, Some(error), false) => Ok(YamlResult::Error(error)),
            (None, None, true) => Ok(YamlResult::Varies),
            _ => Err("a result is json, an error, or varies".to_owned()),
        }
    }
}

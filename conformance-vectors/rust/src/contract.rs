use std::collections::BTreeMap;

use serde::Deserialize;

use crate::reading::Hex;
use crate::upstream::{CompareName, Upstream};
use crate::{suites, sure};

/// An answer of a KMS v2 plugin's Encrypt, and whether kube-apiserver accepts it.
#[derive(Debug, Clone)]
pub struct ContractCase {
    /// The suite's name, such as `contract/encrypt`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// The encrypted seed.
    pub ciphertext: Vec<u8>,
    /// The key_id.
    pub key_id: String,
    /// The annotations.
    pub annotations: BTreeMap<String, Vec<u8>>,
    /// What the real check said.
    pub expect: Result<(), Upstream>,
}

/// The contract cases of every suite whose name starts with `prefix`, such as `contract/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn contract(prefix: &str) -> Vec<ContractCase> {
    sure(load(prefix))
}

fn load(prefix: &str) -> Result<Vec<ContractCase>, String> {
    let mut cases = Vec::new();
    for (suite, raw) in suites::<RawCase>("contract", prefix)? {
        for case in raw {
            let name = format!("{suite}/{}", case.id);
            cases.push(ContractCase {
                suite: suite.clone(),
                id: case.id,
                why: case.why,
                ciphertext: case.ciphertext.0,
                key_id: case.key_id,
                annotations: case
                    .annotations
                    .into_iter()
                    .map(|(k, v)| (k, v.0))
                    .collect(),
                expect: case.expect.finish().map_err(|e| format!("{name}: {e}"))?,
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
    ciphertext: Hex,
    key_id: String,
    #[serde(default)]
    annotations: BTreeMap<String, Hex>,
    expect: RawExpect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawExpect {
    result: String,
    upstream: Option<String>,
    compare: Option<CompareName>,
    upstream_prefix: Option<String>,
    upstream_parts: Option<Vec<String>>,
}

impl RawExpect {
    fn finish(self) -> Result<Result<(), Upstream>, String> {
        match (self.result.split_once(':'), self.upstream, self.compare) {
            (None, None, None) if self.result == "accepted" => Ok(Ok(())),
            (Some(("refused", code)), Some(text), Some(compare)) => {
                let compare = compare.with(self.upstream_prefix, self.upstream_parts)?;
                Ok(Err(Upstream {
                    code: code.to_owned(),
                    text,
                    compare,
                }))
            }
            _ => Err(format!(
                "the fields of expect do not fit the result {:?}",
                self.result
            )),
        }
    }
}

use serde::Deserialize;

use crate::reading::Hex;
use crate::{suites, sure};

/// One plaintext, and what kube-apiserver's serializers take it for.
#[derive(Debug, Clone)]
pub struct ObjectCase {
    /// The suite's name, such as `object/forms`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// The bytes.
    pub plaintext: Vec<u8>,
    /// The serializer that claims the bytes: `protobuf`, `json`, `cbor`, or `none` (YAML claims nothing).
    pub form: String,
    /// What they decode to; `None` where the real code refuses them.
    pub decoded: Option<ObjectName>,
}

/// What a decoded object says of itself; an absent field is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ObjectName {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// The object cases of every suite whose name starts with `prefix`, such as `object/`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn objects(prefix: &str) -> Vec<ObjectCase> {
    let named = sure(suites::<RawCase>("object", prefix));
    let cases = named.into_iter().flat_map(|(suite, raw)| {
        raw.into_iter().map(move |case| ObjectCase {
            suite: suite.clone(),
            id: case.id,
            why: case.why,
            plaintext: case.plaintext.0,
            form: case.expect.form,
            decoded: case.expect.decoded,
        })
    });
    cases.collect()
}

/// One stored protobuf object, and the JSON that the real code makes of it.
#[derive(Debug, Clone)]
pub struct DecodeCase {
    /// The suite's name, such as `object/decode`.
    pub suite: String,
    /// Unique within the suite.
    pub id: String,
    /// The question this case asks, in one sentence.
    pub why: String,
    /// The bytes.
    pub plaintext: Vec<u8>,
    /// The JSON text.
    pub json: String,
}

/// The decode cases of every suite whose name starts with `prefix`.
///
/// # Panics
/// When a file is missing or not as the manifest says, or no suite matches.
#[must_use]
pub fn decodes(prefix: &str) -> Vec<DecodeCase> {
    let named = sure(suites::<RawDecode>("decode", prefix));
    let cases = named.into_iter().flat_map(|(suite, raw)| {
        raw.into_iter().map(move |case| DecodeCase {
            suite: suite.clone(),
            id: case.id,
            why: case.why,
            plaintext: case.plaintext.0,
            json: case.expect.json,
        })
    });
    cases.collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDecode {
    id: String,
    why: String,
    plaintext: Hex,
    expect: RawJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJson {
    json: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    id: String,
    why: String,
    plaintext: Hex,
    expect: RawExpect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpect {
    form: String,
    decoded: Option<ObjectName>,
}

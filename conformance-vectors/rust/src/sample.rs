use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::{parse, root, sure};

/// The folder of the sample snapshot.
#[must_use]
pub fn sample_dir() -> PathBuf {
    root().join("sample")
}

/// What is true of the sample snapshot, as it was noted while filling it.
///
/// # Panics
/// When `sample/expected.json` is missing or holds a field this crate does not know.
#[must_use]
pub fn sample() -> Sample {
    sure(parse("sample/expected.json").and_then(|s: Sample| {
        if s.format == 1 {
            Ok(s)
        } else {
            Err(format!(
                "sample/expected.json has format {}, this loader reads 1",
                s.format
            ))
        }
    }))
}

/// The toy KEKs that open the sample snapshot.
///
/// # Panics
/// When `sample/local-kek.json` is missing or holds a field this crate does not know.
#[must_use]
pub fn sample_keks() -> LocalKeks {
    sure(parse("sample/local-kek.json"))
}

/// `sample/expected.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sample {
    format: u32,
    /// Versions of what filled it.
    pub source: BTreeMap<String, String>,
    /// The file as a whole.
    pub snapshot: SampleFile,
    /// Distinct DEKs (= Decrypt calls) by KMS provider.
    pub distinct_deks: BTreeMap<String, DekCount>,
    /// Sums by `resource` or `resource.group`.
    pub resources: BTreeMap<String, ResourceCount>,
    /// Counts by resource, provider, key or plugin, key_id and form.
    pub groups: Vec<GroupCount>,
    /// Etcd keys of live secrets that lie in plaintext.
    pub live_plaintext_secrets: Vec<String>,
    /// Every value that does not open, or opens to no object.
    pub unreadable: Vec<SampleUnreadable>,
    /// Live etcd keys that are no Kubernetes objects.
    pub other_keys: Vec<String>,
}

/// The snapshot file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SampleFile {
    /// Name in the sample's folder.
    pub file: String,
    /// Length with the trailing SHA-256.
    pub bytes: u64,
    /// The trailing SHA-256, hex.
    pub sha256: String,
    /// Current revision.
    pub revision: i64,
    /// Compacted up to here.
    pub compact_revision: i64,
    /// Live etcd keys.
    pub live_keys: usize,
    /// Rows of the `key` bucket, tombstones included.
    pub rows: usize,
    /// Tombstones.
    pub tombstones: usize,
    /// Keys whose newest row is a tombstone.
    pub deleted_keys: usize,
}

/// Distinct DEKs of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DekCount {
    /// Used by live values.
    pub live: usize,
    /// Used by any value.
    pub all: usize,
}

/// Sums of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ResourceCount {
    /// Whether the configuration has a rule for it.
    pub covered: bool,
    /// Live values.
    pub live: usize,
    /// Live values in plaintext.
    pub live_plaintext: usize,
    /// Live values that open and are stale, plaintext under a rule included.
    pub live_stale: usize,
    /// Live values that do not open, or open to no object.
    pub live_unreadable: usize,
    /// Puts in the file that are not the current state of a live key.
    pub history: usize,
    /// Those in plaintext.
    pub history_plaintext: usize,
    /// Those that do not open.
    pub history_unreadable: usize,
    /// Keys whose newest row is a tombstone.
    pub deleted_keys: usize,
}

/// Counts of one resource under one provider and key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GroupCount {
    /// `resource` or `resource.group`.
    pub resource: String,
    /// `identity`, `aescbc`, `aesgcm`, `secretbox`, `kmsv1` or `kmsv2`.
    pub provider: String,
    /// Key name or KMS provider name; empty for identity.
    #[serde(default)]
    pub key: String,
    /// KMS v2 key_id.
    #[serde(default)]
    pub key_id: String,
    /// KMS v1: `gcm` or `cbc`; KMS v2: `seed` or `key`.
    #[serde(default)]
    pub form: String,
    /// Live values.
    pub live: usize,
    /// Live values that open and are stale.
    pub stale: usize,
    /// Stale values by reason; a value may have several.
    #[serde(default)]
    pub stale_why: BTreeMap<String, usize>,
    /// Live values that do not open, or open to no object.
    pub unreadable: usize,
    /// Puts that are not the current state of a live key.
    pub history: usize,
    /// Those that do not open.
    pub history_unreadable: usize,
}

/// A value that does not open, or opens to no object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SampleUnreadable {
    /// The etcd key.
    pub etcd_key: String,
    /// Its mod revision.
    pub revision: i64,
    /// What was done to it.
    pub what: String,
    /// Where it was copied from.
    #[serde(default)]
    pub copied_from: Option<String>,
    /// Our error code; `not-an-object` when upstream opens it to garbage.
    pub code: String,
    /// Upstream's error text; empty when upstream opens it.
    pub upstream: String,
}

/// `sample/local-kek.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalKeks {
    /// The file's format.
    pub format: u32,
    /// The scheme in words.
    pub note: String,
    /// Plugins by provider name.
    pub plugins: BTreeMap<String, LocalPlugin>,
}

/// The toy KEKs of one provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalPlugin {
    /// `v1` or `v2`.
    pub api_version: String,
    /// v2: what Status reports now.
    #[serde(default)]
    pub current_key_id: Option<String>,
    /// v2: whether the current state holds a seed.
    #[serde(default)]
    pub uses_seed: Option<bool>,
    /// base64 of 32 bytes by key_id (v2) or by a name of no meaning (v1).
    pub keks: BTreeMap<String, String>,
}

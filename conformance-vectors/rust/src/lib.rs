//! Loads the conformance vectors for tests.
//!
//! The files sit in the folder above this crate; their format is described in its
//! `README.md`. Every function panics, with a sentence that names the file, when a
//! vector file is missing, is not of the known format, holds a field this crate does
//! not know, or holds another number of cases than the manifest says: a test that
//! runs nothing must not pass.

mod config;
mod contract;
mod objects;
mod reading;
mod sample;
mod state;
mod upstream;
mod writing;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use config::{ConfigCase, ConfigCompare, ConfigExpect, Stage, configuration};
pub use contract::{ContractCase, contract};
pub use objects::{DecodeCase, ObjectCase, ObjectName, decodes, objects};
pub use reading::{ApiVersion, KmsAnswer, KmsSide, KmsStatus, ReadCase, ReadExpect, each, reading};
pub use sample::{
    DekCount, GroupCount, LocalKeks, LocalPlugin, ResourceCount, Sample, SampleFile,
    SampleUnreadable, sample, sample_dir, sample_keks,
};
pub use state::{
    Cause, EncryptAnswer, Happened, StateCase, StateEvent, StatusAnswer, Written, transcripts,
};
pub use upstream::{Compare, Upstream};
pub use writing::{WriteCase, WriteExpect, WriteKms, WriteSource, writing};
pub use yaml::{YamlCase, YamlResult, yaml};

/// The `format` this crate reads.
const FORMAT: u32 = 1;

/// `manifest.json`: every suite with its file and number of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// Versions of Go and of the Go modules that were recorded.
    pub source: BTreeMap<String, String>,
    /// Suites by name, such as `wire/aescbc`.
    pub suites: BTreeMap<String, ManifestSuite>,
    /// Cases over all suites.
    pub total: usize,
}

/// One suite of the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSuite {
    /// The file, relative to the vectors' folder.
    pub file: String,
    /// Which kind of case it holds, such as `read`.
    pub kind: String,
    /// How many cases it holds.
    pub cases: usize,
}

impl Manifest {
    /// How many cases the suites have whose names start with `prefix`.
    #[must_use]
    pub fn count(&self, prefix: &str) -> usize {
        self.suites
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, s)| s.cases)
            .sum()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteFile<C> {
    format: u32,
    suite: String,
    kind: String,
    #[expect(dead_code, reason = "named so that unknown fields can be refused")]
    source: BTreeMap<String, String>,
    cases: Vec<C>,
}

/// The folder that holds the vectors.
#[must_use]
pub fn root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir).to_path_buf()
}

/// The manifest.
#[must_use]
pub fn manifest() -> Manifest {
    sure(load_manifest())
}

/// A file of the vectors' folder, such as a configuration that a case names.
#[must_use]
pub fn file(relative: &str) -> Vec<u8> {
    sure(read(relative))
}

fn load_manifest() -> Result<Manifest, String> {
    let manifest: Manifest = parse("manifest.json")?;
    check_format("manifest.json", manifest.format)?;
    let total: usize = manifest.suites.values().map(|s| s.cases).sum();
    if total != manifest.total {
        return Err(format!(
            "manifest.json says {} cases in all, its suites {total}",
            manifest.total
        ));
    }
    Ok(manifest)
}

/// Loads every suite of `kind` whose name starts with `prefix`, with the suite's name.
fn suites<C: DeserializeOwned>(kind: &str, prefix: &str) -> Result<Vec<(String, Vec<C>)>, String> {
    let manifest = load_manifest()?;
    let mut found = Vec::new();
    for (name, listed) in manifest
        .suites
        .iter()
        .filter(|(name, s)| s.kind == kind && name.starts_with(prefix))
    {
        let suite: SuiteFile<C> = parse(&listed.file)?;
        check_format(&listed.file, suite.format)?;
        if suite.suite != *name || suite.kind != kind || suite.cases.len() != listed.cases {
            return Err(format!(
                "{} holds {} cases of kind {} under the name {}, the manifest says {} of kind {kind} under {name}",
                listed.file,
                suite.cases.len(),
                suite.kind,
                suite.suite,
                listed.cases
            ));
        }
        found.push((name.clone(), suite.cases));
    }
    if found.is_empty() {
        return Err(format!("no suite of kind {kind} starts with {prefix:?}"));
    }
    Ok(found)
}

fn check_format(file: &str, format: u32) -> Result<(), String> {
    if format == FORMAT {
        Ok(())
    } else {
        Err(format!(
            "{file} has format {format}, this loader reads {FORMAT}"
        ))
    }
}

fn parse<T: DeserializeOwned>(relative: &str) -> Result<T, String> {
    serde_json::from_slice(&read(relative)?).map_err(|e| format!("{relative}: {e}"))
}

fn read(relative: &str) -> Result<Vec<u8>, String> {
    let path = root().join(relative);
    std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
}

fn read_text(relative: &str) -> Result<String, String> {
    String::from_utf8(read(relative)?).map_err(|e| format!("{relative}: {e}"))
}

#[expect(
    clippy::panic,
    reason = "this crate serves tests: vectors that do not load must fail them"
)]
fn sure<T>(loaded: Result<T, String>) -> T {
    match loaded {
        Ok(value) => value,
        Err(why) => panic!("conformance vectors: {why}"),
    }
}

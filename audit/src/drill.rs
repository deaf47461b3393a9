//! Can this backup be opened with the keys in escrow? Asked of a finished report; no plaintext is involved.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::{HashStatus, Report};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Drill {
    /// Version of this form.
    pub format: u32,
    /// `k8senc-drill`.
    pub kind: &'static str,
    /// Whether every live value opens.
    pub restorable: bool,
    /// Whether the file is what its writer hashed, as far as that can be told.
    pub damaged: bool,
    /// Live values.
    pub live: u64,
    /// Those that open, or are plaintext.
    pub opens: u64,
    /// By resource, by name.
    pub resources: Vec<DrillResource>,
    /// Keys and KMS that are missing or wrong, the one that most waits for first.
    pub missing: Vec<Missing>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DrillResource {
    /// `secrets`, `deployments.apps`.
    pub resource: String,
    /// Live values.
    pub live: u64,
    /// Those that open, or are plaintext.
    pub opens: u64,
    /// Those that do not open.
    pub unreadable: u64,
    /// Those that wait for a KMS.
    pub undecided: u64,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Missing {
    /// `aescbc` and so on.
    pub provider: &'static str,
    /// The key's name, or the KMS provider's.
    pub key: Option<String>,
    /// KMS v2: the key_id under which the DEKs are wrapped.
    pub key_id: Option<String>,
    /// Core's stable code, or `dek-missing`.
    pub code: String,
    /// What is missing, in words.
    pub what: String,
    /// Live values that wait for it.
    pub live: u64,
}

impl Report {
    /// Reads the answer off the report.
    #[must_use]
    pub fn drill(&self) -> Drill {
        let resources: Vec<DrillResource> = self
            .resources
            .iter()
            .filter(|r| r.counts.live > 0)
            .map(|r| DrillResource {
                resource: r.resource.clone(),
                live: r.counts.live,
                opens: r
                    .counts
                    .live
                    .saturating_sub(r.counts.unreadable + r.counts.undecided),
                unreadable: r.counts.unreadable,
                undecided: r.counts.undecided,
            })
            .collect();
        let live = resources.iter().map(|r| r.live).sum();
        let opens = resources.iter().map(|r| r.opens).sum();
        let damaged =
            self.snapshot.sha256.status == HashStatus::Mismatch || self.snapshot.damaged_rows > 0;
        Drill {
            format: 1,
            kind: "k8senc-drill",
            restorable: live > 0 && live == opens && !damaged,
            damaged,
            live,
            opens,
            resources,
            missing: self.missing(),
        }
    }

    fn missing(&self) -> Vec<Missing> {
        /// Whether the same key opens other values comes last.
        type Key = (&'static str, Option<String>, Option<String>, String, bool);
        let mut sums: BTreeMap<Key, u64> = BTreeMap::new();
        for group in &self.groups {
            let whys = group
                .unreadable_why
                .iter()
                .map(|why| (why.code.clone(), why.live));
            let waits = std::iter::once(("dek-missing".to_owned(), group.counts.undecided));
            for (code, live) in whys.chain(waits).filter(|(_, live)| *live > 0) {
                let good = group.counts.live > group.counts.unreadable + group.counts.undecided;
                let key = (
                    group.provider,
                    group.key.clone(),
                    group.key_id.clone(),
                    code,
                    good,
                );
                *sums.entry(key).or_default() += live;
            }
        }
        let missing = sums
            .into_iter()
            .map(|((provider, key, key_id, code, good), live)| Missing {
                what: what(provider, key.as_deref(), key_id.as_deref(), &code, good),
                provider,
                key,
                key_id,
                code,
                live,
            });
        let mut missing: Vec<Missing> = missing.collect();
        missing.sort_by_key(|m| std::cmp::Reverse(m.live));
        missing
    }
}

fn what(provider: &str, key: Option<&str>, key_id: Option<&str>, code: &str, good: bool) -> String {
    let name = key.map_or_else(String::new, |key| format!(" {key}"));
    let wrapped = key_id.map_or_else(String::new, |id| format!(", key_id {id}"));
    match code {
        "authentication" | "not-an-object" if good => format!(
            "values of {provider}{name}{wrapped} that are damaged or copied from another etcd key: the same key opens others"
        ),
        "dek-missing" => {
            format!("the KMS of {provider}{name}{wrapped}: nobody was asked, or it did not answer")
        }
        "dek-refused" => format!("the KMS of {provider}{name}{wrapped} refused to decrypt the DEK"),
        "no-matching-key" | "no-matching-prefix" => {
            format!("the {provider} key{name}: no key of this name is in the configuration")
        }
        "authentication" => format!(
            "the {provider} key{name}{wrapped}: the key of this name is another one, or the values are damaged"
        ),
        "not-an-object" => {
            format!("the {provider} key{name}: values open to no object, so the key is another one")
        }
        "identity-refused" => {
            format!("a rule for these resources: values of {provider}{name} are read as plaintext")
        }
        _ => format!("values of {provider}{name}{wrapped} do not open: {code}"),
    }
}

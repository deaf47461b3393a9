//! What is said about each value, and about all of them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::open::{Opened, Refused};
use k8senc_audit::trial::Hint;

/// What became of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Written in the form that was asked for.
    Written,
    /// Written as its raw bytes, since it has no such form.
    WrittenRaw,
    /// It does not open.
    Refused,
    /// It waits for a DEK that only the KMS can unwrap.
    Undecided,
    /// It opened, and its file could not be made.
    NotWritten,
}

/// One value. Texts of the file are escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// The etcd key.
    pub etcd_key: String,
    /// Its revision.
    pub revision: i64,
    /// `secrets`, `deployments.apps`; none for what is no Kubernetes object.
    pub resource: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// The file below the output folder.
    pub file: Option<String>,
    /// `aescbc` and so on.
    pub provider: &'static str,
    /// The key or KMS provider.
    pub key: Option<String>,
    /// Core's stable code of a refusal, or why the value was written raw or not at all.
    pub code: Option<String>,
    /// The same in words; kube-apiserver's own where it would refuse.
    pub text: Option<String>,
    /// What would have opened it, or what opened it against the configuration.
    pub hint: Option<Hint>,
    /// It holds an object of another name than its etcd key.
    pub moved: bool,
    /// Nothing authenticates it and it is no object.
    pub unverified: bool,
    /// Fields left out of its text, since a newer Kubernetes wrote them.
    pub unknown_fields: u64,
}

impl Entry {
    pub(crate) fn take(&mut self, opened: Opened) {
        self.provider = opened.provider;
        self.key = opened.key;
        self.moved = opened.moved;
        self.unverified = opened.unverified;
        self.hint = opened.near_miss;
    }

    pub(crate) fn refuse(&mut self, refused: Refused) {
        self.outcome = Outcome::Refused;
        self.provider = refused.provider;
        self.key = refused.key;
        self.code = Some(refused.code.to_owned());
        self.text = refused.upstream;
        self.hint = refused.hint;
    }
}

/// All values of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Summary {
    /// Values that were selected and reached.
    pub selected: u64,
    /// Written in the form that was asked for.
    pub written: u64,
    /// Written as raw bytes.
    pub raw: u64,
    /// Not opened.
    pub refused: u64,
    /// Waiting for a DEK.
    pub undecided: u64,
    /// Opened, but not written.
    pub not_written: u64,
    /// Holding an object of another name.
    pub moved: u64,
    /// Not authenticated and no object, written because that was asked for.
    pub unverified: u64,
    /// Opened by a key that the configuration does not name for them.
    pub by_trial: u64,
    /// With fields that were left out of the text.
    pub with_unknown_fields: u64,
    /// Rows of the snapshot that cannot be parsed, whatever was in them.
    pub damaged_rows: u64,
    /// The caller ended it before the end.
    pub cancelled: bool,
    /// Where the snapshot is damaged so that nothing behind it could be read.
    pub stopped: Option<String>,
    /// Why values were refused or wait, most first.
    pub reasons: Vec<Reason>,
}

/// Values that did not open for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// `aescbc` and so on.
    pub provider: &'static str,
    /// The key or KMS provider.
    pub key: Option<String>,
    /// Core's stable code, or `dek-missing`.
    pub code: String,
    /// What would have opened the first of them.
    pub hint: Option<Hint>,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: String,
}

/// Reasons told apart; a crafted file can carry another key name in each value.
const MAX_REASONS: usize = 1000;

/// Provider, key, code and the hint's code.
type ReasonKey = (&'static str, Option<String>, String, Option<&'static str>);

#[derive(Default)]
pub(crate) struct Counter {
    pub summary: Summary,
    reasons: BTreeMap<ReasonKey, Reason>,
}

impl Counter {
    pub(crate) fn add(&mut self, entry: &Entry) {
        let s = &mut self.summary;
        s.selected += 1;
        match entry.outcome {
            Outcome::Written => s.written += 1,
            Outcome::WrittenRaw => s.raw += 1,
            Outcome::Refused => s.refused += 1,
            Outcome::Undecided => s.undecided += 1,
            Outcome::NotWritten => s.not_written += 1,
        }
        s.moved += u64::from(entry.moved);
        s.unverified += u64::from(entry.unverified);
        s.with_unknown_fields += u64::from(entry.unknown_fields > 0);
        let opened = matches!(entry.outcome, Outcome::Written | Outcome::WrittenRaw);
        s.by_trial += u64::from(opened && entry.hint.is_some());
        if opened {
            return;
        }
        let code = entry.code.clone().unwrap_or_default();
        let hint = entry.hint.as_ref().map(|hint| hint.code);
        let mut key = (entry.provider, entry.key.clone(), code.clone(), hint);
        if self.reasons.len() >= MAX_REASONS && !self.reasons.contains_key(&key) {
            key.1 = Some("(others)".to_owned());
        }
        let reason = self.reasons.entry(key.clone()).or_insert_with(|| Reason {
            provider: entry.provider,
            key: key.1,
            code,
            hint: entry.hint.clone(),
            count: 0,
            example: entry.etcd_key.clone(),
        });
        reason.count += 1;
    }

    pub(crate) fn finish(mut self) -> Summary {
        self.summary.reasons = self.reasons.into_values().collect();
        self.summary
            .reasons
            .sort_by_key(|reason| std::cmp::Reverse(reason.count));
        self.summary
    }
}

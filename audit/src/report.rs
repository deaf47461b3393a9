//! What an audit says. The JSON form is described by `schema/audit-report.schema.json`.
//!
//! Every text that came out of the file is escaped already ([`escape`](crate::escape())): one line, nothing a terminal obeys.

mod csv;
mod encode;
mod html;
mod html_evidence;
mod json;
mod markdown;
mod namespaces;
mod picture;
mod prometheus;
mod redact;
mod residue;
mod sarif;
mod summary;
mod time;
mod uses;
mod write;

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

pub(crate) use encode::count;
pub use namespaces::{Namespace, OtherNamespaces};
pub use residue::{LogGroup, LogReport, Residue, ResidueGroup};
pub use time::{Dated, Time};
pub use uses::{ConfigUse, KeyUse, OpenedBy, Removable};
pub use write::{About, ReportFormat, UnknownFormat};

/// What stands between our words and kube-apiserver's in a message.
pub(crate) const UPSTREAM_SAYS: &str = "; kube-apiserver would say: ";

/// Version of the JSON form. Fields may be added under the same number; nothing is renamed or removed.
pub const FORMAT: u32 = 1;

/// The whole answer about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// `k8senc-audit`.
    pub kind: &'static str,
    /// Whether a configuration was given and values were opened; otherwise they are only classified.
    pub judged: bool,
    /// The file.
    pub snapshot: Snapshot,
    /// Sums over all Kubernetes objects.
    pub totals: Counts,
    /// Sums by resource, by name.
    pub resources: Vec<Resource>,
    /// Sums by namespace: those with most to do first, a hundred at most.
    pub namespaces: Vec<Namespace>,
    /// The sum of those that are not listed, if there are any.
    pub other_namespaces: Option<OtherNamespaces>,
    /// Counts by resource, provider, key and form.
    pub groups: Vec<Group>,
    /// Distinct DEKs by KMS provider.
    pub deks: Vec<DekCount>,
    /// Live etcd keys that name no Kubernetes object.
    pub other_keys: OtherKeys,
    /// What free pages still hold; `None` when nobody looked.
    pub residue: Option<Residue>,
    /// What the member's write-ahead log holds; `None` when none was given.
    pub log: Option<LogReport>,
    /// Nonces compared; a value without a nonce, or whose key's name is a guess, has no part in it.
    pub nonces: Nonces,
    /// The configurations, where several were given; the first judges.
    pub configurations: Vec<ConfigUse>,
    /// Which of them opens which values.
    pub opened_by: Vec<OpenedBy>,
    /// The latest time that an object names as its creation: the file is no older. Inferred.
    pub newest_object: Option<Time>,
    /// The keys of the configuration, and whether they may be removed.
    pub keys: Vec<KeyUse>,
    /// What deserves attention, the worst first.
    pub findings: Vec<Finding>,
}

/// The file and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Snapshot {
    /// `file`, or for rows of another source `etcd` or `kine`.
    pub source: &'static str,
    /// Length with trailer.
    pub bytes: u64,
    /// Newest revision.
    pub revision: i64,
    /// Compacted up to here; 0 before the first compaction.
    pub compact_revision: i64,
    /// Whether a compaction was scheduled and not finished.
    pub compaction_pending: bool,
    /// Last applied raft index.
    pub consistent_index: Option<u64>,
    /// Raft term.
    pub term: Option<u64>,
    /// `major.minor`, since etcd 3.6.
    pub storage_version: Option<String>,
    /// The etcd version that wrote the file, as far as the file tells.
    pub etcd_version: &'static str,
    /// Names with a current value, those of no Kubernetes object included.
    pub live_keys: u64,
    /// Rows of all revisions, tombstones included.
    pub rows: u64,
    /// Rows that are tombstones.
    pub tombstones: u64,
    /// Names whose newest row is a tombstone.
    pub deleted_keys: u64,
    /// Rows that cannot be parsed; they count nowhere else but in `rows`.
    pub damaged_rows: u64,
    /// The hash behind the pages.
    pub sha256: Sha256Check,
}

/// Whether the file is what its writer hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sha256Check {
    /// The comparison's outcome.
    pub status: HashStatus,
    /// Over all pages, hex.
    pub computed: Option<String>,
    /// Behind the pages, hex.
    pub stored: Option<String>,
}

/// See [`Sha256Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashStatus {
    /// As written.
    Match,
    /// Damaged or changed after it was written.
    Mismatch,
    /// The file has no hash: a member's own db file.
    Absent,
    /// The caller did not want it checked.
    Unchecked,
}

/// Values counted. *live* is the current value of a name; *history* a superseded one, or one of a deleted name, that
/// compaction has not removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counts {
    /// Live values.
    pub live: u64,
    /// Live values stored unencrypted.
    pub plaintext: u64,
    /// Of these, the ones of a resource that a rule encrypts, and Secrets.
    pub exposed: u64,
    /// Live values that kube-apiserver calls stale: it would write them differently. Exposed ones count here too.
    pub stale: u64,
    /// Live values that open, but whether they are stale depends on a KMS state that is not known.
    pub stale_unknown: u64,
    /// Live values that do not open, or open to no object.
    pub unreadable: u64,
    /// Live values whose DEK is not there.
    pub undecided: u64,
    /// Live values that hold an object of another name than their etcd key.
    pub moved: u64,
    /// History.
    pub history: u64,
    /// History stored unencrypted.
    pub history_plaintext: u64,
    /// Of these, the ones of a resource that a rule encrypts, and Secrets.
    pub history_exposed: u64,
    /// History that does not open, or opens to no object.
    pub history_unreadable: u64,
    /// History whose DEK is not there.
    pub history_undecided: u64,
    /// Names deleted.
    pub deleted_keys: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            live,
            plaintext,
            exposed,
            stale,
            stale_unknown,
            unreadable,
            undecided,
            moved,
            history,
            history_plaintext,
            history_exposed,
            history_unreadable,
            history_undecided,
            deleted_keys,
        } = other;
        self.live += live;
        self.plaintext += plaintext;
        self.exposed += exposed;
        self.stale += stale;
        self.stale_unknown += stale_unknown;
        self.unreadable += unreadable;
        self.undecided += undecided;
        self.moved += moved;
        self.history += history;
        self.history_plaintext += history_plaintext;
        self.history_exposed += history_exposed;
        self.history_unreadable += history_unreadable;
        self.history_undecided += history_undecided;
        self.deleted_keys += deleted_keys;
    }
}

/// One resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Resource {
    /// `secrets`, `deployments.apps`.
    pub resource: String,
    /// Whether the rule that takes it has a provider that encrypts; `None` without a configuration.
    pub covered: Option<bool>,
    /// The rule that takes it, as the configuration names it.
    pub rule: Option<String>,
    /// Its values.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Values of one resource under one provider, key and form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Group {
    /// `secrets`, `deployments.apps`.
    pub resource: String,
    /// `identity`, `aescbc`, `aesgcm`, `secretbox`, `kms-v1`, `kms-v2`, `unknown` or `empty`.
    pub provider: &'static str,
    /// The key's name, or the KMS provider's.
    pub key: Option<String>,
    /// Whether `key` is a guess: a name may hold colons, and only the configuration says where it ends.
    pub guessed: bool,
    /// KMS v2: what the plugin called its KEK.
    pub key_id: Option<String>,
    /// KMS v2: `sha256:` of the key_id, as kube-apiserver's metrics have it.
    pub key_id_hash: Option<String>,
    /// The oldest revision among its values, superseded ones included; 0 without any.
    pub first_revision: i64,
    /// The newest one: when the key was last used to write, as far as this file tells.
    pub last_revision: i64,
    /// When the first revision was written: inferred from objects created before and after.
    pub first_use: Option<Dated>,
    /// When the last revision was.
    pub last_use: Option<Dated>,
    /// Writes of the names of its live values since they were created, as etcd counts them: under this key at most so many.
    pub versions: u64,
    /// KMS v2: `seed` or `key`, as stored; KMS v1: `gcm` or `cbc`, known once a value was opened.
    pub form: Option<&'static str>,
    /// Its values.
    #[serde(flatten)]
    pub counts: Counts,
    /// Live stale values by reason; a value may have several.
    pub stale_why: BTreeMap<&'static str, u64>,
    /// Values that do not open, by reason.
    pub unreadable_why: Vec<Unreadable>,
}

/// Values that do not open for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Unreadable {
    /// Core's stable code, or `not-an-object`: it opens, but no Kubernetes object comes out.
    pub code: String,
    /// kube-apiserver's own text, where it would refuse.
    pub upstream: Option<String>,
    /// Live values.
    pub live: u64,
    /// Superseded or deleted ones.
    pub history: u64,
    /// The newest of them, live ones only where there are any.
    pub examples: Vec<Example>,
}

/// One row of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// The etcd key, escaped.
    pub etcd_key: String,
    /// Its revision.
    pub revision: i64,
}

/// Distinct DEKs of one KMS provider: the Decrypt calls of a cold start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DekCount {
    /// The provider's name.
    pub provider: String,
    /// `v1` or `v2`.
    pub api: &'static str,
    /// DEKs of live values.
    pub live: u64,
    /// DEKs of all values.
    pub all: u64,
}

/// Live etcd keys that name no Kubernetes object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OtherKeys {
    /// kube-apiserver's own bookkeeping.
    pub housekeeping: u64,
    /// Not below the etcd prefix.
    pub foreign: u64,
    /// The newest of both.
    pub examples: Vec<Example>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Somebody should act.
    Error,
    /// Somebody should know and plan.
    Warning,
    /// Worth a line.
    #[default]
    Info,
}

/// Where the values of a finding are. The classes are never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The value that the API serves now.
    Current,
    /// A superseded revision, or one of a deleted name, in a row that compaction has not removed.
    History,
    /// Bytes that no row names any more.
    Residue,
    /// The file itself, or the configuration.
    #[default]
    File,
}

impl Class {
    /// `current`, `history`, `residue`, `file`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::History => "history",
            Self::Residue => "residue",
            Self::File => "file",
        }
    }

    /// What a finding of this class proves, and what it does not.
    #[must_use]
    pub const fn proves(self) -> Option<&'static str> {
        match self {
            Self::History => Some(
                "is an older version that anybody with this file reads by its revision; the API does not serve it, and the object may be gone or encrypted since",
            ),
            Self::Residue => Some(
                "was written once and can be recovered from this file with a hex editor; it does not prove that the object still exists or is unencrypted now",
            ),
            Self::Current | Self::File => None,
        }
    }
}

/// Nonces that were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Nonces {
    /// Distinct ones.
    pub compared: u64,
    /// Values met after as many as are kept: of these nothing is known.
    pub beyond: u64,
}

/// One thing that deserves attention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// Stable name.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where its values are.
    pub class: Class,
    /// The resource, where it is about one.
    pub resource: Option<String>,
    /// The provider, where it is about one.
    pub provider: Option<&'static str>,
    /// The key or KMS provider, where it is about one.
    pub key: Option<String>,
    /// The KMS v2 key_id, where it is about one.
    pub key_id: Option<String>,
    /// Values, rows or warnings.
    pub count: u64,
    /// What was found.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
    /// A few of them.
    pub examples: Vec<Example>,
}

impl Report {
    /// The exit code that a command gives it: 3 when the file is damaged (the hash does not match, or rows cannot be
    /// parsed), 1 when something was found, 4 when nothing was found but not everything could be decided, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let damaged =
            self.snapshot.sha256.status == HashStatus::Mismatch || self.snapshot.damaged_rows > 0;
        let undecided = |f: &Finding| {
            matches!(
                f.code,
                "undecided" | "staleness-unknown" | "foreign-objects"
            )
        };
        let matters = |f: &&Finding| f.severity != Severity::Info;
        if damaged {
            3
        } else if self.findings.iter().filter(matters).any(|f| !undecided(f)) {
            1
        } else if self.findings.iter().any(undecided) {
            4
        } else {
            0
        }
    }
}

//! What a thread makes of one batch, on its way to the counters.

use etcd_store::{NameHash, RowKey};
use k8senc::chain::Staleness;
use k8senc::kms::DekRequest;

use crate::marks::Mark;
use crate::names::ByName;
use crate::namespaces::Spaces;
use crate::timeline::Anchor;

/// Which counter a row belongs to. Texts are bytes of the file, not yet escaped.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupKey {
    pub place: Place,
    pub provider: &'static str,
    pub key: Option<Vec<u8>>,
    pub guessed: bool,
    pub key_id: Option<Vec<u8>>,
    pub form: Option<&'static str>,
}

/// What an etcd key belongs to. The name is clipped like all texts here.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    Resource {
        name: Vec<u8>,
        covered: Option<bool>,
        rule: Option<String>,
    },
    Housekeeping,
    #[default]
    Foreign,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// Without configuration, or no object of Kubernetes: nothing was opened.
    Classified,
    Opened(Staleness),
    /// Index into [`Part::whys`].
    Refused(usize),
    Undecided,
    Tombstone,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub state: State,
    pub plaintext: bool,
    pub exposed: bool,
    pub moved: bool,
}

/// One row, judged.
pub(crate) struct Seen {
    pub key: RowKey,
    pub name: NameHash,
    /// Index into [`Part::groups`].
    pub group: usize,
    /// Index into [`Part::spaces`]; `None` for what is no object.
    pub space: Option<usize>,
    /// Index into [`Part::deks`].
    pub dek: Option<usize>,
    pub verdict: Verdict,
    /// How often its name was written, as etcd counts it; 0 when the source does not say.
    pub version: i64,
    /// The nonce under its key, where the key is known for certain.
    pub mark: Option<Mark>,
    /// Name and value, where the write-ahead log holds them too.
    pub logged: Option<NameHash>,
    /// The configurations that open it, a bit each, and those that wait for a KMS.
    pub opens: (u32, u32),
    /// Place of the etcd key in [`Part::names`], for rows that may become examples.
    pub text: Option<(usize, usize)>,
}

pub(crate) struct Dek {
    pub hash: NameHash,
    pub provider: Vec<u8>,
    pub api: &'static str,
    /// Only in a survey.
    pub requests: Vec<DekRequest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub code: &'static str,
    pub upstream: Option<Vec<u8>>,
}

/// A value that did not open, to be tried with other keys; ciphertext, or what no rule reads.
#[derive(Clone)]
pub(crate) struct Sample {
    /// Index into [`Part::groups`].
    pub group: usize,
    /// Index into [`Part::whys`].
    pub why: usize,
    pub etcd_key: Vec<u8>,
    pub stored: Vec<u8>,
}

/// What one batch holds, newest row first.
#[derive(Default)]
pub(crate) struct Part {
    pub rows: Vec<Seen>,
    pub groups: Vec<(NameHash, GroupKey)>,
    pub deks: Vec<Dek>,
    pub spaces: Spaces,
    pub whys: Vec<Why>,
    pub names: Vec<u8>,
    pub damaged: Vec<(RowKey, u64)>,
    /// Revisions and the times of objects created at them.
    pub anchors: Vec<Anchor>,
    /// A few values that did not open.
    pub samples: Vec<Sample>,
    /// Pages with bytes where there should be none.
    pub slack: Vec<u64>,
    pub group_index: ByName<usize>,
    pub dek_index: ByName<usize>,
    /// The newest group, by what was hashed for it.
    pub newest: (Vec<u8>, usize),
}

impl Part {
    pub fn why(&mut self, why: Why) -> usize {
        // A handful of kinds; plugins' texts may differ for each value, so only the newest are compared.
        const COMPARED: usize = 32;
        let from = self.whys.len().saturating_sub(COMPARED);
        let known = self.whys.iter().skip(from).position(|w| *w == why);
        known.map_or_else(
            || {
                self.whys.push(why);
                self.whys.len() - 1
            },
            |at| from + at,
        )
    }
}

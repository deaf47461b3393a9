//! A member's write-ahead log: it keeps every value as it was sent since its oldest file began, whatever was compacted and
//! defragmented meanwhile.
//!
//! It is read before the rows, and each row takes out what it still holds; so what is left is in the log alone.

use std::collections::BTreeMap;

use etcd_store::wal::{Log, Place};
use etcd_store::{NameHash, PageSource};

use crate::escape::shown;
use crate::examine::Context;
use crate::kinds::Kinds;
use crate::names::ByName;
use crate::options::Pace;
use crate::report::{Example, LogGroup, LogReport};
use crate::{AuditError, escape::clip};

/// Distinct values remembered; real logs hold five files of 64 MB.
const MAX_VALUES: usize = 2_000_000;
/// Names kept for examples.
const MAX_NAMES: usize = 100_000;

/// One file of `member/wal`.
#[derive(Clone, Copy)]
pub struct LogFile<'a> {
    /// The file's name; the order of the names is that of the log.
    pub name: &'a [u8],
    /// Its bytes.
    pub source: &'a (dyn PageSource + Sync),
}

impl core::fmt::Debug for LogFile<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("LogFile").field(&shown(self.name)).finish()
    }
}

struct Value {
    kind: u32,
    times: u64,
    /// Raft index of the last time.
    index: u64,
    name: Option<Box<[u8]>>,
}

/// What a log holds.
#[derive(Default)]
pub(crate) struct Logged {
    values: ByName<Value>,
    kinds: Kinds,
    names: usize,
    counts: LogReport,
    /// Raft index of each value that was put, in the order of the log.
    puts: Vec<u64>,
}

impl Logged {
    /// Reads the files, in the order of their names.
    pub(crate) fn collect(
        files: &[LogFile<'_>],
        shared: &Context<'_>,
        pace: &Pace<'_>,
    ) -> Result<Self, AuditError> {
        let mut files = files.to_vec();
        files.sort_by_key(|file| file.name);
        let (mut found, mut crc) = (Self::default(), None);
        for file in files {
            let named = |error: etcd_store::Error| AuditError::Log {
                name: shown(file.name),
                error,
            };
            let (mut log, mut buffer) = (Log::new(file.source, crc), Vec::new());
            let (mut at, mut records) = (0, 0_u64);
            while let Some(record) = log.next_record(&mut buffer).map_err(named)? {
                let end = record.offset;
                records += 1;
                found.counts.unsound += u64::from(!record.sound);
                if let Some(entry) = record.entry().map_err(named)? {
                    found.counts.entries += 1;
                    // An entry that is no request of a client names no values.
                    let _ = entry.values(&mut |written| {
                        found.add(
                            entry.index,
                            written.place,
                            written.key,
                            written.value,
                            shared,
                        );
                    });
                }
                pace.step(end.saturating_sub(at))?;
                at = end;
            }
            if records == 0 {
                // Every log begins with a checksum; zeros are a file that was only reserved.
                let kind = etcd_store::ErrorKind::BadWalRecord { offset: 0 };
                return Err(named(etcd_store::Error {
                    kind,
                    page: None,
                    element: None,
                }));
            }
            found.counts.torn |= log.is_torn();
            found.counts.files += 1;
            crc = log.crc();
        }
        Ok(found)
    }

    fn add(&mut self, index: u64, place: Place, key: &[u8], value: &[u8], shared: &Context<'_>) {
        self.counts.values += 1;
        if matches!(place, Place::Put | Place::Success) {
            self.puts.push(index);
        }
        // What a transaction compares with is a value all the same, but Kubernetes compares revisions only.
        let Some((kind, exposed)) = self.kinds.of(key, value, shared) else {
            return;
        };
        if place == Place::Compare {
            return;
        }
        self.counts.exposed += u64::from(exposed);
        let hash = shared.content(key, value);
        if let Some(known) = self.values.get_mut(&hash) {
            known.times += 1;
            known.index = index;
            return;
        }
        if self.values.len() >= MAX_VALUES {
            self.counts.beyond += 1;
            return;
        }
        let name = (exposed && self.names < MAX_NAMES).then(|| clip(key).into_boxed_slice());
        self.names += usize::from(name.is_some());
        let known = Value {
            kind,
            times: 1,
            index,
            name,
        };
        self.values.insert(hash, known);
    }

    /// Whether the log holds this value of this name.
    pub(crate) fn holds(&self, content: &NameHash) -> bool {
        self.values.contains_key(content)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What is in the log, and what of it in no row (those of `rows` are taken out). `applied` is the raft index up to
    /// which the rows hold it.
    pub(crate) fn report(
        mut self,
        rows: &[NameHash],
        applied: Option<u64>,
        most: usize,
    ) -> LogReport {
        let mut all: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for value in self.values.values() {
            all.entry(value.kind).or_default().0 += value.times;
        }
        for row in rows {
            self.values.remove(row);
        }
        let mut left: Vec<&Value> = self.values.values().collect();
        left.sort_by(|a, b| (b.index, &b.name).cmp(&(a.index, &a.name)));
        let mut examples: BTreeMap<u32, Vec<Example>> = BTreeMap::new();
        for value in left {
            all.entry(value.kind).or_default().1 += 1;
            let list = examples.entry(value.kind).or_default();
            if let (true, Some(name)) = (list.len() < most, &value.name) {
                list.push(Example {
                    etcd_key: shown(name),
                    revision: i64::try_from(value.index).unwrap_or(i64::MAX),
                });
            }
        }
        let mut groups: Vec<LogGroup> = all
            .into_iter()
            .filter_map(|(at, (values, only))| {
                let kind = self.kinds.get(at)?;
                Some(LogGroup {
                    resource: shown(&kind.resource),
                    provider: kind.provider,
                    key: kind.key.as_deref().map(shown),
                    exposed: kind.exposed,
                    values,
                    only,
                    examples: examples.remove(&at).unwrap_or_default(),
                })
            })
            .collect();
        groups.sort_by(|a, b| {
            let key = |g: &LogGroup| (g.resource.clone(), g.provider, g.key.clone(), g.exposed);
            key(a).cmp(&key(b))
        });
        let mut counts = self.counts;
        // A file that was never committed to names no index.
        let applied = applied.unwrap_or_default();
        counts.pending = self.puts.iter().filter(|index| **index > applied).count() as u64;
        counts.only = groups.iter().map(|g| g.only).sum();
        counts.groups = groups;
        counts
    }
}

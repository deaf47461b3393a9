//! An opened file: its facts, and the doors to its rows and free pages.

use alloc::vec::Vec;

use crate::bucket::Root;
use crate::endian::Endian;
use crate::leaf::{newest, touch};
use crate::page::{Body, Pages};
use crate::tree::walk;
use crate::{
    Batch, Claims, Error, ErrorKind, Layout, Leaf, LeafRun, Leaves, PageSource, RowKey, Warning,
};

/// How much a reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Read a file shorter than its pages as far as it goes (forensic use).
    pub accept_truncated: bool,
    /// Longest page run in bytes. etcd's largest with default limits is about 6 MiB.
    pub max_run_bytes: u64,
    /// Most warnings kept.
    pub max_warnings: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accept_truncated: false,
            max_run_bytes: 128 << 20,
            max_warnings: 64,
        }
    }
}

/// Facts from bucket `meta` and the top of bucket `key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Newest revision, as etcd computes it at start; at least 1.
    pub revision: i64,
    /// Compact revision, 0 before the first compaction. Rows older than it may be missing.
    pub compact_revision: i64,
    /// Whether a compaction was scheduled but not finished.
    pub compaction_pending: bool,
    /// Last applied raft index.
    pub consistent_index: Option<u64>,
    /// Raft term, since etcd 3.5.
    pub term: Option<u64>,
    /// Storage version (major, minor), since etcd 3.6.
    pub storage_version: Option<(u16, u16)>,
}

impl Info {
    /// The revision a reader means by `revision`, where 0 is the newest.
    ///
    /// # Errors
    /// As etcd answers: [`ErrorKind::FutureRevision`] and [`ErrorKind::Compacted`].
    pub const fn resolve(&self, revision: i64) -> Result<i64, Error> {
        match revision {
            ..=0 => Ok(self.revision),
            r if r > self.revision => Err(Error::new(ErrorKind::FutureRevision {
                current: self.revision,
            })),
            r if r < self.compact_revision => Err(Error::new(ErrorKind::Compacted {
                compact: self.compact_revision,
            })),
            r => Ok(r),
        }
    }

    /// The etcd version that wrote the file, as far as the file tells.
    #[must_use]
    pub const fn version_guess(&self) -> &'static str {
        match (self.storage_version, self.term) {
            (Some(_), _) => "3.6 or later",
            (None, Some(_)) => "3.5",
            (None, None) => "3.4 or earlier",
        }
    }
}

/// An etcd backend file or snapshot: metas chosen, all buckets found, every bucket but `key` walked.
///
/// Reading methods take `&self`; with a `Sync` source several threads may use one store.
pub struct Store<S> {
    pub(crate) pages: Pages<S>,
    pub(crate) claims: Claims,
    pub(crate) rows: Root,
    info: Info,
    warnings: Vec<Warning>,
}

impl<S> core::fmt::Debug for Store<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Store")
            .field("layout", &self.pages.layout)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Found {
    rows: Option<Root>,
    meta: bool,
    buckets: u64,
    etcd: bool,
    scheduled: i64,
    finished: i64,
}

impl<S: PageSource> Store<S> {
    /// Opens a file. Reads the meta pages, the root bucket and the small buckets; of bucket `key` one path only.
    ///
    /// # Errors
    /// Everything that keeps the file from being one etcd wrote: see [`ErrorKind`]. A file without the buckets `key`
    /// and `meta` is an error, never an empty store.
    pub fn open(source: S, options: &Options) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let layout = Layout::read(&source, options, &mut warnings)?;
        let pages = Pages::new(source, layout, options);
        let mut claims = Claims::new(pages.present())?;
        let mut info = Info::default();
        let mut found = Found::default();
        let root = layout.meta.root;
        walk(
            &pages,
            &mut claims,
            Root::Tree(root),
            &mut |claims, run, index, element| {
                let Body::Value {
                    bucket: true,
                    value,
                } = element.body
                else {
                    let kind = if RowKey::parse(element.key).is_some() {
                        ErrorKind::TornCopy
                    } else {
                        ErrorKind::NotEtcd
                    };
                    return Err(Error::at(kind, run.page, index));
                };
                let offset = run.offset + (element.end - value.len()) as u64;
                let (bucket, warning) =
                    Root::parse(pages.endian(), value, offset, run.page, index)?;
                warnings.extend(warning.filter(|_| warnings.len() < options.max_warnings));
                found.buckets += 1;
                match element.key {
                    b"key" => {
                        found.rows = Some(bucket);
                        return Ok(());
                    }
                    b"meta" => found.meta = true,
                    b"lease" | b"members" | b"members_removed" | b"cluster" | b"auth"
                    | b"authUsers" | b"authRoles" | b"alarm" => found.etcd = true,
                    _ => {}
                }
                let is_meta = element.key == b"meta";
                walk(
                    &pages,
                    claims,
                    bucket,
                    &mut |_, run, index, element| match element.body {
                        Body::Value {
                            bucket: false,
                            value,
                        } => {
                            if is_meta && let Some(name) = info.take(element.key, value, &mut found)
                            {
                                warnings.push(Warning::BadMetaValue { name });
                            }
                            Ok(())
                        }
                        _ => Err(Error::at(ErrorKind::NestedBucket, run.page, index)),
                    },
                )
            },
        )?;
        let rows = match found.rows {
            Some(rows) if found.meta => rows,
            None if !found.meta && !found.etcd => return Err(Error::on(ErrorKind::NotEtcd, root)),
            _ => return Err(Error::on(ErrorKind::TornCopy, root)),
        };
        let newest = newest(&pages, claims.clone(), rows)?;
        info.compact_revision = found.scheduled.max(found.finished);
        info.compaction_pending = found.scheduled > found.finished;
        info.revision = newest
            .map_or(0, |key| key.revision.main)
            .max(info.compact_revision)
            .max(1);
        Ok(Self {
            pages,
            claims,
            rows,
            info,
            warnings,
        })
    }

    /// What the meta pages say.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.pages.layout
    }

    /// What bucket `meta` and the newest row say.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What is odd but did not stop the reader, in the order met.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Byte order of the file.
    #[must_use]
    pub const fn endian(&self) -> Endian {
        self.pages.layout.endian
    }

    /// The source the store reads from.
    pub const fn source(&self) -> &S {
        &self.pages.source
    }

    /// A new walk over the leaf runs of bucket `key`, newest first.
    pub fn leaves(&self) -> Leaves<'_, S> {
        Leaves::new(&self.pages, self.claims.clone(), self.rows)
    }

    /// Touches the rows of some runs, so that reading these runs next does not wait for memory at each row.
    ///
    /// Worth a fifth of a walk over a mapped file; does nothing when the source lends no slices. 16 to 64 runs at a
    /// time are best: few enough to stay in the cache.
    pub fn warm(&self, runs: &[LeafRun]) {
        let touched = runs
            .iter()
            .fold(0, |sum, run| sum ^ touch(&self.pages, run));
        core::hint::black_box(touched);
    }

    /// Reads and checks one leaf run. `buffer` is used when the source cannot lend its bytes; reuse it.
    ///
    /// # Errors
    /// Any fault of the run or its rows; [`ErrorKind::Io`] when the source fails or changed.
    pub fn leaf<'a>(&'a self, run: &LeafRun, buffer: &'a mut Vec<u8>) -> Result<Leaf<'a>, Error> {
        Leaf::read(&self.pages, run, None, buffer)
    }

    /// Like [`leaf`](Self::leaf), for a run of `batch` whose bytes are most likely there already.
    ///
    /// # Errors
    /// As [`leaf`](Self::leaf).
    pub fn leaf_in<'a>(
        &'a self,
        batch: &'a Batch,
        run: &LeafRun,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Leaf<'a>, Error> {
        Leaf::read(&self.pages, run, Some(&batch.window), buffer)
    }
}

impl Info {
    /// Takes one value of bucket `meta`; answers its name if its length is wrong.
    fn take(&mut self, name: &[u8], value: &[u8], found: &mut Found) -> Option<&'static str> {
        let number = value.try_into().ok().map(u64::from_be_bytes);
        let revision = RowKey::parse(value)
            .filter(|k| !k.tombstone)
            .map(|k| k.revision.main);
        match name {
            b"consistent_index" => {
                self.consistent_index = number;
                number.is_none().then_some("consistent_index")
            }
            b"term" => {
                self.term = number;
                number.is_none().then_some("term")
            }
            b"scheduledCompactRev" => {
                found.scheduled = revision.unwrap_or(0);
                revision.is_none().then_some("scheduledCompactRev")
            }
            b"finishedCompactRev" => {
                found.finished = revision.unwrap_or(0);
                revision.is_none().then_some("finishedCompactRev")
            }
            b"storageVersion" => {
                self.storage_version = version(value);
                self.storage_version.is_none().then_some("storageVersion")
            }
            _ => None,
        }
    }
}

/// Major and minor of "3.6.0" or "3.6".
fn version(text: &[u8]) -> Option<(u16, u16)> {
    let mut parts = core::str::from_utf8(text).ok()?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

//! One pass over the state of a source at one revision.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

use etcd_store::{Batch, Class, HashKey, Info, LiveSet, NameHash, PageSource, RowKey, Store};
use k8s_object::{EtcdKey, EtcdName, parse_etcd_key};
use k8senc_audit::{AuditError, Piece, Progress, RowSource};

use crate::{RecoveryError, Selection};

/// How to read the snapshot.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// The cluster's `--etcd-prefix`, where it is not one of the usual.
    pub etcd_prefix: Option<&'a [u8]>,
    /// Told the bytes done and the bytes in all, every MiB or so.
    pub progress: Option<Progress<'a>>,
    /// Looked at between two objects; `true` ends with a summary that says so.
    pub cancel: Option<&'a AtomicBool>,
}

impl Options<'_> {
    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// Where values come from.
pub enum Source<'a> {
    /// A snapshot, or a member's db file.
    Pages(&'a (dyn PageSource + Sync)),
    /// Rows as they come: a live etcd, kine. The source may answer with one revision only; a [`Selection`] that asks for
    /// another is refused where no superseded rows come.
    Rows(&'a mut dyn RowSource),
}

impl core::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Pages(_) => "Pages",
            Self::Rows(_) => "Rows",
        })
    }
}

/// What was walked over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    pub damaged_rows: u64,
}

/// Called with a name where the key is an object's, its row, its etcd key and its stored value.
pub(crate) type Visit<'v> =
    dyn FnMut(Option<&EtcdName<'_>>, RowKey, &[u8], &[u8]) -> Result<(), RecoveryError> + 'v;

/// Visits the values that the selection takes, newest first where a name has several.
pub(crate) fn walk(
    source: Source<'_>,
    selection: &Selection,
    options: &Options<'_>,
    visit: &mut Visit<'_>,
) -> Result<Walked, RecoveryError> {
    match source {
        Source::Pages(pages) => walk_pages(pages, selection, options, visit),
        Source::Rows(rows) => walk_rows(rows, selection, options, visit),
    }
}

fn walk_pages(
    source: &(dyn PageSource + Sync),
    selection: &Selection,
    options: &Options<'_>,
    visit: &mut Visit<'_>,
) -> Result<Walked, RecoveryError> {
    let store = Store::open(source, &etcd_store::Options::default())?;
    let mut state = State::new(store.info(), selection, options)?;
    let (mut leaves, mut batch, mut buffer) = (store.leaves(), Batch::new(), Vec::new());
    let (mut done, total) = (0, store.layout().db_len);
    let mut walked = Walked::default();
    loop {
        let more = leaves.load(&mut batch, 256);
        for run in batch.runs() {
            let leaf = store.leaf_in(&batch, run, &mut buffer)?;
            for row in leaf.rows().rev() {
                if row.key.revision.main > state.at {
                    continue;
                }
                match row.key_value() {
                    Ok(kv) => state.row(row.key, kv.key, kv.value, visit)?,
                    Err(_) => walked.damaged_rows += 1,
                }
            }
            done += run.byte_len();
        }
        if let Some(progress) = options.progress {
            progress(done.min(total), total);
        }
        if options.cancelled() {
            return Err(AuditError::Cancelled.into());
        }
        if !more? {
            return Ok(walked);
        }
    }
}

fn walk_rows(
    source: &mut dyn RowSource,
    selection: &Selection,
    options: &Options<'_>,
    visit: &mut Visit<'_>,
) -> Result<Walked, RecoveryError> {
    let about = source.about();
    let mut info = Info::default();
    info.revision = about.revision;
    // Without superseded rows no older revision can be shown.
    info.compact_revision = if about.history {
        about.compact_revision
    } else {
        about.revision
    };
    let mut state = State::new(&info, selection, options)?;
    if !about.history {
        // What comes is the state of one revision already.
        state.at = i64::MAX;
    }
    loop {
        let (mut end, mut stopped) = (false, Ok(()));
        let more = source.next_rows(&mut |piece| match piece {
            // Pages come after all rows.
            Piece::Page(_) => end = true,
            Piece::Row(row) if stopped.is_ok() && !row.leftover => {
                stopped = state.row(row.key, row.etcd_key, row.value, visit);
            }
            Piece::Row(_) => {}
        });
        stopped?;
        let (done, total) = source.progress();
        if let Some(progress) = options.progress {
            progress(done.min(total), total);
        }
        if options.cancelled() {
            return Err(AuditError::Cancelled.into());
        }
        if !more? || end {
            return Ok(Walked::default());
        }
    }
}

/// Decides row by row what is current at the wanted revision, and what of it is wanted.
struct State<'a> {
    at: i64,
    live: LiveSet,
    hash_key: HashKey,
    selection: &'a Selection,
    options: &'a Options<'a>,
}

impl<'a> State<'a> {
    fn new(
        info: &Info,
        selection: &'a Selection,
        options: &'a Options<'a>,
    ) -> Result<Self, RecoveryError> {
        let at = match selection.revision {
            Some(revision) => info.resolve(revision)?,
            None => i64::MAX,
        };
        Ok(Self {
            at,
            live: LiveSet::new(),
            hash_key: random_key(),
            selection,
            options,
        })
    }

    fn row(
        &mut self,
        row: RowKey,
        etcd_key: &[u8],
        value: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), RecoveryError> {
        let hash: NameHash = self.hash_key.hash(etcd_key);
        if row.revision.main > self.at || self.live.decide(row, hash)? != Class::Live {
            return Ok(());
        }
        let parsed = parse_etcd_key(etcd_key, self.options.etcd_prefix);
        let name = match &parsed {
            EtcdKey::Object(name) => Some(name),
            EtcdKey::Housekeeping | EtcdKey::Foreign => None,
        };
        if !self.selection.takes(name, etcd_key) {
            return Ok(());
        }
        if self.options.cancelled() {
            return Err(AuditError::Cancelled.into());
        }
        visit(name, row, etcd_key, value)
    }
}

fn random_key() -> HashKey {
    let random = RandomState::new();
    let draw = |n: u8| {
        let mut hasher = random.build_hasher();
        hasher.write_u8(n);
        u128::from(hasher.finish())
    };
    HashKey::new((draw(0) << 64 | draw(1)).to_ne_bytes())
}

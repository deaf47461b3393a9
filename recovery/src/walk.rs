//! One pass over the state of a snapshot at one revision.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

use etcd_store::{Batch, Class, HashKey, KeyValue, LiveSet, PageSource, RowKey, Store};
use k8s_object::{EtcdKey, EtcdName, parse_etcd_key};
use k8senc_audit::{AuditError, Progress};

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

/// What was walked over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    pub damaged_rows: u64,
}

pub(crate) type Visit<'v> =
    dyn FnMut(Option<&EtcdName<'_>>, RowKey, &KeyValue<'_>) -> Result<(), RecoveryError> + 'v;

/// Visits the values that the selection takes, newest first.
pub(crate) fn walk(
    source: &(dyn PageSource + Sync),
    selection: &Selection,
    options: &Options<'_>,
    visit: &mut Visit<'_>,
) -> Result<Walked, RecoveryError> {
    let store = Store::open(source, &etcd_store::Options::default())?;
    let at = match selection.revision {
        Some(revision) => store.info().resolve(revision)?,
        None => i64::MAX,
    };
    let hash_key = random_key();
    let (mut live, mut leaves, mut batch, mut buffer) =
        (LiveSet::new(), store.leaves(), Batch::new(), Vec::new());
    let (mut done, total) = (0, store.layout().db_len);
    let mut walked = Walked::default();
    loop {
        let more = leaves.load(&mut batch, 256);
        for run in batch.runs() {
            let leaf = store.leaf_in(&batch, run, &mut buffer)?;
            for row in leaf.rows().rev() {
                if row.key.revision.main > at {
                    continue;
                }
                let Ok(kv) = row.key_value() else {
                    walked.damaged_rows += 1;
                    continue;
                };
                if live.decide(row.key, hash_key.hash(kv.key))? != Class::Live {
                    continue;
                }
                let parsed = parse_etcd_key(kv.key, options.etcd_prefix);
                let name = match &parsed {
                    EtcdKey::Object(name) => Some(name),
                    EtcdKey::Housekeeping | EtcdKey::Foreign => None,
                };
                if !selection.takes(name, kv.key) {
                    continue;
                }
                if options.cancelled() {
                    return Err(AuditError::Cancelled.into());
                }
                visit(name, row.key, &kv)?;
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

fn random_key() -> HashKey {
    let random = RandomState::new();
    let draw = |n: u8| {
        let mut hasher = random.build_hasher();
        hasher.write_u8(n);
        u128::from(hasher.finish())
    };
    HashKey::new((draw(0) << 64 | draw(1)).to_ne_bytes())
}

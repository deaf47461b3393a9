//! One pass over all rows, newest first, judged on several threads and merged in order.
//!
//! Each thread takes the next batch under a lock, judges it alone and sends what it found; one merger takes the parts in the
//! order of the file. What comes out, also which fault is reported first, is the same for any number of threads.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use etcd_store::{Batch, Claims, Error, KeyValue, Leaves, PageSource, Row, Store};

use crate::AuditError;
use crate::options::Pace;

/// Judges rows; one for each thread.
pub(crate) trait Worker {
    /// What it finds in one batch.
    type Part: Send;

    fn begin(&mut self) -> Self::Part;
    fn row(&mut self, row: &Row<'_>, kv: &KeyValue<'_>, part: &mut Self::Part);
    /// A page with bytes where every writer leaves zeros.
    fn slack(&mut self, page: u64, part: &mut Self::Part);
    /// A row whose message cannot be parsed.
    fn damaged(&mut self, row: &Row<'_>, part: &mut Self::Part);
}

/// Runs of one batch where the source lends its bytes.
const RUNS: usize = 256;
/// Runs touched before they are read.
const GROUP: usize = 32;

/// Answers which pages the rows take up.
pub(crate) fn scan<S, W>(
    store: &Store<S>,
    threads: usize,
    pace: &Pace<'_>,
    new_worker: impl Fn() -> W + Sync,
    mut merge: impl FnMut(W::Part) -> Result<(), AuditError>,
) -> Result<Claims, AuditError>
where
    S: PageSource + Sync,
    W: Worker,
{
    let feed = Feed(Mutex::new(Queue {
        leaves: store.leaves(),
        next: 0,
        open: true,
    }));
    if threads <= 1 {
        let (mut worker, mut batch) = (new_worker(), Batch::new());
        while let Some((_, part, end)) = feed.take(store, pace, &mut worker, &mut batch) {
            merge(part)?;
            end?;
        }
        return feed.claims();
    }
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(4 * threads);
        for _ in 0..threads {
            let send: SyncSender<Numbered<W::Part>> = send.clone();
            let (feed, new_worker) = (&feed, &new_worker);
            let work = move || {
                let (mut worker, mut batch) = (new_worker(), Batch::new());
                while let Some(part) = feed.take(store, pace, &mut worker, &mut batch) {
                    if send.send(part).is_err() {
                        break;
                    }
                }
            };
            let started = std::thread::Builder::new().spawn_scoped(scope, work);
            started.map_err(|e| {
                pace.fail();
                AuditError::Thread(e)
            })?;
        }
        drop(send);
        let merged = in_order(receive, merge);
        if merged.is_err() {
            pace.fail();
        }
        merged
    })?;
    feed.claims()
}

type Numbered<P> = (u64, P, Result<(), AuditError>);

fn in_order<P>(
    receive: Receiver<Numbered<P>>,
    mut merge: impl FnMut(P) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let (mut early, mut due) = (BTreeMap::new(), 0);
    for (number, part, end) in receive {
        early.insert(number, (part, end));
        while let Some((part, end)) = early.remove(&due) {
            merge(part)?;
            end?;
            due += 1;
        }
    }
    Ok(())
}

struct Queue<'s, S> {
    leaves: Leaves<'s, S>,
    next: u64,
    open: bool,
}

struct Feed<'s, S>(Mutex<Queue<'s, S>>);

impl<S: PageSource> Feed<'_, S> {
    /// After the last batch.
    fn claims(self) -> Result<Claims, AuditError> {
        let queue = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(queue.leaves.finish()?)
    }

    /// Takes the next batch and judges it. A fault comes with the rows before it.
    fn take<W: Worker>(
        &self,
        store: &Store<S>,
        pace: &Pace<'_>,
        worker: &mut W,
        batch: &mut Batch,
    ) -> Option<Numbered<W::Part>> {
        let (number, loaded) = {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !queue.open {
                return None;
            }
            let loaded = if pace.stopped() {
                batch_of_none(batch);
                Err(AuditError::Cancelled)
            } else {
                queue.leaves.load(batch, RUNS).map_err(AuditError::from)
            };
            queue.open = matches!(loaded, Ok(true));
            if matches!(loaded, Ok(false)) {
                return None;
            }
            let number = queue.next;
            queue.next += 1;
            (number, loaded.map(drop))
        };
        let mut part = worker.begin();
        let judged = judge(store, worker, batch, &mut part).map_err(AuditError::from);
        let bytes = batch.runs().iter().map(etcd_store::LeafRun::byte_len).sum();
        let end = judged.and(loaded).and_then(|()| pace.step(bytes));
        Some((number, part, end))
    }
}

fn batch_of_none(batch: &mut Batch) {
    *batch = Batch::new();
}

/// Whether all bytes are zero, many at a time: there are as many as there are values.
fn zeros(bytes: &[u8]) -> bool {
    const AT_ONCE: usize = 256;
    let mut pieces = bytes.chunks(AT_ONCE);
    pieces.all(|piece| piece.iter().fold(0, |any, byte| any | byte) == 0)
}

fn judge<S: PageSource, W: Worker>(
    store: &Store<S>,
    worker: &mut W,
    batch: &Batch,
    part: &mut W::Part,
) -> Result<(), Error> {
    let mut buffer = Vec::new();
    for group in batch.runs().chunks(GROUP) {
        store.warm(group);
        for run in group {
            let leaf = store.leaf_in(batch, run, &mut buffer)?;
            if leaf.is_loose() || !zeros(leaf.slack()) {
                worker.slack(run.page(), part);
            }
            for row in leaf.rows().rev() {
                match row.key_value() {
                    Ok(kv) => worker.row(&row, &kv, part),
                    Err(_) => worker.damaged(&row, part),
                }
            }
        }
    }
    Ok(())
}

//! etcd's files: pages, rows, write-ahead log, and the audit of a whole file.

use std::path::PathBuf;

use etcd_store::{KeyValue, Leaves, Options, PageSource, RowKey, Store, wal::Log};
use k8senc::{crypto::PORTABLE, kms::DekTable};
use k8senc_audit::audit;

/// Walks everything that a file says it has.
pub fn snapshot(data: &[u8]) {
    let mut options = Options::default();
    for accept_truncated in [false, true] {
        options.accept_truncated = accept_truncated;
        let Ok(store) = Store::open(data, &options) else {
            continue;
        };
        let mut buffer = Vec::new();
        let mut leaves = store.leaves();
        while let Some(run) = next(&mut leaves) {
            let Ok(leaf) = store.leaf(&run, &mut buffer) else {
                continue;
            };
            let forwards = leaf.rows().filter(|row| row.key_value().is_ok()).count();
            let backwards = leaf
                .rows()
                .rev()
                .filter(|row| row.key_value().is_ok())
                .count();
            assert_eq!(forwards, backwards);
            let _ = leaf.slack();
        }
        if let Ok(claims) = leaves.finish() {
            let mut free = store.free(&claims);
            while let Ok(Some(run)) = free.next_run() {
                if let Ok(pages) = store.free_pages(&run, &mut buffer) {
                    let _ = pages.rows().filter(|row| row.key_value().is_ok()).count();
                }
            }
        }
        let _ = (store.warnings().len(), store.status_hash());
    }
}

fn next<S: PageSource>(leaves: &mut Leaves<'_, S>) -> Option<etcd_store::LeafRun> {
    leaves.next_run().ok().flatten()
}

/// One row's key, then its message.
pub fn rows(data: &[u8]) {
    let _ = RowKey::parse(data);
    if let Ok(found) = KeyValue::parse(data) {
        assert!(found.key.len() + found.value.len() <= data.len());
    }
    if let Some((key, message)) = data.split_at_checked(17) {
        let _ = (RowKey::parse(key), KeyValue::parse(message).is_ok());
    }
}

/// Reads a log to its end.
pub fn wal(data: &[u8]) {
    let mut log = Log::new(data, None);
    let mut buffer = Vec::new();
    let mut records = 0;
    while let Ok(Some(record)) = log.next_record(&mut buffer) {
        records += 1;
        assert!(records <= data.len(), "more records than bytes");
        let _ = record.commit();
        if let Ok(Some(entry)) = record.entry() {
            let mut values = 0;
            let _ = entry.values(&mut |_| values += 1);
            assert!(values <= entry.data.len());
        }
    }
}

/// The audit's own pass, on one thread, without a configuration.
pub fn audit_snapshot(data: &[u8]) {
    let mut options = k8senc_audit::Options::new(&PORTABLE);
    options.threads = 1;
    options.hash_key = Some([7; 16]);
    if let Ok(report) = audit(&data, None, &DekTable::new(), &options) {
        let _ = report.exit_code();
    }
}

fn recorded(names: &[&str]) -> Vec<Vec<u8>> {
    let data: PathBuf = k8senc_vectors::root().join("../etcd-store/tests/data");
    names
        .iter()
        .filter_map(|name| std::fs::read(data.join(name)).ok())
        .collect()
}

pub fn snapshot_seeds() -> Vec<Vec<u8>> {
    recorded(&["fresh.snap", "history.snap", "residue.snap"])
}

pub fn wal_seeds() -> Vec<Vec<u8>> {
    // The file is mostly zeros kept for later records.
    let mut seeds = recorded(&["log.wal"]);
    let halves: Vec<Vec<u8>> = seeds
        .iter()
        .filter_map(|seed| Some(seed.get(..8192)?.to_vec()))
        .collect();
    seeds.extend(halves);
    seeds
}

/// Rows of a recorded file.
pub fn row_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in recorded(&["fresh.snap", "history.snap"]) {
        let Ok(store) = Store::open(file.as_slice(), &Options::default()) else {
            continue;
        };
        let mut buffer = Vec::new();
        let mut leaves = store.leaves();
        while let Some(run) = next(&mut leaves) {
            if let Ok(leaf) = store.leaf(&run, &mut buffer) {
                seeds.extend(leaf.rows().map(|row| row.message.to_vec()));
            }
        }
    }
    seeds.truncate(60);
    seeds
}

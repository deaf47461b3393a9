//! Files that real etcd servers wrote, against what etcdctl and bbolt say of them (see tests/data/README.md).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use etcd_store::{
    Batch, Class, ErrorKind, FreeKind, HashKey, KeyValue, LeafRun, LiveSet, Options, PageSource,
    Reach, Row, Store,
};
use sha2::{Digest, Sha256};

use crate::image::{Copied, Counted, Image, walk};

pub const HISTORY: &[u8] = include_bytes!("../data/history.snap");
pub const RESIDUE: &[u8] = include_bytes!("../data/residue.snap");
const FRESH: &[u8] = include_bytes!("../data/fresh.snap");
const SYNCED: &[u8] = include_bytes!("../data/synced.db");
pub const STOPPED: &[u8] = include_bytes!("../data/stopped.db");
pub const SAMPLE: &[u8] = include_bytes!("../../../conformance-vectors/sample/snapshot.db");
const EXPECTED: &str = include_str!("../../../conformance-vectors/sample/expected.json");

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        write!(text, "{b:02x}").unwrap();
        text
    })
}

pub fn digest(value: &[u8]) -> String {
    hex(&Sha256::digest(value)[..8])
}

/// The fields of a `KeyValue` as the Go reader prints them.
fn fields(kv: &KeyValue<'_>) -> String {
    let KeyValue {
        key,
        create_revision,
        mod_revision,
        version,
        value,
        lease,
    } = kv;
    format!(
        "{} {create_revision} {mod_revision} {version} {lease:x} {} {}",
        hex(key),
        value.len(),
        digest(value)
    )
}

/// Every row of a file, newest first.
fn each_row<S: PageSource>(
    store: &Store<S>,
    mut visit: impl FnMut(&Row<'_>, &KeyValue<'_>),
) -> Vec<u64> {
    let mut leaves = store.leaves();
    let mut buffer = Vec::new();
    while let Some(run) = leaves.next_run().unwrap() {
        let leaf = store.leaf(&run, &mut buffer).unwrap();
        assert!(leaf.slack().iter().all(|b| *b == 0) && !leaf.is_loose());
        for row in leaf.rows().rev() {
            visit(&row, &row.key_value().unwrap());
        }
    }
    leaves.finish().unwrap().free().collect()
}

fn all_facts(file: &[u8]) -> Vec<String> {
    let store = Store::open(file, &Options::default()).unwrap();
    let mut lines = Vec::new();
    let free = each_row(&store, |row, kv| {
        let name = format!("row {} {} ", row.key.revision, row.key.tombstone);
        lines.push(name + &fields(kv));
    });
    lines.reverse();
    lines.extend(free.iter().map(|page| format!("free {page}")));
    lines
}

#[test]
fn every_row_and_free_page_is_as_bbolt_says() {
    assert_eq!(
        all_facts(HISTORY),
        include_str!("../data/history.rows")
            .lines()
            .collect::<Vec<_>>()
    );
    assert_eq!(
        all_facts(RESIDUE),
        include_str!("../data/residue.rows")
            .lines()
            .collect::<Vec<_>>()
    );
    assert_eq!(
        all_facts(STOPPED),
        include_str!("../data/stopped.rows")
            .lines()
            .collect::<Vec<_>>()
    );
}

fn state(store: &Store<&[u8]>, revision: i64) -> Vec<String> {
    let revision = store.info().resolve(revision).unwrap();
    let (mut live, mut names, key) = (BTreeMap::new(), LiveSet::new(), HashKey::new([9; 16]));
    each_row(store, |row, kv| {
        if row.key.revision.main <= revision
            && names.decide(row.key, key.hash(kv.key)) == Ok(Class::Live)
        {
            live.insert(kv.key.to_vec(), fields(kv));
        }
    });
    assert_eq!(names.names() - names.deleted(), live.len() as u64);
    live.into_values().collect()
}

#[test]
fn a_stored_freelist_is_what_the_tree_leaves_over() {
    assert_eq!(
        all_facts(SYNCED),
        include_str!("../data/synced.rows")
            .lines()
            .collect::<Vec<_>>()
    );
    let store = Store::open(SYNCED, &Options::default()).unwrap();
    assert_eq!(store.layout().meta.page_size, 1024);
    assert_eq!(store.info().version_guess(), "3.5");
    assert_ne!(store.layout().meta.freelist, u64::MAX);
    let claims = store.leaves().finish().unwrap();
    assert_eq!((claims.warning(), claims.unused() > 5), (None, true));
}

#[test]
fn the_state_is_what_the_server_answered() {
    let store = Store::open(HISTORY, &Options::default()).unwrap();
    assert_eq!(
        state(&store, 0),
        include_str!("../data/history.live")
            .lines()
            .collect::<Vec<_>>()
    );
    assert_eq!(
        state(&store, 74),
        include_str!("../data/history.at74")
            .lines()
            .collect::<Vec<_>>()
    );
    assert_eq!(store.info().resolve(72), Ok(72));
    assert_eq!(
        store.info().resolve(71).unwrap_err().kind,
        ErrorKind::Compacted { compact: 72 }
    );
    assert_eq!(
        store.info().resolve(84).unwrap_err().kind,
        ErrorKind::FutureRevision { current: 83 }
    );
}

#[test]
fn etcds_own_hashes_are_reproduced() {
    let fact = |name: &str| {
        let line = include_str!("../data/history.hashes")
            .lines()
            .find_map(|l| l.strip_prefix(name));
        line.unwrap().trim().parse::<u32>().unwrap()
    };
    let store = Store::open(HISTORY, &Options::default()).unwrap();
    assert_eq!(store.status_hash(), Ok(fact("status")));
    assert_eq!(store.hash_kv(0, HashKey::new([5; 16])), Ok(fact("hashkv ")));
    for revision in [74, 79] {
        let name = format!("hashkv{revision} ");
        assert_eq!(
            store.hash_kv(revision, HashKey::new([5; 16])),
            Ok(fact(&name)),
            "at {revision}"
        );
    }
    // Not compacted yet, nothing kept back.
    let fresh = Store::open(FRESH, &Options::default()).unwrap();
    assert_eq!(fresh.hash_kv(0, HashKey::new([5; 16])), Ok(fact("fresh ")));
}

#[test]
fn the_facts_around_the_rows_are_right() {
    for (file, trailer) in [(HISTORY, true), (STOPPED, false)] {
        let store = Store::open(file, &Options::default()).unwrap();
        let (layout, info) = (store.layout(), store.info());
        assert_eq!(layout.has_trailer(), trailer);
        assert!(layout.looks_like_snapshot_api() || !trailer);
        assert_eq!(
            (
                info.revision,
                info.compact_revision,
                info.compaction_pending
            ),
            (83, 72, false)
        );
        assert_eq!(
            (layout.meta.page_size, info.version_guess()),
            (4096, "3.4 or earlier")
        );
        assert!(store.warnings().is_empty());
        assert_eq!(store.beyond_high_water(), (layout.db_len, 0));
        if trailer {
            let (db, sum) = file.split_at(layout.db_len as usize);
            assert_eq!(sum, Sha256::digest(db).as_slice());
        }
    }
}

/// The part of a value that `residue.texts` lists.
fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    text.starts_with("first-")
        .then(|| &text[..=text.rfind('-').unwrap()])
}

#[test]
fn old_values_are_found_in_free_pages() {
    let store = Store::open(RESIDUE, &Options::default()).unwrap();
    let (mut in_rows, mut anywhere) = (BTreeSet::new(), BTreeSet::new());
    each_row(&store, |_, kv| {
        in_rows.extend(text(kv.value).map(str::to_owned))
    });
    anywhere.extend(in_rows.iter().cloned());
    let claims = store.leaves().finish().unwrap();
    let (mut runs, mut buffer) = (store.free(&claims), Vec::new());
    while let Some(run) = runs.next_run().unwrap() {
        let pages = store.free_pages(&run, &mut buffer).unwrap();
        assert!(run.kind == FreeKind::Leaf || pages.rows().next().is_none());
        for row in pages.rows() {
            let kv = row.key_value().unwrap();
            assert!(row.key.tombstone || kv.mod_revision == row.key.revision.main);
            anywhere.extend(text(kv.value).map(str::to_owned));
        }
    }
    let expected: BTreeSet<_> = include_str!("../data/residue.texts")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(anywhere, expected);
    assert!(in_rows.len() < anywhere.len());
}

#[test]
fn the_sample_of_etcd_3_6_agrees_with_its_maker() {
    let expected: serde_json::Value = serde_json::from_str(EXPECTED).unwrap();
    let expected = &expected["snapshot"];
    let number = |name: &str| expected[name].as_u64().unwrap();
    let store = Store::open(Copied(SAMPLE), &Options::default()).unwrap();
    let (mut rows, mut tombstones, mut live) = (0, 0, 0);
    let (mut names, key) = (LiveSet::new(), HashKey::new([1; 16]));
    each_row(&store, |row, kv| {
        rows += 1;
        match names.decide(row.key, key.hash(kv.key)).unwrap() {
            Class::Live => live += 1,
            Class::Tombstone => tombstones += 1,
            Class::Superseded | Class::Unlisted => {}
        }
    });
    assert_eq!(
        (rows, tombstones, live),
        (number("rows"), number("tombstones"), number("liveKeys"))
    );
    assert_eq!(names.deleted(), number("deletedKeys"));
    assert_eq!(store.layout().file_len, number("bytes"));
    let info = store.info();
    assert_eq!(
        (info.revision as u64, info.compact_revision as u64),
        (number("revision"), number("compactRevision"))
    );
    assert_eq!(info.storage_version, Some((3, 6)));
    assert!(store.layout().has_trailer() && store.layout().looks_like_snapshot_api());
    assert!(
        walk(SAMPLE, &Options::default())
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn batches_need_few_reads() {
    let source = Counted::new(SAMPLE, Reach::default());
    let store = Store::open(&source, &Options::default()).unwrap();
    let opened = source.reads.get();
    let (rows, runs) = all_rows(&store);
    assert_eq!(rows, 2323);
    let reads = source.reads.get() - opened;
    assert!(u64::from(reads) * 4 < runs, "{reads} reads for {runs} runs");
}

/// Where each read is dear, a file whose leaves lie in no order is read a few times over, in long reads: not once for each leaf.
#[test]
fn scattered_leaves_are_read_in_the_order_of_the_file() {
    let image = Image::scattered(1200);
    assert_eq!(image.facts().unwrap().live.len(), 50);
    let reach = Reach {
        hold: 512 << 10,
        piece: 256 << 10,
        skip: 32 << 10,
    };
    let source = Counted::new(&image.bytes, reach);
    let store = Store::open(&source, &Options::default()).unwrap();
    let (opened, opened_by) = (source.reads.get(), source.read.get());
    let (rows, runs) = all_rows(&store);
    assert_eq!((rows, runs), (1200, 1200));
    let (reads, times) = (
        source.reads.get() - opened,
        (source.read.get() - opened_by) / image.bytes.len() as u64,
    );
    // 1,600 pages of leaves, of which 512 are held at once.
    assert!(reads < 200, "{reads} reads");
    assert!(times <= 6, "{times} times the file");
    assert!(
        source.longest.get() <= reach.piece,
        "{} bytes at once",
        source.longest.get()
    );
}

fn all_rows<S: PageSource>(store: &Store<S>) -> (usize, u64) {
    let (mut batch, mut buffer, mut leaves, mut rows) =
        (Batch::new(), Vec::new(), store.leaves(), 0);
    while leaves.load(&mut batch, 1).unwrap() {
        for run in batch.runs() {
            let leaf = store.leaf_in(&batch, run, &mut buffer).unwrap();
            rows += leaf.rows().len();
        }
    }
    (rows, leaves.seen())
}

#[test]
fn runs_may_be_read_on_any_thread() {
    let store = &Store::open(SAMPLE, &Options::default()).unwrap();
    let mut one = Vec::new();
    each_row(store, |row, kv| one.push((row.key, fields(kv))));
    let (mut many, mut batch, mut leaves) = (Vec::new(), Vec::new(), store.leaves());
    while leaves.fill(&mut batch, 10).unwrap() {
        let read = |runs: &[LeafRun]| {
            let (mut rows, mut buffer) = (Vec::new(), Vec::new());
            for run in runs {
                let leaf = store.leaf(run, &mut buffer).unwrap();
                rows.extend(
                    leaf.rows()
                        .rev()
                        .map(|row| (row.key, fields(&row.key_value().unwrap()))),
                );
            }
            rows
        };
        many.extend(std::thread::scope(|scope| {
            let workers: Vec<_> = batch
                .chunks(3)
                .map(|runs| scope.spawn(move || read(runs)))
                .collect();
            workers
                .into_iter()
                .flat_map(|w| w.join().unwrap())
                .collect::<Vec<_>>()
        }));
    }
    assert_eq!(many, one);
}

//! For every kind of finding a file that shows it and one that does not. `docs/findings.md` is this table.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

#[path = "common/opened.rs"]
mod opened;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use etcd_store::{PageSource, Revision, RowKey, Store};
use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::report::Class;
use k8senc_audit::{
    AuditError, FINDING_KINDS, LogFile, Options, Piece, Report, RowSource, RowsAbout, StoredRow,
    audit, audit_rows,
};
use k8senc_config::Config;
use k8senc_vectors::sample_dir;

const RESIDUE: &[u8] = include_bytes!("../../etcd-store/tests/data/residue.snap");
const FRESH: &[u8] = include_bytes!("../../etcd-store/tests/data/fresh.snap");
const HISTORY: &[u8] = include_bytes!("../../etcd-store/tests/data/history.snap");
const STOPPED: &[u8] = include_bytes!("../../etcd-store/tests/data/stopped.db");
const LOG: &[u8] = include_bytes!("../../etcd-store/tests/data/log.wal");
const KEYS: &[u8] = include_bytes!("data/keys.snap");
const KEYS_CONFIG: &str = include_str!("data/keys.yaml");
const TAILS: &[u8] = include_bytes!("data/tails.snap");
const RESTARTS: &[u8] = include_bytes!("data/restarts.snap");
const RESTARTS_CONFIG: &str = include_str!("data/restarts.yaml");

const BY_3_4: &str = "etcd 3.4";
const BY_3_6: &str = "etcd 3.6, k8s.io/apiserver";

/// A file, how it is audited, and who made it.
struct Evidence {
    file: &'static str,
    with: &'static str,
    made: &'static str,
    report: Report,
}

fn run(bytes: &[u8], config: Option<&str>) -> Report {
    run_with(bytes, config, |_| ())
}

fn run_with(bytes: &[u8], config: Option<&str>, set: impl FnOnce(&mut Options<'_>)) -> Report {
    let config = config.map(|text| Config::parse(text.as_bytes()).unwrap());
    let mut options = Options::new(&PORTABLE);
    options.threads = 2;
    set(&mut options);
    audit(&bytes, config.as_ref(), &DekTable::new(), &options).unwrap()
}

fn sample_bytes() -> Vec<u8> {
    std::fs::read(sample_dir().join("snapshot.db")).unwrap()
}

fn sample_config() -> String {
    std::fs::read_to_string(sample_dir().join("encryption-config.yaml")).unwrap()
}

/// A byte behind the last row of a leaf page.
fn with_slack() -> Vec<u8> {
    let mut bytes = sample_bytes();
    let at = {
        let store = Store::open(&bytes[..], &etcd_store::Options::default()).unwrap();
        let (mut leaves, mut batch) = (store.leaves(), Vec::new());
        assert!(leaves.fill(&mut batch, 1).unwrap());
        batch[0].offset() + batch[0].byte_len() - 1
    };
    bytes[usize::try_from(at).unwrap()] = 1;
    bytes
}

/// The first byte of a row's message is the tag of its name.
fn with_a_damaged_row() -> Vec<u8> {
    let mut bytes = FRESH.to_vec();
    let (page, message) = {
        let store = Store::open(FRESH, &etcd_store::Options::default()).unwrap();
        let (mut leaves, mut batch, mut buffer) = (store.leaves(), Vec::new(), Vec::new());
        assert!(leaves.fill(&mut batch, 1).unwrap());
        let leaf = store.leaf(&batch[0], &mut buffer).unwrap();
        let message = leaf.rows().next().unwrap().message.to_vec();
        (usize::try_from(batch[0].offset()).unwrap(), message)
    };
    // A copy may lie in a free page before it.
    let mut windows = bytes[page..].windows(message.len());
    let at = page + windows.position(|w| w == message).unwrap();
    bytes[at] = 0xff;
    bytes
}

fn changed(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

fn with_log(log: &[u8]) -> Report {
    let source: &(dyn PageSource + Sync) = &log;
    let mut options = Options::new(&PORTABLE);
    let name = &b"0.wal"[..];
    options.logs = vec![LogFile { name, source }];
    audit(&FRESH, None, &DekTable::new(), &options).unwrap()
}

/// Rows that no server writes.
struct Made(Vec<(String, Vec<u8>)>);

impl RowSource for Made {
    fn next_rows(&mut self, take: &mut dyn FnMut(Piece<'_>)) -> Result<bool, AuditError> {
        for (n, (name, value)) in self.0.iter().enumerate().rev() {
            let main = i64::try_from(n).unwrap() + 2;
            take(Piece::Row(StoredRow {
                key: RowKey {
                    revision: Revision { main, sub: 0 },
                    tombstone: false,
                },
                etcd_key: name.as_bytes(),
                value,
                create_revision: 0,
                version: 0,
                leftover: false,
            }));
        }
        Ok(false)
    }

    fn progress(&self) -> (u64, u64) {
        (0, 0)
    }

    fn about(&self) -> RowsAbout {
        RowsAbout::default()
    }
}

fn rows(values: Vec<(String, Vec<u8>)>) -> Report {
    let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - aesgcm: {keys: [{name: k, secret: BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=}]}\n";
    let config = Config::parse(text.as_bytes()).unwrap();
    let options = Options::new(&PORTABLE);
    audit_rows(&mut Made(values), Some(&config), &DekTable::new(), &options).unwrap()
}

/// Two values under one nonce and key: no server with a working random source writes them.
fn one_nonce_twice() -> Report {
    let value = |body: u8| [&b"k8s:enc:aesgcm:v1:k:"[..], &[9; 12], &[body; 40]].concat();
    let name = |n: u8| format!("/registry/secrets/n/s{n}");
    rows(vec![(name(1), value(1)), (name(2), value(2))])
}

/// A key of its own for each value.
fn endless_keys() -> Report {
    let value = |n| format!("k8s:enc:aescbc:v1:key{n}:{}", "x".repeat(32));
    let row = |n: u32| (format!("/registry/secrets/n/s{n}"), value(n).into_bytes());
    rows((0..10_100).map(row).collect())
}

/// The configuration of keys.snap without the key that late values are under.
fn one_key_less() -> Config {
    let at = KEYS_CONFIG
        .lines()
        .position(|l| l.contains("\"gcm-new\""))
        .unwrap();
    let lines = KEYS_CONFIG.lines().enumerate();
    let kept = lines.filter(|(n, _)| *n != at && *n != at + 1);
    let text: String = kept.map(|(_, line)| format!("{line}\n")).collect();
    Config::parse(text.as_bytes()).unwrap()
}

fn with_two_configurations() -> Report {
    let (first, second) = (
        Config::parse(KEYS_CONFIG.as_bytes()).unwrap(),
        one_key_less(),
    );
    let mut options = Options::new(&PORTABLE);
    options.config_name = "a.yaml".to_owned();
    options.also = vec![("b.yaml".to_owned(), &second)];
    audit(&KEYS, Some(&first), &DekTable::new(), &options).unwrap()
}

/// The configuration of keys.snap with the key that was encoded twice as somebody repaired it: encoded once.
fn repaired() -> String {
    let lines: Vec<&str> = KEYS_CONFIG.lines().collect();
    let at = lines.iter().position(|l| l.contains("\"twice\"")).unwrap();
    let (_, outer) = lines[at + 1].split_once(": ").unwrap();
    let inner = k8senc_audit::trial::decode(outer.as_bytes()).unwrap();
    KEYS_CONFIG.replace(outer, std::str::from_utf8(&inner).unwrap())
}

fn required(mut report: Report, wanted: &str) -> Report {
    report.require(&[wanted.parse().unwrap()]);
    report
}

fn all() -> BTreeMap<&'static str, Evidence> {
    let mut all = BTreeMap::new();
    let mut add = |id, file, with, made, report| {
        all.insert(
            id,
            Evidence {
                file,
                with,
                made,
                report,
            },
        );
    };
    let (sample, config) = (sample_bytes(), sample_config());
    let years =
        |options: &mut Options<'_>| options.max_key_age = Some((2_000_000_000, 90 * 86_400));
    let unused = config.replacen(
        "            - name: \"sb-2024\"\n",
        "            - name: \"never-used\"\n              secret: 0JoqGhKuKcbGn1Cx01V543BZLJyDAz6sIIU8pciWyXo=\n            - name: \"sb-2024\"\n",
        1,
    );
    add(
        "sample",
        "snapshot.db",
        "its configuration and KMS",
        BY_3_6,
        opened::opened(2),
    );
    add(
        "no-status",
        "snapshot.db",
        "its KMS, but not what Status says",
        BY_3_6,
        opened::opened_as(2, false),
    );
    add(
        "no-kms",
        "snapshot.db",
        "its configuration, no KMS",
        BY_3_6,
        run(&sample, Some(&config)),
    );
    add(
        "small-cache",
        "snapshot.db",
        "a `cachesize` of 2",
        BY_3_6,
        run(
            &sample,
            Some(&config.replace("cachesize: 200", "cachesize: 2")),
        ),
    );
    add(
        "unused-key",
        "snapshot.db",
        "a key that never wrote",
        BY_3_6,
        run(&sample, Some(&unused)),
    );
    add(
        "renamed",
        "snapshot.db",
        "a key under another name",
        BY_3_6,
        run(&sample, Some(&config.replace("\"crd\"", "\"crd-old\""))),
    );
    let elsewhere = |options: &mut Options<'_>| options.etcd_prefix = Some(b"/elsewhere".to_vec());
    add(
        "elsewhere",
        "snapshot.db",
        "`--etcd-prefix /elsewhere`",
        BY_3_6,
        run_with(&sample, None, elsewhere),
    );
    add(
        "kms-required",
        "snapshot.db",
        "`--require secrets=kms`",
        BY_3_6,
        required(run(&sample, Some(&config)), "secrets=kms"),
    );
    add(
        "absent",
        "snapshot.db",
        "`--require secrtes=kms`",
        BY_3_6,
        required(run(&sample, Some(&config)), "secrtes=kms"),
    );
    add(
        "preset",
        "snapshot.db",
        "`--require cis-kubernetes`",
        BY_3_6,
        required(run(&sample, Some(&config)), "cis-kubernetes"),
    );
    add(
        "keys",
        "keys.snap",
        "its configuration",
        BY_3_6,
        run(KEYS, Some(KEYS_CONFIG)),
    );
    add(
        "aged",
        "keys.snap",
        "`--max-key-age 90`",
        BY_3_6,
        run_with(KEYS, Some(KEYS_CONFIG), years),
    );
    add(
        "two",
        "keys.snap",
        "two configurations",
        BY_3_6,
        with_two_configurations(),
    );
    add(
        "repaired",
        "keys.snap",
        "a key encoded once too few",
        BY_3_6,
        run(KEYS, Some(&repaired())),
    );
    add("tails", "tails.snap", "", BY_3_6, run(TAILS, None));
    add(
        "restarts",
        "restarts.snap",
        "its configuration",
        BY_3_6,
        run(RESTARTS, Some(RESTARTS_CONFIG)),
    );
    add("fresh", "fresh.snap", "", BY_3_4, run(FRESH, None));
    add("history", "history.snap", "", BY_3_4, run(HISTORY, None));
    add("residue", "residue.snap", "", BY_3_4, run(RESIDUE, None));
    add("stopped", "stopped.db", "", BY_3_4, run(STOPPED, None));
    add(
        "log",
        "fresh.snap",
        "log.wal of the same member",
        BY_3_4,
        with_log(LOG),
    );
    add(
        "log-start",
        "fresh.snap",
        "the first 512 bytes of log.wal",
        BY_3_4,
        with_log(&LOG[..512]),
    );
    let in_a_value = LOG.windows(9).position(|w| w == b"first-35-").unwrap() + 20;
    add(
        "log-changed",
        "fresh.snap",
        "log.wal with one bit changed",
        "by hand: servers write no wrong checksum",
        with_log(&changed(LOG, in_a_value)),
    );
    add(
        "changed",
        "fresh.snap",
        "its last bit changed",
        "by hand: servers write no wrong hash",
        run(&changed(FRESH, FRESH.len() - 1), None),
    );
    add(
        "torn-row",
        "fresh.snap",
        "the first byte of a row changed",
        "by hand: servers write no such row",
        run(&with_a_damaged_row(), None),
    );
    add(
        "torn-meta",
        "fresh.snap",
        "a bit of its second meta page changed",
        "by hand: a torn write leaves it, which cannot be had on demand",
        run(&changed(FRESH, 4096 + 40), None),
    );
    add(
        "slack",
        "snapshot.db",
        "a byte behind the last row of a page",
        "by hand: servers leave zeros there",
        run(&with_slack(), None),
    );
    add(
        "one-nonce",
        "two rows",
        "",
        "by hand: kube-apiserver draws every nonce anew",
        one_nonce_twice(),
    );
    add(
        "endless",
        "10,100 rows",
        "",
        "by hand: no cluster has so many keys",
        endless_keys(),
    );
    all
}

/// Kind of finding, who shows it, who does not.
const TABLE: &[(&str, &str, &str)] = &[
    ("bound-to-other-prefix", "keys", "sample"),
    ("configurations-differ", "two", "keys"),
    ("damaged-row", "torn-row", "fresh"),
    ("dek-fragmentation", "restarts", "sample"),
    ("exposed-plaintext", "sample", "keys"),
    ("foreign-keys", "history", "sample"),
    ("foreign-objects", "elsewhere", "history"),
    ("groups-folded", "endless", "one-nonce"),
    ("history-plaintext", "sample", "keys"),
    ("history-unreadable", "renamed", "sample"),
    ("key-age", "aged", "keys"),
    ("key-encoded-otherwise", "repaired", "keys"),
    ("key-ids", "sample", "keys"),
    ("key-removable", "unused-key", "sample"),
    ("key-with-newline", "restarts", "keys"),
    ("kmsv1-cache-small", "small-cache", "sample"),
    ("log-damaged", "log-changed", "log"),
    ("log-pending", "log", "log-start"),
    ("log-plaintext", "log", "log-start"),
    ("moved", "restarts", "keys"),
    ("no-trailer", "stopped", "history"),
    ("nonce-reuse", "one-nonce", "keys"),
    ("page-slack", "slack", "sample"),
    ("policy-preset", "preset", "sample"),
    ("repeated-ciphertext", "keys", "tails"),
    ("required-provider", "kms-required", "sample"),
    ("required-resource-absent", "absent", "kms-required"),
    ("residue-fragment", "tails", "keys"),
    ("residue-plaintext", "residue", "fresh"),
    ("stale", "sample", "restarts"),
    ("staleness-unknown", "no-status", "sample"),
    ("store-warning", "torn-meta", "fresh"),
    ("trailer-mismatch", "changed", "fresh"),
    ("undecided", "no-kms", "sample"),
    ("unknown-format", "keys", "sample"),
    ("unreadable", "sample", "fresh"),
    ("write-budget", "keys", "sample"),
    ("wrong-key-name", "renamed", "sample"),
];

/// What was made by hand within a file that servers made.
const BY_HAND: &[(&str, &str)] = &[
    ("moved", "copied by hand: the API server never does"),
    (
        "repeated-ciphertext",
        "put back by hand: the API server never does",
    ),
    (
        "unknown-format",
        "its values by hand: no release writes them",
    ),
];

fn shows(evidence: &Evidence, code: &str) -> bool {
    evidence.report.findings.iter().any(|f| f.code == code)
}

#[test]
fn every_kind_has_a_file_that_shows_it_and_one_that_does_not() {
    let all = all();
    let kinds: BTreeSet<&str> = FINDING_KINDS.iter().map(|kind| kind.code).collect();
    let listed: BTreeSet<&str> = TABLE.iter().map(|(code, ..)| *code).collect();
    assert_eq!(kinds, listed, "the table is not that of all kinds");
    assert_eq!(
        kinds.len(),
        FINDING_KINDS.len(),
        "a code stands for two kinds"
    );
    let mut wrong = Vec::new();
    for (code, with, without) in TABLE {
        if !shows(&all[with], code) {
            wrong.push(format!("{code}: {with} does not show it"));
        }
        if shows(&all[without], code) {
            wrong.push(format!("{code}: {without} shows it"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // No finding is of a kind that is not listed, and its advice is the kind's. Its class is, too, unless all its values are
    // superseded ones.
    for (id, evidence) in &all {
        for found in &evidence.report.findings {
            let kind = FINDING_KINDS.iter().find(|kind| kind.code == found.code);
            let kind = kind.unwrap();
            assert_eq!(kind.advice, found.advice, "{id}: {}", found.code);
            assert!(
                kind.class == found.class || found.class == Class::History,
                "{id}: {}",
                found.code
            );
        }
    }
}

#[test]
fn the_page_of_findings_is_this_table() {
    let (all, mut text) = (all(), HEAD.to_owned());
    for (code, with, without) in TABLE {
        let kind = FINDING_KINDS
            .iter()
            .find(|kind| kind.code == *code)
            .unwrap();
        let file = |id: &str| match (all[id].file, all[id].with) {
            (file, "") => file.to_owned(),
            (file, with) => format!("{file}, {with}"),
        };
        let by_hand = BY_HAND.iter().find(|(of, _)| of == code);
        let made = match (all[with].made, by_hand) {
            (made, Some((_, by_hand))) => format!("{made}; {by_hand}"),
            (made, None) => made.to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{code}` | {} | {} | {} | {} |",
            kind.class.name(),
            file(with),
            made,
            file(without)
        );
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != text {
        let fresh = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("findings.md");
        std::fs::write(&fresh, &text).unwrap();
    }
    assert!(
        kept == text,
        "docs/findings.md is not this table; CARGO_TARGET_TMPDIR has findings.md as it should be"
    );
}

const HEAD: &str = "# Which file shows which finding

Each kind of finding of `k8senc audit` has a file that shows it and one that does not; a test reads both (`audit/tests/kinds.rs`, which also writes this
table). Files are made by real servers: etcd 3.4 of Debian, or etcd 3.6 filled through the transformers of k8s.io/apiserver. Where no real server makes
the fault, a file of one was changed by hand, or rows were made up, and the column says so. What each finding means: [audit.md](audit.md). `snapshot.db` is the
sample in `conformance-vectors/sample`; the others are in `audit/tests/data` and `etcd-store/tests/data`, with how they were made.

| finding | class | shown by | made by | not shown by |
|---|---|---|---|---|
";

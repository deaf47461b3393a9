//! Evidence about keys: which would have done, how much they wrote, how old they are, and who opens what.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use etcd_store::{Revision, RowKey};
use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::report::{Class, Finding, Severity, Time};
use k8senc_audit::{
    AuditError, Options, Piece, Report, RowSource, RowsAbout, StoredRow, audit, audit_rows,
};
use k8senc_config::Config;

/// Written by etcd 3.6 and the transformers of k8s.io/apiserver; see data/README.md.
const KEYS: &[u8] = include_bytes!("data/keys.snap");
const CONFIG: &str = include_str!("data/keys.yaml");
const TAILS: &[u8] = include_bytes!("data/tails.snap");
const FRESH: &[u8] = include_bytes!("../../etcd-store/tests/data/fresh.snap");

fn parse(text: &str) -> Config {
    Config::parse(text.as_bytes()).unwrap()
}

fn run(bytes: &[u8], config: Option<&str>) -> Report {
    let config = config.map(parse);
    audit(
        &bytes,
        config.as_ref(),
        &DekTable::new(),
        &Options::new(&PORTABLE),
    )
    .unwrap()
}

fn of<'r>(report: &'r Report, code: &str) -> Vec<&'r Finding> {
    report.findings.iter().filter(|f| f.code == code).collect()
}

#[test]
fn a_key_under_another_name_is_told_apart_from_a_missing_one() {
    assert!(of(&run(KEYS, Some(CONFIG)), "wrong-key-name").is_empty());
    let renamed = CONFIG.replace("\"gcm-old\"", "\"gcm-2025\"");
    let report = run(KEYS, Some(&renamed));
    let found = of(&report, "wrong-key-name");
    assert!(
        found
            .iter()
            .all(|f| f.message.contains("gcm-2025") && f.message.contains("gcm-old"))
    );
    // All but the one of no known format.
    let count: u64 = found.iter().map(|f| f.count).sum();
    assert_eq!(
        count,
        report.totals.unreadable + report.totals.history_unreadable - 1
    );
    // Without the secret there is nothing to find.
    let gone = "dGhpcyBpcyBub3QgdGhlIHNlY3JldCBvZiB0aGVzZTE=";
    let secret = CONFIG.lines().skip_while(|l| !l.contains("gcm-old")).nth(1);
    let (_, secret) = secret.unwrap().split_once(": ").unwrap();
    let report = run(KEYS, Some(&renamed.replace(secret, gone)));
    assert!(of(&report, "wrong-key-name").is_empty());
}

#[test]
fn a_key_that_was_encoded_twice_is_told() {
    // The configuration as somebody repaired it: base64 of the 24 bytes, which were encoded twice when the values were written.
    let secret = CONFIG
        .lines()
        .skip_while(|l| !l.contains("\"twice\""))
        .nth(1);
    let (_, outer) = secret.unwrap().split_once(": ").unwrap();
    let inner = base64_text(outer);
    let report = run(KEYS, Some(&CONFIG.replace(outer, &inner)));
    let found = of(&report, "key-encoded-otherwise");
    assert_eq!(
        (found.len(), found[0].count, found[0].severity),
        (1, 3, Severity::Error)
    );
    assert_eq!(found[0].key.as_deref(), Some("twice"));
    assert!(of(&run(KEYS, Some(CONFIG)), "key-encoded-otherwise").is_empty());
}

/// Decodes base64 whose content is text.
fn base64_text(text: &str) -> String {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| format!("{:06b}", digits.find(c).unwrap()))
        .collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    let bytes = bytes.map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap());
    String::from_utf8(bytes.collect()).unwrap()
}

#[test]
fn a_value_of_another_etcd_prefix_is_told() {
    let report = run(KEYS, Some(CONFIG));
    let found = of(&report, "bound-to-other-prefix");
    assert_eq!((found.len(), found[0].count), (1, 1));
    assert_eq!(
        found[0].examples[0].etcd_key,
        "/registry/secrets/default/restored"
    );
    assert!(found[0].message.contains("/kubernetes.io"));
}

#[test]
fn a_format_that_nobody_knows_is_told_with_and_without_a_configuration() {
    for config in [None, Some(CONFIG)] {
        let report = run(KEYS, config);
        let found = of(&report, "unknown-format");
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert_eq!(
            found[0].examples[0].etcd_key,
            "/registry/secrets/default/odd"
        );
    }
    assert!(of(&run(TAILS, None), "unknown-format").is_empty());
}

#[test]
fn ciphertext_that_was_put_back_is_told() {
    let report = run(KEYS, Some(CONFIG));
    let found = of(&report, "repeated-ciphertext");
    assert_eq!((found.len(), found[0].count), (1, 1));
    assert_eq!(
        found[0].examples[0].etcd_key,
        "/registry/secrets/default/early-00"
    );
    assert!(of(&report, "nonce-reuse").is_empty());
    assert!(report.nonces.compared > 30 && report.nonces.beyond == 0);
}

#[test]
fn the_write_budget_counts_what_etcd_counted() {
    let report = run(KEYS, Some(CONFIG));
    let found = of(&report, "write-budget");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.as_deref(), Some("gcm-busy"));
    assert_eq!(
        (found[0].count, found[0].severity),
        (110_001, Severity::Info)
    );
    assert!(found[0].message.starts_with("55 % of the 200,000"));
}

#[test]
fn uses_are_dated_by_the_objects_around_them() {
    let report = run(KEYS, Some(CONFIG));
    let key = |name: &str| report.keys.iter().find(|k| k.key == name).unwrap();
    // Objects are a minute apart: early-00 is number 100, late-0 number 1000.
    let minute = |n: i64| Some(Time(1_767_600_000 + 60 * n));
    let new = key("gcm-new").first_use.unwrap();
    assert_eq!(new.not_after, minute(1000));
    assert!(new.not_before.unwrap() >= minute(129).unwrap());
    assert_eq!(report.newest_object, minute(1003));
    assert_eq!(
        report.newest_object.unwrap().to_string(),
        "2026-01-06T00:43:00Z"
    );
    // A file without dated objects dates nothing.
    assert_eq!(run(FRESH, None).newest_object, None);

    let aged = |now: i64, days: i64| {
        let mut options = Options::new(&PORTABLE);
        options.max_key_age = Some((now, days * 86_400));
        let config = parse(CONFIG);
        let report = audit(&KEYS, Some(&config), &DekTable::new(), &options).unwrap();
        let found = of(&report, "key-age").into_iter().cloned();
        found.collect::<Vec<_>>()
    };
    let now = 1_767_600_000 + 100 * 86_400;
    let old = aged(now, 90);
    assert!(old.iter().any(|f| f.key.as_deref() == Some("gcm-new")));
    assert!(
        old.iter()
            .all(|f| f.class == Class::Current && f.message.contains("2026-01-0"))
    );
    assert!(aged(now, 101).is_empty());
}

#[test]
fn configurations_are_compared_value_by_value() {
    let first = parse(CONFIG);
    let without_new: String = {
        // The key that one of the servers has not got yet, and its secret.
        let at = CONFIG
            .lines()
            .position(|l| l.contains("\"gcm-new\""))
            .unwrap();
        let lines = CONFIG.lines().enumerate();
        let kept = lines.filter(|(n, _)| *n != at && *n != at + 1);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let second = parse(&without_new);
    let mut options = Options::new(&PORTABLE);
    options.config_name = "a.yaml".to_owned();
    options.also = vec![("b.yaml".to_owned(), &second)];
    let report = audit(&KEYS, Some(&first), &DekTable::new(), &options).unwrap();
    let found = of(&report, "configurations-differ");
    assert_eq!((found.len(), found[0].count), (1, 4));
    assert_eq!(found[0].key.as_deref(), Some("gcm-new"));
    assert!(found[0].message.contains("a.yaml only"));
    let opens: Vec<u64> = report.configurations.iter().map(|c| c.opens).collect();
    assert_eq!(opens[0] - opens[1], 4);
    assert_eq!(opens[0] + report.totals.unreadable, report.totals.live);
    assert_eq!(report.configurations[0].hash, first.content_hash());
    options.also = vec![("same.yaml".to_owned(), &first)];
    let report = audit(&KEYS, Some(&first), &DekTable::new(), &options).unwrap();
    assert!(of(&report, "configurations-differ").is_empty());
}

#[test]
fn long_values_leave_their_beginnings_in_free_pages() {
    let report = run(TAILS, None);
    let found = of(&report, "residue-fragment");
    assert_eq!((found.len(), found[0].class), (1, Class::Residue));
    let pages = TAILS.chunks(4096).filter(|page| {
        // By hand: the magic of an object, not at the place of a row of a page with a header.
        page.windows(4).any(|w| w == b"k8s\0")
    });
    let fragments = found[0].count;
    assert!(fragments > 0 && fragments <= pages.count() as u64);
    assert!(of(&run(KEYS, None), "residue-fragment").is_empty());
}

/// Rows that no server writes.
struct Made(Vec<(i64, &'static str, Vec<u8>)>);

impl RowSource for Made {
    fn next_rows(&mut self, take: &mut dyn FnMut(Piece<'_>)) -> Result<bool, AuditError> {
        for (main, name, value) in self.0.iter().rev() {
            take(Piece::Row(StoredRow {
                key: RowKey {
                    revision: Revision {
                        main: *main,
                        sub: 0,
                    },
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

fn sealed(nonce: u8, name: &str, plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([7; 32]));
    let payload = Payload {
        msg: plain,
        aad: name.as_bytes(),
    };
    let body = cipher.encrypt(&Nonce::from([nonce; 12]), payload).unwrap();
    [&[nonce; 12][..], &body].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [
        &[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..],
        bytes,
    ]
    .concat()
}

/// No real server repeats a nonce, so these rows are made by hand with an independent AES-GCM.
#[test]
fn nonces_that_repeat_are_found_under_local_keys_and_inside_kms() {
    let (a, b) = ("/registry/secrets/n/a", "/registry/secrets/n/b");
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let config = parse(&format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - aesgcm: {{keys: [{{name: k, secret: {key}}}]}}\n  - kms: {{apiVersion: v2, name: two, endpoint: unix:///a}}\n  - kms: {{apiVersion: v1, name: one, endpoint: unix:///a}}\n"
    ));
    let local = |nonce, name: &str, text: &[u8]| {
        [b"k8s:enc:aesgcm:v1:k:", &sealed(nonce, name, text)[..]].concat()
    };
    let v2 = |seed: bool, info: u8, dek: &[u8], nonce, name: &str, text: &[u8]| {
        let data = [
            vec![info; if seed { 32 } else { 0 }],
            sealed(nonce, name, text),
        ]
        .concat();
        let mut value = b"k8s:enc:kms:v2:two:".to_vec();
        value.extend(field(1, &data));
        value.extend(field(2, b"kek"));
        value.extend(field(3, dek));
        if seed {
            value.extend([5 << 3, 1]);
        }
        value
    };
    let v1 = |dek: &[u8], nonce, name: &str, text: &[u8]| {
        let length = u16::try_from(dek.len()).unwrap().to_be_bytes();
        [
            b"k8s:enc:kms:v1:one:",
            &length[..],
            dek,
            &sealed(nonce, name, text),
        ]
        .concat()
    };
    let reused = |first: Vec<u8>, second: Vec<u8>| {
        let mut rows = Made(vec![(1, a, first), (2, b, second)]);
        let options = Options::new(&PORTABLE);
        let report = audit_rows(&mut rows, Some(&config), &DekTable::new(), &options).unwrap();
        let found: Vec<u64> = of(&report, "nonce-reuse").iter().map(|f| f.count).collect();
        found.into_iter().sum::<u64>()
    };
    assert_eq!(reused(local(1, a, b"x"), local(1, b, b"y")), 1);
    assert_eq!(reused(local(1, a, b"x"), local(2, b, b"y")), 0);
    assert_eq!(
        reused(
            v2(false, 0, b"d", 1, a, b"x"),
            v2(false, 0, b"d", 1, b, b"y")
        ),
        1
    );
    assert_eq!(
        reused(
            v2(false, 0, b"d", 1, a, b"x"),
            v2(false, 0, b"e", 1, b, b"y")
        ),
        0
    );
    assert_eq!(
        reused(v2(true, 5, b"d", 1, a, b"x"), v2(true, 5, b"d", 1, b, b"y")),
        1
    );
    assert_eq!(
        reused(v2(true, 5, b"d", 1, a, b"x"), v2(true, 6, b"d", 1, b, b"y")),
        0
    );
    assert_eq!(reused(v1(b"dek", 1, a, b"x"), v1(b"dek", 1, b, b"y")), 1);
    assert_eq!(reused(v1(b"dek", 1, a, b"x"), v1(b"kek", 1, b, b"y")), 0);
}

#[test]
fn rows_of_another_source_give_the_same_answers() {
    let bytes = KEYS;
    let mut rows = Made(Vec::new());
    let store = etcd_store::Store::open(bytes, &etcd_store::Options::default()).unwrap();
    let (mut leaves, mut batch, mut buffer) = (store.leaves(), Vec::new(), Vec::new());
    let mut all = Vec::new();
    while leaves.fill(&mut batch, 64).unwrap() {
        for run in &batch {
            for row in store
                .leaf(run, &mut buffer)
                .unwrap()
                .rows()
                .filter(|r| !r.key.tombstone)
            {
                let kv = row.key_value().unwrap();
                let name = String::from_utf8(kv.key.to_vec()).unwrap();
                all.push((row.key.revision.main, name, kv.value.to_vec()));
            }
        }
    }
    all.sort_by_key(|(main, ..)| *main);
    rows.0 = all
        .into_iter()
        .map(|(main, name, value)| (main, &*Box::leak(name.into_boxed_str()), value))
        .collect();
    let config = parse(CONFIG);
    let options = Options::new(&PORTABLE);
    let from_rows = audit_rows(&mut rows, Some(&config), &DekTable::new(), &options).unwrap();
    let from_file = run(KEYS, Some(CONFIG));
    assert_eq!(from_rows.totals.live, from_file.totals.live);
    assert_eq!(from_rows.totals.unreadable, from_file.totals.unreadable);
    assert_eq!(from_rows.totals.stale, from_file.totals.stale);
    assert_eq!(from_rows.opened_by, from_file.opened_by);
}

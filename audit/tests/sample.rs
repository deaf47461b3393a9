//! The sample snapshot: every figure that the program which filled it wrote down.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails its test"
)]

#[path = "common/opened.rs"]
mod opened;

use std::collections::BTreeMap;

use k8senc::kms::DekTable;
use k8senc_audit::report::{Counts, Group, HashStatus};
use k8senc_audit::{audit, dek_requests};
use k8senc_vectors::{Sample, sample, sample_dir};
use opened::{config, opened, options, source};

#[test]
fn the_file_and_its_state() {
    let (report, expected) = (opened(2), sample().snapshot);
    let s = &report.snapshot;
    assert_eq!(s.bytes, expected.bytes);
    assert_eq!(
        (s.revision, s.compact_revision),
        (expected.revision, expected.compact_revision)
    );
    assert_eq!(s.live_keys, expected.live_keys as u64);
    assert_eq!(s.rows, expected.rows as u64);
    assert_eq!(s.tombstones, expected.tombstones as u64);
    assert_eq!(s.deleted_keys, expected.deleted_keys as u64);
    assert_eq!(s.damaged_rows, 0);
    assert_eq!(s.sha256.status, HashStatus::Match);
    assert_eq!(s.sha256.stored.as_deref(), Some(expected.sha256.as_str()));
    assert_eq!(report.exit_code(), 1);
}

/// live, plaintext, stale, unreadable, history, history in plaintext, history unreadable, deleted
fn figures(c: &Counts) -> [u64; 8] {
    [
        c.live,
        c.plaintext,
        c.stale,
        c.unreadable,
        c.history,
        c.history_plaintext,
        c.history_unreadable,
        c.deleted_keys,
    ]
}

#[test]
fn every_resource() {
    let report = opened(2);
    let ours: BTreeMap<_, _> = report
        .resources
        .iter()
        .map(|r| (r.resource.clone(), (r.covered, figures(&r.counts))))
        .collect();
    let expected: BTreeMap<_, _> = sample()
        .resources
        .into_iter()
        .map(|(name, r)| {
            let figures = [
                r.live,
                r.live_plaintext,
                r.live_stale,
                r.live_unreadable,
                r.history,
                r.history_plaintext,
                r.history_unreadable,
                r.deleted_keys,
            ];
            (name, (Some(r.covered), figures.map(|n| n as u64)))
        })
        .collect();
    assert_eq!(ours, expected);
    let exposed: u64 = report.resources.iter().map(|r| r.counts.exposed).sum();
    assert_eq!(exposed, sample().live_plaintext_secrets.len() as u64);
    let t = &report.totals;
    assert_eq!(
        (t.undecided, t.history_undecided, t.stale_unknown, t.moved),
        (0, 0, 0, 0)
    );
}

#[test]
fn every_group() {
    type Figures = (u64, u64, BTreeMap<String, u64>, u64, u64, u64);
    let ours: BTreeMap<Vec<String>, Figures> = opened(2)
        .groups
        .iter()
        .map(|g: &Group| {
            let name = [
                g.resource.clone(),
                g.provider.replace("kms-v", "kmsv"),
                g.key.clone().unwrap_or_default(),
                g.key_id.clone().unwrap_or_default(),
                g.form.unwrap_or_default().to_owned(),
            ];
            let why = g.stale_why.iter().map(|(code, n)| {
                // The sample's own word for it.
                let code = if *code == "legacy-body" {
                    "kmsv1-cbc-body"
                } else {
                    code
                };
                (code.to_owned(), *n)
            });
            let c = &g.counts;
            let figures = (
                c.live,
                c.stale,
                why.collect(),
                c.unreadable,
                c.history,
                c.history_unreadable,
            );
            (name.to_vec(), figures)
        })
        .collect();
    let expected: BTreeMap<Vec<String>, Figures> = sample()
        .groups
        .into_iter()
        .map(|g| {
            let why = g
                .stale_why
                .into_iter()
                .map(|(code, n)| (code, n as u64))
                .collect();
            let numbers = [
                g.live,
                g.stale,
                g.unreadable,
                g.history,
                g.history_unreadable,
            ]
            .map(|n| n as u64);
            let figures = (
                numbers[0], numbers[1], why, numbers[2], numbers[3], numbers[4],
            );
            (
                vec![g.resource, g.provider, g.key, g.key_id, g.form],
                figures,
            )
        })
        .collect();
    assert_eq!(ours, expected);
}

/// The namespaces of etcd keys, by their plain form: nothing of the readers under test is used.
fn namespaces_of<'k>(keys: impl Iterator<Item = &'k String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        let parts: Vec<&str> = key.split('/').collect();
        let [.., namespace, _] = parts.as_slice() else {
            panic!("{key}");
        };
        *counts.entry((*namespace).to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn every_namespace() {
    let (report, expected) = (opened(2), sample());
    let of = |figure: fn(&Counts) -> u64| -> BTreeMap<String, u64> {
        let spaces = report.namespaces.iter();
        spaces
            .filter(|n| figure(&n.counts) > 0)
            .map(|n| (n.namespace.clone().unwrap(), figure(&n.counts)))
            .collect()
    };
    let secrets = expected.live_plaintext_secrets.iter();
    assert_eq!(of(|c| c.exposed), namespaces_of(secrets));
    let unreadable: Vec<String> = expected
        .unreadable
        .into_iter()
        .map(|u| u.etcd_key)
        .collect();
    assert_eq!(
        of(|c| c.unreadable + c.history_unreadable),
        namespaces_of(unreadable.iter())
    );
    let worst: Vec<u64> = report.namespaces.iter().map(|n| n.counts.exposed).collect();
    assert!(worst.is_sorted_by(|a, b| a >= b), "{worst:?}");
    assert_eq!(report.other_namespaces, None);
    let mut sum = Counts::default();
    for namespace in &report.namespaces {
        sum += namespace.counts;
    }
    assert_eq!(sum, report.totals);
}

#[test]
fn guessed_is_only_what_the_configuration_does_not_name() {
    let guessed: Vec<_> = opened(2)
        .groups
        .into_iter()
        .filter(|g| g.guessed)
        .map(|g| g.key)
        .collect();
    let retired = sample()
        .unreadable
        .into_iter()
        .filter(|u| u.what == "retired key")
        .count();
    assert_eq!(guessed.len(), retired);
    assert_eq!(guessed, [Some("events-2024".to_owned())]);
}

#[test]
fn what_cannot_be_read_and_what_lies_open() {
    let (report, expected) = (opened(2), sample());
    let whys = report.groups.iter().flat_map(|g| &g.unreadable_why);
    let mut ours: Vec<_> = whys
        .flat_map(|why| {
            why.examples.iter().map(|e| {
                (
                    e.etcd_key.clone(),
                    e.revision,
                    why.code.clone(),
                    why.upstream.clone().unwrap_or_default(),
                )
            })
        })
        .collect();
    ours.sort();
    let mut theirs: Vec<_> = expected
        .unreadable
        .into_iter()
        .map(|u| (u.etcd_key, u.revision, u.code, u.upstream))
        .collect();
    theirs.sort();
    assert_eq!(ours, theirs);

    let exposed = report
        .findings
        .iter()
        .filter(|f| f.code == "exposed-plaintext");
    let mut ours: Vec<_> = exposed
        .flat_map(|f| f.examples.iter().map(|e| e.etcd_key.clone()))
        .collect();
    ours.sort();
    assert_eq!(ours, expected.live_plaintext_secrets);
    let others: Vec<_> = report
        .other_keys
        .examples
        .iter()
        .map(|e| e.etcd_key.clone())
        .collect();
    assert_eq!(others, expected.other_keys);
}

#[test]
fn distinct_deks_are_the_calls_of_a_cold_start() {
    let Sample { distinct_deks, .. } = sample();
    let expected: BTreeMap<_, _> = distinct_deks
        .into_iter()
        .map(|(name, n)| (name, (n.live as u64, n.all as u64)))
        .collect();
    let ours: BTreeMap<_, _> = opened(2)
        .deks
        .into_iter()
        .map(|d| (d.provider, (d.live, d.all)))
        .collect();
    assert_eq!(ours, expected);

    let survey = dek_requests(&source(), &config(), &DekTable::new(), &options(2)).unwrap();
    let mut asked: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for need in &survey.needs {
        let (live, all) = asked.entry(need.request.provider.clone()).or_default();
        *live += u64::from(need.live > 0);
        *all += 1;
    }
    assert_eq!(asked, expected);
    assert_eq!(survey.beyond, 0);
}

#[test]
fn any_number_of_threads_says_the_same() {
    let one = opened(1);
    for threads in [2, 7] {
        assert_eq!(opened(threads), one, "{threads} threads");
    }
}

#[test]
fn without_keys_nothing_is_unreadable_but_much_is_undecided() {
    let (config, expected) = (config(), sample());
    let report = audit(&source(), Some(&config), &DekTable::new(), &options(2)).unwrap();
    let kms: usize = expected
        .groups
        .iter()
        .filter(|g| g.provider.starts_with("kms"))
        .map(|g| g.live)
        .sum();
    assert_eq!(report.totals.undecided, kms as u64);
    assert!(report.findings.iter().any(|f| f.code == "undecided"));

    let report = audit(&source(), None, &DekTable::new(), &options(2)).unwrap();
    assert!(!report.judged);
    let live: usize = expected.resources.values().map(|r| r.live).sum();
    assert_eq!(report.totals.live, live as u64);
    assert_eq!(
        (
            report.totals.unreadable,
            report.totals.undecided,
            report.totals.stale
        ),
        (0, 0, 0)
    );
    // Secrets count as exposed whatever the configuration.
    assert_eq!(
        report.totals.exposed,
        expected.live_plaintext_secrets.len() as u64
    );
}

#[cfg(unix)]
#[test]
fn a_mapped_file_says_the_same_and_must_be_private() {
    use etcd_store::PageSource;
    use k8senc_audit::MappedSource;
    use std::os::unix::fs::PermissionsExt;

    let folder = std::env::temp_dir().join(format!("k8senc-audit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("snapshot.db");
    std::fs::copy(sample_dir().join("snapshot.db"), &copy).unwrap();
    let open = |mode| {
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(mode)).unwrap();
        MappedSource::open(&copy)
    };
    let (shared, private) = (open(0o666).map(drop), open(0o600));
    let folder_as_file = MappedSource::open(&folder).map(drop);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(shared.unwrap_err().code(), "not-private");
    assert_eq!(folder_as_file.unwrap_err().code(), "not-a-file");
    // The mapping outlives the name.
    let config = config();
    let [mapped, read] = [&private.unwrap() as &(dyn PageSource + Sync), &source()]
        .map(|s| audit(s, Some(&config), &DekTable::new(), &options(2)).unwrap());
    assert_eq!(mapped, read);
}

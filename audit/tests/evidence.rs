//! Evidence: what files of real servers show, and files that do not show it.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use etcd_store::{PageSource, Store};
use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::report::{Class, Finding, Removable, Severity};
use k8senc_audit::{LogFile, Options, Report, audit};
use k8senc_config::Config;
use k8senc_vectors::{sample, sample_dir};

/// Written by Debian's etcd 3.4; the second by the sample's etcd 3.6.
const RESIDUE: &[u8] = include_bytes!("../../etcd-store/tests/data/residue.snap");
/// The first values that `grep` finds in it, wherever they lie.
const TEXTS: &str = include_str!("../../etcd-store/tests/data/residue.texts");
/// The first records of the log of the same member, and its entries read by etcd's own types.
const LOG: &[u8] = include_bytes!("../../etcd-store/tests/data/log.wal");
const LOG_ENTRIES: &str = include_str!("../../etcd-store/tests/data/log.entries");
const FRESH: &[u8] = include_bytes!("../../etcd-store/tests/data/fresh.snap");

const KEK_2026_10: &str = "sha256:152e99e996a359f83f222a99c252fe78d5b68f677fc8e8a6cd03940106712571";

fn sample_bytes() -> Vec<u8> {
    std::fs::read(sample_dir().join("snapshot.db")).unwrap()
}

fn config_text() -> String {
    std::fs::read_to_string(sample_dir().join("encryption-config.yaml")).unwrap()
}

fn run(bytes: &[u8], config: Option<&str>) -> Report {
    let mut options = Options::new(&PORTABLE);
    (options.threads, options.examples) = (2, 5);
    let config = config.map(|text| Config::parse(text.as_bytes()).unwrap());
    audit(&bytes, config.as_ref(), &DekTable::new(), &options).unwrap()
}

fn of<'r>(report: &'r Report, code: &str) -> Vec<&'r Finding> {
    report.findings.iter().filter(|f| f.code == code).collect()
}

#[test]
fn plaintext_in_free_pages_is_residue_and_only_what_no_row_repeats() {
    // Read once more with the reader that is compared with Go's bbolt, and with what `grep` found in the file.
    let store = Store::open(RESIDUE, &etcd_store::Options::default()).unwrap();
    let (mut leaves, mut batch, mut buffer) = (store.leaves(), Vec::new(), Vec::new());
    let (mut rows, mut free, mut texts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let secret = |row: &etcd_store::Row<'_>| {
        !row.key.tombstone
            && row
                .key_value()
                .unwrap()
                .key
                .starts_with(b"/registry/secrets/")
    };
    let text = |row: &etcd_store::Row<'_>| {
        let value = String::from_utf8_lossy(row.key_value().unwrap().value).into_owned();
        value
            .starts_with("first-")
            .then(|| value[..=value.rfind('-').unwrap()].to_owned())
    };
    while leaves.fill(&mut batch, 64).unwrap() {
        for run in &batch {
            for row in store.leaf(run, &mut buffer).unwrap().rows().filter(secret) {
                rows.insert(row.key);
                texts.extend(text(&row));
            }
        }
    }
    let in_rows = texts.len();
    let claims = leaves.finish().unwrap();
    let mut runs = store.free(&claims);
    while let Some(run) = runs.next_run().unwrap() {
        for row in store
            .free_pages(&run, &mut buffer)
            .unwrap()
            .rows()
            .filter(secret)
        {
            free.insert(row.key);
            texts.extend(text(&row));
        }
    }
    let expected = free.difference(&rows).count() as u64;
    let grepped: BTreeSet<String> = TEXTS.lines().map(str::to_owned).collect();
    assert_eq!(texts, grepped);
    assert!(
        expected >= (grepped.len() - in_rows) as u64 && expected > 10,
        "the file shows nothing"
    );

    let report = run(RESIDUE, None);
    let residue = report.residue.as_ref().unwrap();
    assert_eq!(residue.exposed, expected);
    assert!(residue.duplicates > 0);
    let found = of(&report, "residue-plaintext");
    assert_eq!(
        (found.len(), found[0].count, found[0].class),
        (1, expected, Class::Residue)
    );
    assert!(
        found[0]
            .examples
            .iter()
            .all(|e| e.etcd_key.starts_with("/registry/secrets/"))
    );
    // Current and history are counted apart.
    assert!(report.totals.exposed + report.totals.history_exposed <= rows.len() as u64);

    let clean = run(FRESH, None);
    assert_eq!(
        clean.residue.as_ref().map(|r| (r.rows, r.fragments)),
        Some((0, 0))
    );
    assert!(of(&clean, "residue-plaintext").is_empty());
    let mut options = Options::new(&PORTABLE);
    options.residue = false;
    assert_eq!(
        audit(&RESIDUE, None, &DekTable::new(), &options)
            .unwrap()
            .residue,
        None
    );
}

#[test]
fn plaintext_in_a_write_ahead_log_is_residue() {
    // What etcd's own types read in the log: name in hex, length and digest of the value.
    let secret: String = b"/registry/secrets/"
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let puts = LOG_ENTRIES
        .lines()
        .filter(|line| line.starts_with("put ") && !line.starts_with("put compare "));
    let expected = puts
        .filter(|line| {
            line.split(' ')
                .nth(2)
                .is_some_and(|name| name.starts_with(&secret))
                && line.split(' ').nth(3) != Some("0")
        })
        .count() as u64;
    assert!(expected > 10);
    let with = |log: &'static [u8]| {
        let mut options = Options::new(&PORTABLE);
        let name = &b"0.wal"[..];
        let source: &(dyn PageSource + Sync) = &log;
        options.logs = vec![LogFile { name, source }];
        audit(&FRESH, None, &DekTable::new(), &options)
    };
    let report = with(LOG).unwrap();
    let log = report.log.as_ref().unwrap();
    assert_eq!(
        (log.exposed, log.files, log.torn, log.unsound),
        (expected, 1, false, 0)
    );
    // The file of four early writes holds none of them, and was saved before all of them were made.
    let found = of(&report, "log-plaintext");
    assert_eq!(
        (found.len(), found[0].count, found[0].class),
        (1, expected, Class::Residue)
    );
    assert!(log.only > 0 && log.pending >= expected);
    assert_eq!(of(&report, "log-pending").len(), 1);
    // A log without client requests, and a file that is no log.
    let report = with(&LOG[..512]).unwrap();
    assert_eq!(report.log.as_ref().unwrap().exposed, 0);
    assert!(of(&report, "log-plaintext").is_empty() && of(&report, "log-pending").is_empty());
    assert!(with(RESIDUE).is_err());
}

#[test]
fn who_holds_values_of_a_key_decides_whether_it_may_go() {
    let report = run(&sample_bytes(), Some(&config_text()));
    let mut holders: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for group in sample().groups {
        let (live, history) = holders
            .entry((group.provider.replace("kmsv", "kms-v"), group.key))
            .or_default();
        *live += group.live as u64;
        *history += group.history as u64;
    }
    assert!(report.keys.len() >= 10);
    for key in &report.keys {
        let (live, history) = holders
            .get(&(key.provider.to_owned(), key.key.clone()))
            .copied()
            .unwrap_or_default();
        assert_eq!((key.live, key.history), (live, history), "{key:?}");
        let expected = match (key.writes, live, history) {
            (true, ..) => Removable::Writes,
            (_, 1.., _) => Removable::No,
            (_, 0, 1..) => Removable::AfterCompaction,
            _ => Removable::Yes,
        };
        assert_eq!(key.removable, expected, "{key:?}");
    }
    assert!(of(&report, "key-removable").is_empty());
    // A key that nothing was ever written with.
    let more = config_text().replacen("            - name: \"sb-2024\"\n", "            - name: \"never-used\"\n              secret: 0JoqGhKuKcbGn1Cx01V543BZLJyDAz6sIIU8pciWyXo=\n            - name: \"sb-2024\"\n", 1);
    let report = run(&sample_bytes(), Some(&more));
    let unused = of(&report, "key-removable");
    assert_eq!(unused.len(), 1);
    assert_eq!(unused[0].key.as_deref(), Some("never-used"));
    assert_eq!(unused[0].severity, Severity::Info);
    // A file that is not what was written shows of no key that nothing needs it.
    let mut changed = sample_bytes();
    *changed.last_mut().unwrap() ^= 1;
    let report = run(&changed, Some(&more));
    assert!(of(&report, "key-removable").is_empty());
    let key = report.keys.iter().find(|key| key.key == "never-used");
    assert_eq!(key.unwrap().removable, Removable::Unknown);
}

#[test]
fn first_and_last_use_are_the_revisions_of_the_rows() {
    let bytes = sample_bytes();
    let store = Store::open(&bytes[..], &etcd_store::Options::default()).unwrap();
    let (mut leaves, mut batch, mut buffer) = (store.leaves(), Vec::new(), Vec::new());
    let mut leases = BTreeSet::new();
    while leaves.fill(&mut batch, 64).unwrap() {
        for run in &batch {
            for row in store.leaf(run, &mut buffer).unwrap().rows() {
                if row
                    .key_value()
                    .unwrap()
                    .key
                    .starts_with(b"/registry/leases/")
                    && !row.key.tombstone
                {
                    leases.insert(row.key.revision.main);
                }
            }
        }
    }
    let report = run(&bytes, None);
    let groups: Vec<_> = report
        .groups
        .iter()
        .filter(|g| g.resource == "leases.coordination.k8s.io")
        .collect();
    assert_eq!(groups.len(), 1);
    assert_eq!(
        (groups[0].first_revision, groups[0].last_revision),
        (*leases.first().unwrap(), *leases.last().unwrap())
    );
}

#[test]
fn key_ids_are_hashed_as_the_metrics_of_the_api_server_hash_them() {
    let report = run(&sample_bytes(), None);
    let hashes: BTreeMap<_, _> = report
        .groups
        .iter()
        .filter_map(|g| Some((g.key_id.clone()?, g.key_id_hash.clone()?)))
        .collect();
    // By sha256sum.
    assert_eq!(hashes["kek-2026-10"], KEK_2026_10);
    assert!(
        report
            .groups
            .iter()
            .all(|g| g.key_id.is_some() == g.key_id_hash.is_some())
    );
}

#[test]
fn bytes_where_etcd_leaves_zeros_are_damage() {
    let mut bytes = sample_bytes();
    assert!(of(&run(&bytes, None), "page-slack").is_empty());
    let place = {
        let store = Store::open(&bytes[..], &etcd_store::Options::default()).unwrap();
        let (mut leaves, mut batch, mut buffer) = (store.leaves(), Vec::new(), Vec::new());
        assert!(leaves.fill(&mut batch, 1).unwrap());
        let slack = store.leaf(&batch[0], &mut buffer).unwrap().slack().len() as u64;
        assert!(slack > 0);
        batch[0].offset() + batch[0].byte_len() - 1
    };
    bytes[place as usize] = 1;
    let report = run(&bytes, None);
    let found = of(&report, "page-slack");
    assert_eq!((found.len(), found[0].count), (1, 1));
}

#[test]
fn a_kms_v1_cache_that_is_too_small_is_told() {
    let live = sample().distinct_deks["legacy-kms"].live;
    for (size, findings) in [(live - 1, 1), (live, 0)] {
        let text = config_text().replace("cachesize: 200", &format!("cachesize: {size}"));
        assert_eq!(
            of(&run(&sample_bytes(), Some(&text)), "kmsv1-cache-small").len(),
            findings,
            "{size}"
        );
    }
}

#[test]
fn requirements_name_what_is_written_otherwise() {
    let mut report = run(&sample_bytes(), Some(&config_text()));
    let wanted = |text: &str| text.parse().unwrap();
    report.require(&[
        wanted("secrets=kms"),
        wanted("configmaps=encrypted"),
        wanted("nodes=kms-v2"),
        wanted("leases.coordination.k8s.io=authenticated"),
    ]);
    let secrets: u64 = sample()
        .groups
        .iter()
        .filter(|g| g.resource == "secrets" && !g.provider.starts_with("kms"))
        .map(|g| g.live as u64)
        .sum();
    let found = of(&report, "required-provider");
    let count = |resource: &str| -> u64 {
        found
            .iter()
            .filter(|f| f.resource.as_deref() == Some(resource))
            .map(|f| f.count)
            .sum()
    };
    assert_eq!(count("secrets"), secrets);
    assert_eq!(
        count("leases.coordination.k8s.io"),
        sample().resources["leases.coordination.k8s.io"].live as u64
    );
    let plain: u64 = sample()
        .groups
        .iter()
        .filter(|g| g.resource == "configmaps" && g.provider == "identity")
        .map(|g| g.live as u64)
        .sum();
    assert_eq!(count("configmaps"), plain);
    assert_eq!(of(&report, "required-resource-absent").len(), 1);
    for bad in ["secrets", "=kms", "secrets=", "secrets=rot13"] {
        assert!(bad.parse::<k8senc_audit::Requirement>().is_err(), "{bad}");
    }
}

#[test]
fn presets_say_what_stored_values_prove() {
    let said = |bytes: &[u8], preset: &str| {
        let mut report = run(bytes, None);
        let before = report.exit_code();
        report.require(&[preset.parse().unwrap()]);
        let found = of(&report, "policy-preset");
        let [said] = found[..] else {
            panic!("{preset}: {} findings", found.len())
        };
        assert_eq!(said.severity, Severity::Info, "{preset}");
        assert_eq!(said.resource.as_deref(), Some("secrets"));
        assert!(said.advice.contains("--encryption-provider-config"));
        let other = of(&report, "required-provider");
        let other: u64 = other.iter().map(|f| f.count).sum();
        let code = (before, report.exit_code());
        (said.message.clone(), said.count, other, code)
    };
    // Sixty Secrets under KMS v2: both are met, and nothing else is found.
    let restarts = include_bytes!("data/restarts.snap");
    for (preset, item, words) in [
        ("cis-kubernetes", "1.2.28", "by aescbc, secretbox or a KMS"),
        ("cis-kms", "5.3.1", "by a KMS"),
    ] {
        let (message, count, other, code) = said(restarts, preset);
        assert_eq!((count, other, code), (60, 0, (0, 0)), "{preset}");
        for part in [item, "met by what is stored", "60 live values", words] {
            assert!(
                message.contains(part) && !message.contains("not met"),
                "{message}"
            );
        }
    }
    // Five Secrets of the sample are in plaintext, many under keys that lie beside the data.
    let bytes = sample_bytes();
    for (preset, allowed) in [
        (
            "cis-kubernetes",
            &["aescbc", "secretbox", "kmsv1", "kmsv2"][..],
        ),
        ("cis-kms", &["kmsv1", "kmsv2"]),
    ] {
        let sums = sample();
        let secrets = || sums.groups.iter().filter(|g| g.resource == "secrets");
        let all: u64 = secrets().map(|g| g.live as u64).sum();
        let wrong = secrets().filter(|g| !allowed.contains(&g.provider.as_str()));
        let wrong: u64 = wrong.map(|g| g.live as u64).sum();
        let (message, count, other, (_, after)) = said(&bytes, preset);
        assert_eq!((count, other, after), (all, wrong, 1), "{preset}");
        assert!(
            message.contains(&format!("not met, {wrong} of {all} live values")),
            "{message}"
        );
    }
    // The benchmark leaves aesgcm out.
    let mut gcm = run(include_bytes!("data/keys.snap"), None);
    gcm.require(&["cis-kubernetes".parse().unwrap()]);
    let other = of(&gcm, "required-provider");
    assert!(other.iter().any(|f| f.provider == Some("aesgcm")));
    // What is not there proves nothing, and is a warning.
    let mut options = Options::new(&PORTABLE);
    options.etcd_prefix = Some(b"/elsewhere".to_vec());
    let mut nothing = audit(&&restarts[..], None, &DekTable::new(), &options).unwrap();
    nothing.require(&["cis-kms".parse().unwrap()]);
    assert_eq!(of(&nothing, "required-resource-absent").len(), 1);
    assert!(
        of(&nothing, "policy-preset")[0]
            .message
            .contains("nothing is proven")
    );
    let error = "cis"
        .parse::<k8senc_audit::Requirement>()
        .unwrap_err()
        .to_string();
    assert!(error.contains("cis-kubernetes, cis-kms"), "{error}");
}

#[test]
fn a_preset_that_is_met_passes_at_every_severity() {
    // Sixty Secrets under KMS v2. That a KMS has key_ids, and that a benchmark is met, are no faults; sixty seeds are advice.
    let mut report = run(include_bytes!("data/restarts.snap"), None);
    report.require(&["cis-kms".parse().unwrap()]);
    let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["dek-fragmentation", "key-ids", "policy-preset"]);
    assert_eq!(report.exit_code_for(Severity::Info), 1);
    report.findings.remove(0);
    assert_eq!(report.exit_code_for(Severity::Info), 0);
    // Whatever is not met is a finding of its own.
    let mut sample = run(&sample_bytes(), None);
    sample.findings.clear();
    sample.require(&["cis-kms".parse().unwrap()]);
    for least in [Severity::Info, Severity::Warning, Severity::Error] {
        assert_eq!(sample.exit_code_for(least), 1);
    }
}

#[test]
fn a_baseline_takes_what_is_known_and_not_what_has_grown() {
    let before = run(&sample_bytes(), Some(&config_text()));
    assert_eq!(before.exit_code(), 1);
    let text = serde_json::to_string(&before).unwrap();
    let mut same = before.clone();
    same.baseline(&text).unwrap();
    assert!(same.findings.iter().all(|f| f.severity == Severity::Info));
    assert_eq!(same.exit_code(), 4, "undecided stays undecided");
    let mut grown = before.clone();
    let at = grown
        .findings
        .iter()
        .position(|f| f.code == "exposed-plaintext")
        .unwrap();
    grown.findings[at].count += 1;
    grown.baseline(&text).unwrap();
    assert_eq!(
        grown
            .findings
            .iter()
            .filter(|f| f.severity != Severity::Info)
            .count(),
        1
    );
    assert!(before.clone().baseline("{}").is_err());
    assert_eq!(before.exit_code_for(Severity::Error), 1);
    assert_eq!(
        run(FRESH, None).exit_code_for(Severity::Error),
        run(FRESH, None).exit_code()
    );
}

#[test]
fn a_drill_names_what_is_missing() {
    let report = run(&sample_bytes(), Some(&config_text()));
    let drill = report.drill();
    assert!(!drill.restorable && !drill.damaged);
    assert_eq!(
        drill.live - drill.opens,
        report.totals.unreadable + report.totals.undecided
    );
    let kms: u64 = drill
        .missing
        .iter()
        .filter(|m| m.code == "dek-missing")
        .map(|m| m.live)
        .sum();
    assert_eq!(kms, report.totals.undecided);
    assert!(
        drill
            .missing
            .iter()
            .any(|m| m.key_id.as_deref() == Some("kek-2026-10") && m.what.contains("kek-2026-10"))
    );
    assert!(
        drill
            .missing
            .iter()
            .any(|m| m.key.as_deref() == Some("events-2024") && m.code == "no-matching-key")
    );
    // What is all plaintext opens with any keys.
    let fresh = run(FRESH, Some(&config_text())).drill();
    assert_eq!(fresh.restorable, fresh.live > 0);
    let mut damaged = sample_bytes();
    let end = damaged.len() - 1;
    damaged[end] ^= 1;
    assert!(run(&damaged, None).drill().damaged);
}

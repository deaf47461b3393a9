//! Reports: well-formed in every form, the same every time, and names of an attacker are data in all of them.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use etcd_store::PageSource;
use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::report::Example;
use k8senc_audit::{About, FileSource, LogFile, Options, Report, ReportFormat, audit, escape};
use k8senc_config::Config;
use k8senc_vectors::sample_dir;
use serde_json::Value;

fn source() -> FileSource {
    FileSource::open(&sample_dir().join("snapshot.db")).unwrap()
}

fn config() -> Config {
    Config::parse(&std::fs::read(sample_dir().join("encryption-config.yaml")).unwrap()).unwrap()
}

/// With every part that a report can have: several configurations and a member's log, too.
fn whole() -> Report {
    let (config, log) = (
        config(),
        &include_bytes!("../../etcd-store/tests/data/log.wal")[..],
    );
    let mut options = Options::new(&PORTABLE);
    options.config_name = "a\t\u{1b}[31m".to_owned();
    options.also = vec![("b".to_owned(), &config)];
    let (name, source_of_log): (_, &(dyn PageSource + Sync)) = (&b"0.wal"[..], &log);
    options.logs = vec![LogFile {
        name,
        source: source_of_log,
    }];
    let report = audit(&source(), Some(&config), &DekTable::new(), &options).unwrap();
    assert!(report.log.is_some() && report.residue.is_some() && report.newest_object.is_some());
    let first = report.configurations.first().unwrap();
    assert_eq!(first.name, escape(b"a\t\x1b[31m"));
    assert!(report.configurations.len() == 2 && report.opened_by.len() > 5);
    report
}

fn report(judged: bool) -> Report {
    let (source, config) = (source(), config());
    audit(
        &source,
        judged.then_some(&config),
        &DekTable::new(),
        &Options::new(&PORTABLE),
    )
    .unwrap()
}

fn write(report: &Report, format: ReportFormat, name: &str) -> String {
    report.write(format, &About::new(name.as_bytes())).unwrap()
}

/// The report with one name wherever a name of the file can stand.
fn named(report: &Report, name: &str) -> Report {
    let (mut report, shown) = (report.clone(), escape(name.as_bytes()));
    let examples = || {
        vec![Example {
            etcd_key: shown.clone(),
            revision: 7,
        }]
    };
    for finding in &mut report.findings {
        finding.examples = examples();
        finding.message = format!("{} {shown}", finding.message);
        (finding.resource, finding.key, finding.key_id) = (
            Some(shown.clone()),
            Some(shown.clone()),
            Some(shown.clone()),
        );
    }
    for group in &mut report.groups {
        (group.key, group.key_id) = (Some(shown.clone()), Some(shown.clone()));
        group.resource.clone_from(&shown);
    }
    for resource in &mut report.resources {
        resource.resource.clone_from(&shown);
    }
    for namespace in &mut report.namespaces {
        namespace.namespace = Some(shown.clone());
    }
    for key in &mut report.keys {
        key.key.clone_from(&shown);
        key.rules = vec![shown.clone()];
    }
    for dek in &mut report.deks {
        dek.provider.clone_from(&shown);
    }
    for config in &mut report.configurations {
        config.name.clone_from(&shown);
    }
    for set in &mut report.opened_by {
        set.resource.clone_from(&shown);
        (set.key, set.key_id) = (Some(shown.clone()), Some(shown.clone()));
        set.opens = vec![shown.clone()];
        set.waits = vec![shown.clone()];
        set.examples = examples();
    }
    report.other_keys.examples = examples();
    report
}

fn hostile() -> Vec<String> {
    serde_json::from_str(include_str!("data/hostile-names.json")).unwrap()
}

/// How often each of these characters is there.
fn counts(text: &str, of: &str) -> Vec<usize> {
    of.chars().map(|c| text.matches(c).count()).collect()
}

#[test]
fn a_report_is_the_same_every_time() {
    let (one, two) = (report(true), report(true));
    for format in ReportFormat::ALL {
        assert_eq!(
            write(&one, format, "a"),
            write(&two, format, "a"),
            "{format}"
        );
        assert_eq!(format.name().parse(), Ok(format));
        assert!(write(&one, format, "a").ends_with('\n'), "{format}");
    }
}

#[test]
fn no_name_is_markup_in_html() {
    let report = whole();
    // Two plain names of different length: what differs between them is text alone.
    let plain = write(&named(&report, "plain"), ReportFormat::Html, "plain");
    for name in hostile() {
        let html = write(&named(&report, &name), ReportFormat::Html, &name);
        assert_eq!(counts(&html, "<>\"'"), counts(&plain, "<>\"'"), "{name:?}");
        assert!(
            html.chars().all(|c| c == '\n' || !c.is_control()),
            "{name:?}"
        );
        assert!(
            html.contains("default-src 'none'") && !html.contains("<script"),
            "{name:?}"
        );
    }
    assert!(!plain.contains("http://") && !plain.contains("https://") && !plain.contains("url("));
}

#[test]
fn no_name_is_a_formula_or_a_column_in_csv() {
    let report = whole();
    for format in [ReportFormat::Csv, ReportFormat::CsvFindings] {
        let plain = write(&named(&report, "plain"), format, "plain");
        for name in hostile() {
            let csv = write(&named(&report, &name), format, &name);
            assert_eq!(
                csv.matches("\r\n").count(),
                plain.matches("\r\n").count(),
                "{name:?}"
            );
            for line in csv.lines() {
                let cells = cells(line);
                assert_eq!(cells.len(), cells_of_head(&csv), "{name:?}: {line}");
                for cell in cells {
                    assert!(
                        !cell
                            .trim_start()
                            .starts_with(['=', '+', '-', '@', '\u{ff1d}']),
                        "{name:?}: {cell}"
                    );
                }
            }
        }
    }
}

fn cells_of_head(csv: &str) -> usize {
    cells(csv.lines().next().unwrap()).len()
}

/// RFC 4180, every cell quoted.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut rest) = (Vec::new(), line);
    loop {
        let (mut cell, mut inner) = (String::new(), rest.strip_prefix('"').unwrap());
        loop {
            let (text, behind) = inner.split_once('"').unwrap();
            cell += text;
            inner = behind;
            match inner.strip_prefix('"') {
                Some(behind) => {
                    cell.push('"');
                    inner = behind;
                }
                None => break,
            }
        }
        cells.push(cell);
        match inner.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                assert_eq!(inner, "", "{line}");
                return cells;
            }
        }
    }
}

#[test]
fn no_name_is_markup_in_markdown() {
    let report = whole();
    let plain = write(&named(&report, "plain"), ReportFormat::Markdown, "plain");
    for name in hostile() {
        let text = write(&named(&report, &name), ReportFormat::Markdown, &name);
        assert_eq!(text.lines().count(), plain.lines().count(), "{name:?}");
        for mark in ["|", "`", "*", "<", "[", "](", "_", "~", "@", "://"] {
            assert_eq!(
                text.matches(mark).count(),
                plain.matches(mark).count(),
                "{mark} of {name:?}"
            );
        }
        assert!(!text.to_lowercase().contains("www."), "{name:?}");
    }
}

#[test]
fn json_lines_and_sarif_hold_the_names_as_they_are() {
    let report = report(true);
    for name in hostile() {
        let (named, shown) = (named(&report, &name), escape(name.as_bytes()));
        let lines = write(&named, ReportFormat::Jsonl, &name);
        let parsed: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            parsed.len(),
            2 + named.resources.len()
                + named.namespaces.len()
                + named.groups.len()
                + named.deks.len()
                + named.findings.len()
        );
        assert!(
            parsed
                .iter()
                .all(|line| line["file"] == shown.as_str() && line["format"] == 1)
        );

        let sarif: Value =
            serde_json::from_str(&write(&named, ReportFormat::Sarif, &name)).unwrap();
        let run = &sarif["runs"][0];
        assert_eq!(sarif["version"], "2.1.0");
        assert_eq!(
            run["results"].as_array().unwrap().len(),
            named.findings.len()
        );
        for result in run["results"].as_array().unwrap() {
            let rule =
                &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(matches!(
                result["level"].as_str(),
                Some("error" | "warning" | "note")
            ));
            assert_eq!(
                result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
                shown.as_str()
            );
            let text = result["message"]["text"].as_str().unwrap();
            assert!(!has_bare(text, '[') && !has_bare(text, ']'), "{text}");
            assert_eq!(text.matches('{').count() % 2, 0, "{text}");
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
                .as_str()
                .unwrap();
            assert!(
                uri.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)),
                "{uri}"
            );
        }
    }
}

/// Whether the character stands there without a backslash of its own.
fn has_bare(text: &str, wanted: char) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        if c == wanted && !escaped {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

#[test]
fn no_name_is_a_metric() {
    let report = whole();
    let plain = write(&named(&report, "plain"), ReportFormat::Prometheus, "plain");
    for name in hostile() {
        let text = write(&named(&report, &name), ReportFormat::Prometheus, &name);
        assert_eq!(text.lines().count(), plain.lines().count(), "{name:?}");
        for (line, plain) in text.lines().zip(plain.lines()) {
            let metric = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
            assert_eq!(metric(line), metric(plain), "{name:?}");
            let value: Result<f64, _> = line.rsplit(' ').next().unwrap().parse();
            assert!(line.starts_with('#') || value.is_ok(), "{name:?}: {line}");
        }
    }
}

#[test]
fn redacted_reports_hold_no_name() {
    let report = report(true);
    let names: Vec<String> = report
        .findings
        .iter()
        .flat_map(|f| f.examples.iter().map(|e| e.etcd_key.clone()))
        .collect();
    assert!(names.len() > 10);
    let redacted = report.redacted();
    for format in ReportFormat::ALL {
        let text = write(&redacted, format, "a");
        for name in &names {
            let own = name.rsplit('/').next().unwrap();
            assert!(
                !text.contains(name.as_str()) && (own.len() < 5 || !text.contains(own)),
                "{format}: {name}"
            );
        }
    }
    let finding = redacted
        .findings
        .iter()
        .find(|f| f.code == "exposed-plaintext")
        .unwrap();
    assert!(finding.examples[0].etcd_key.starts_with("secrets #"));
    let mut spaces = redacted
        .namespaces
        .iter()
        .filter_map(|n| n.namespace.as_ref());
    assert!(spaces.clone().count() > 1 && spaces.all(|name| name.starts_with("namespace #")));
}

#[test]
fn without_a_configuration_nothing_is_called_current() {
    for format in ReportFormat::ALL {
        let text = write(&report(false), format, "a");
        assert!(!text.contains("encrypted and current"), "{format}");
    }
}

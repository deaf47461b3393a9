//! SARIF 2.1.0 (OASIS), for code scanning dashboards.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::encode::{sarif as text, uri};
use super::{About, Finding, Report, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = "https://github.com/k8senc/k8senc";

pub(crate) fn write(report: &Report, about: &About) -> Result<String, serde_json::Error> {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    for finding in &report.findings {
        rules.entry(finding.code).or_insert_with(|| {
            json!({
                "id": finding.code,
                "defaultConfiguration": { "level": level(finding.severity) },
                "help": { "text": text(finding.advice) },
                "properties": { "class": finding.class.name() },
            })
        });
    }
    let at: BTreeMap<&str, usize> = rules
        .keys()
        .enumerate()
        .map(|(at, code)| (*code, at))
        .collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|f| result(f, at.get(f.code), about))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "k8senc",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": HOME,
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "artifacts": [{ "location": { "uri": uri(&about.name) }, "length": report.snapshot.bytes }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

fn result(finding: &Finding, rule: Option<&usize>, about: &About) -> Value {
    let place = json!({ "artifactLocation": { "uri": uri(&about.name), "index": 0 } });
    let mut locations: Vec<Value> = finding
        .examples
        .iter()
        .map(|e| {
            json!({
                "physicalLocation": place,
                "logicalLocations": [{ "fullyQualifiedName": e.etcd_key, "kind": "resource" }],
                "properties": { "revision": e.revision },
            })
        })
        .collect();
    if locations.is_empty() {
        locations.push(json!({ "physicalLocation": place }));
    }
    let parts = [
        finding.resource.as_deref(),
        finding.provider,
        finding.key.as_deref(),
        finding.key_id.as_deref(),
    ];
    let print: Vec<&str> = parts.into_iter().map(Option::unwrap_or_default).collect();
    let about_what: Vec<&str> = print
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    let about_what = if about_what.is_empty() {
        String::new()
    } else {
        format!("{}: ", about_what.join(" "))
    };
    json!({
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": { "text": text(&format!("{about_what}{}. {}", finding.message, finding.advice)) },
        "locations": locations,
        "occurrenceCount": finding.count.max(1),
        "partialFingerprints": { "k8sencFinding/v1": format!("{}|{}", finding.code, print.join("|")) },
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

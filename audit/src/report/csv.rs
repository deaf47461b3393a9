//! Tables for spreadsheets, RFC 4180.

use super::encode::csv;
use super::{Report, Severity};

fn row(cells: &[String]) -> String {
    cells
        .iter()
        .map(|cell| csv(cell))
        .collect::<Vec<_>>()
        .join(",")
        + "\r\n"
}

fn head(names: &[&str]) -> String {
    row(&names
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<Vec<_>>())
}

pub(crate) fn groups(report: &Report) -> String {
    let mut out = head(&[
        "resource",
        "provider",
        "key",
        "key is a guess",
        "key_id",
        "form",
        "live",
        "plaintext",
        "exposed",
        "stale",
        "stale why",
        "unreadable",
        "undecided",
        "moved",
        "history",
        "history exposed",
        "first revision",
        "last revision",
    ]);
    for g in &report.groups {
        let c = &g.counts;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let why: Vec<&str> = g.stale_why.keys().copied().collect();
        let numbers = |n: u64| n.to_string();
        out += &row(&[
            g.resource.clone(),
            g.provider.to_owned(),
            text(&g.key),
            g.guessed.to_string(),
            text(&g.key_id),
            g.form.unwrap_or_default().to_owned(),
            numbers(c.live),
            numbers(c.plaintext),
            numbers(c.exposed),
            numbers(c.stale),
            why.join(" "),
            numbers(c.unreadable),
            numbers(c.undecided),
            numbers(c.moved),
            numbers(c.history),
            numbers(c.history_exposed),
            g.first_revision.to_string(),
            g.last_revision.to_string(),
        ]);
    }
    out
}

pub(crate) fn findings(report: &Report) -> String {
    let mut out = head(&[
        "severity", "code", "class", "resource", "provider", "key", "key_id", "count", "message",
        "advice", "examples",
    ]);
    for f in &report.findings {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let examples: Vec<String> = f
            .examples
            .iter()
            .map(|e| format!("{} @{}", e.etcd_key, e.revision))
            .collect();
        out += &row(&[
            severity(f.severity).to_owned(),
            f.code.to_owned(),
            f.class.name().to_owned(),
            text(&f.resource),
            f.provider.unwrap_or_default().to_owned(),
            text(&f.key),
            text(&f.key_id),
            f.count.to_string(),
            f.message.clone(),
            f.advice.to_owned(),
            examples.join("; "),
        ]);
    }
    out
}

pub(crate) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

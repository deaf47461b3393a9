//! The report for tickets and wikis.

use core::fmt::Write;

use super::csv::severity;
use super::encode::{count, markdown as text};
use super::{About, Report};
use crate::report::summary::{headline, state_words};

pub(crate) fn write(report: &Report, about: &About) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# Encryption at rest: {}\n", text(&about.name));
    if !about.when.is_empty() {
        let _ = writeln!(out, "{}\n", text(&about.when));
    }
    let _ = writeln!(out, "**{}**\n", text(&headline(report)));
    let s = &report.snapshot;
    let _ = writeln!(
        out,
        "{} bytes, etcd {}, revision {}, compacted to {}; k8senc {}\n",
        count(s.bytes),
        text(s.etcd_version),
        s.revision,
        s.compact_revision,
        env!("CARGO_PKG_VERSION")
    );
    out += "## Findings\n\n";
    if report.findings.is_empty() {
        out += "None.\n\n";
    }
    for f in &report.findings {
        let subject: Vec<String> = [
            f.resource.as_deref(),
            f.provider,
            f.key.as_deref(),
            f.key_id.as_deref(),
        ]
        .into_iter()
        .flatten()
        .map(text)
        .collect();
        let _ = writeln!(
            out,
            "- **{}** `{}` ({}) {}: {}. *{}.*",
            severity(f.severity),
            f.code,
            f.class.name(),
            subject.join(" "),
            text(&f.message),
            text(f.advice)
        );
        for e in &f.examples {
            let _ = writeln!(out, "  - {} at revision {}", text(&e.etcd_key), e.revision);
        }
    }
    namespaces(&mut out, report);
    out += "\n## Inventory\n\n| resource | provider | key | live | old | state |\n|---|---|---|---:|---:|---|\n";
    for g in &report.groups {
        let names: Vec<String> = [g.key.as_deref(), g.key_id.as_deref(), g.form]
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        let _ = writeln!(
            out,
            "| {} | {} | {}{} | {} | {} | {} |",
            text(&g.resource),
            text(g.provider),
            names.join(" "),
            if g.guessed { " &#40;a guess&#41;" } else { "" },
            count(g.counts.live),
            count(g.counts.history),
            text(&state_words(g, report.judged))
        );
    }
    out
}

fn namespaces(out: &mut String, report: &Report) {
    let (listed, left) = report.namespaces_in_need();
    if listed.is_empty() {
        return;
    }
    out.push_str("\n## Namespaces\n\n| namespace | live | in plaintext | stale | unreadable | undecided |\n|---|---:|---:|---:|---:|---:|\n");
    for n in listed {
        let c = &n.counts;
        let numbers = [
            c.live,
            c.exposed,
            c.stale.saturating_sub(c.exposed),
            c.unreadable,
            c.undecided,
        ];
        let _ = writeln!(
            out,
            "| {} | {} |",
            text(n.name()),
            numbers.map(count).join(" | ")
        );
    }
    if left > 0 {
        let _ = writeln!(out, "\nand {} more", count(left));
    }
}

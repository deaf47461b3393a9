//! The text format of Prometheus, for a nightly job and the textfile collector of the node exporter.

use core::fmt::{Display, Write};

use super::csv::severity;
use super::encode::label;
use super::{About, HashStatus, Report};

struct Out {
    text: String,
    file: String,
}

impl Out {
    fn head(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut all = format!("file=\"{}\"", label(&self.file));
        for (key, text) in labels {
            let _ = write!(all, ",{key}=\"{}\"", label(text));
        }
        let _ = writeln!(self.text, "{name}{{{all}}} {value}");
    }

    fn one(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help);
        self.line(name, &[], value);
    }
}

pub(crate) fn write(report: &Report, about: &About) -> String {
    let mut out = Out {
        text: String::new(),
        file: about.name.clone(),
    };
    let s = &report.snapshot;
    out.one(
        "k8senc_audit_exit_code",
        "What k8senc audit would exit with: 0 clean, 1 findings, 3 damaged, 4 undecided.",
        report.exit_code(),
    );
    out.one(
        "k8senc_snapshot_revision",
        "Newest revision in the snapshot.",
        s.revision,
    );
    out.one("k8senc_snapshot_bytes", "Length of the snapshot.", s.bytes);
    out.one(
        "k8senc_snapshot_damaged",
        "1 if the hash does not match or rows cannot be parsed.",
        u8::from(s.sha256.status == HashStatus::Mismatch || s.damaged_rows > 0),
    );
    let name = "k8senc_objects";
    out.head(
        name,
        "Values by resource and state; a value may be in several states.",
    );
    for r in &report.resources {
        let c = &r.counts;
        for (state, n) in [
            ("live", c.live),
            ("plaintext", c.plaintext),
            ("exposed", c.exposed),
            ("stale", c.stale),
            ("unreadable", c.unreadable),
            ("undecided", c.undecided),
            ("moved", c.moved),
            ("history", c.history),
            ("history_exposed", c.history_exposed),
        ] {
            out.line(name, &[("resource", &r.resource), ("state", state)], n);
        }
    }
    let name = "k8senc_key_objects";
    out.head(
        name,
        "Values by the key that wrote them; class is current or history.",
    );
    for g in &report.groups {
        for (class, n) in [("current", g.counts.live), ("history", g.counts.history)] {
            let labels = [
                ("resource", g.resource.as_str()),
                ("provider", g.provider),
                ("key", g.key.as_deref().unwrap_or_default()),
                ("key_id_hash", g.key_id_hash.as_deref().unwrap_or_default()),
                ("form", g.form.unwrap_or_default()),
                ("class", class),
            ];
            out.line(name, &labels, n);
        }
    }
    let name = "k8senc_findings";
    out.head(name, "Values, rows or warnings of each finding.");
    let mut sums: std::collections::BTreeMap<(&str, &str), u64> = std::collections::BTreeMap::new();
    for f in &report.findings {
        *sums.entry((f.code, severity(f.severity))).or_default() += f.count;
    }
    for ((code, severity), n) in sums {
        out.line(name, &[("code", code), ("severity", severity)], n);
    }
    let name = "k8senc_distinct_deks";
    out.head(name, "KMS Decrypt calls of a cold start.");
    for d in &report.deks {
        out.line(name, &[("provider", &d.provider), ("api", d.api)], d.live);
    }
    out.text
}

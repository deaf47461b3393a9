//! The words that several kinds of report share.

use super::encode::count;
use super::{Group, HashStatus, Report};

/// The verdict in one sentence.
pub(crate) fn headline(report: &Report) -> String {
    let t = &report.totals;
    if report.snapshot.sha256.status == HashStatus::Mismatch {
        return "The file is damaged: counts may be wrong".to_owned();
    }
    if t.live + t.history == 0 {
        return "No Kubernetes objects".to_owned();
    }
    let stale = stale_only(report);
    let parts = [
        (t.exposed, "in plaintext"),
        (t.unreadable, "unreadable"),
        (t.moved, "moved"),
        (stale, "stale"),
        (t.history_exposed, "old versions in plaintext"),
        (
            report.residue.as_ref().map_or(0, |r| r.exposed),
            "recoverable in plaintext from free pages",
        ),
        (t.undecided + t.history_undecided, "undecided without KMS"),
        (t.stale_unknown, "of unknown staleness"),
    ];
    let bad: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", count(*n)))
        .collect();
    if !bad.is_empty() {
        return format!("Of {} live objects: {}", count(t.live), bad.join(", "));
    }
    let encrypted = count(t.live - t.plaintext);
    let what = if report.judged {
        "encrypted, current and readable"
    } else {
        "encrypted; not opened, since no configuration was given"
    };
    format!("{encrypted} of {} live objects {what}", count(t.live))
}

/// Stale values with nothing worse to say of them: exposed ones are stale too.
pub(crate) fn stale_only(report: &Report) -> u64 {
    let stale = report.findings.iter().filter(|f| f.code == "stale");
    stale.map(|f| f.count).sum()
}

/// What is to be said of one group.
pub(crate) fn state_words(group: &Group, judged: bool) -> String {
    let c = &group.counts;
    let mut parts = Vec::new();
    let mut say = |n: u64, words: &str| {
        if n > 0 {
            parts.push(format!("{} {words}", count(n)));
        }
    };
    say(c.exposed, "in plaintext");
    say(c.history_exposed, "old in plaintext");
    say(c.unreadable, "unreadable");
    say(c.history_unreadable, "old unreadable");
    say(c.moved, "moved");
    say(c.undecided + c.history_undecided, "undecided");
    say(c.stale_unknown, "of unknown staleness");
    if c.stale > 0 && c.exposed == 0 {
        let why: Vec<&str> = group.stale_why.keys().copied().collect();
        parts.push(format!("{} stale ({})", count(c.stale), why.join(", ")));
    }
    if !parts.is_empty() {
        return parts.join("; ");
    }
    match group.provider {
        "identity" => "plaintext",
        "empty" => "empty",
        _ if c.live == 0 => "only old versions",
        _ if judged => "current",
        _ => "encrypted",
    }
    .to_owned()
}

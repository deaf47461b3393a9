//! From counters to what deserves attention.

use etcd_store::Warning;

use crate::escape::shown;
use crate::part::Place;
use crate::report::{Example, Finding, HashStatus, Severity, Snapshot};
use crate::tally::{GroupTally, Tally};

/// A finding of one kind; texts are filled in by [`finding`].
struct Rule {
    code: &'static str,
    severity: Severity,
    advice: &'static str,
}

const EXPOSED: Rule = Rule {
    code: "exposed-plaintext",
    severity: Severity::Error,
    advice: "rewrite these objects through the API server once encryption is on, then treat every older copy of this file as disclosed",
};
const UNREADABLE: Rule = Rule {
    code: "unreadable",
    severity: Severity::Error,
    advice: "find the key that wrote them before anything is rewritten; a value that no key opens blocks lists of its resource",
};
const MOVED: Rule = Rule {
    code: "moved",
    severity: Severity::Error,
    advice: "compare with an older backup: the value was written for another object, which this provider cannot notice",
};
const STALE: Rule = Rule {
    code: "stale",
    severity: Severity::Warning,
    advice: "rewrite these objects before a key or provider is taken out of the configuration",
};
const HISTORY_PLAINTEXT: Rule = Rule {
    code: "history-plaintext",
    severity: Severity::Warning,
    advice: "compact and defragment etcd; every copy of this file still holds these values in the clear",
};
const HISTORY_UNREADABLE: Rule = Rule {
    code: "history-unreadable",
    severity: Severity::Info,
    advice: "nothing reads superseded values; they go with the next compaction",
};
const UNDECIDED: Rule = Rule {
    code: "undecided",
    severity: Severity::Warning,
    advice: "give the KMS plugin, or a higher limit of KMS calls, to decide these values",
};
const STALENESS_UNKNOWN: Rule = Rule {
    code: "staleness-unknown",
    severity: Severity::Warning,
    advice: "say which key_id the plugin's Status reports now",
};
const FOLDED: Rule = Rule {
    code: "groups-folded",
    severity: Severity::Warning,
    advice: "look at who wrote this file: no cluster has so many keys",
};
const FOREIGN: Rule = Rule {
    code: "foreign-keys",
    severity: Severity::Info,
    advice: "if the API server runs with another etcd prefix, give it; otherwise something else uses this etcd",
};
const MISMATCH: Rule = Rule {
    code: "trailer-mismatch",
    severity: Severity::Error,
    advice: "take another copy: this one is not what was written, and etcd refuses to restore it",
};
const NO_TRAILER: Rule = Rule {
    code: "no-trailer",
    severity: Severity::Info,
    advice: "a copy of a member's db file cannot be checked for damage; a snapshot by etcdctl can",
};
const DAMAGED: Rule = Rule {
    code: "damaged-row",
    severity: Severity::Error,
    advice: "take another copy: rows of this one cannot be parsed",
};
const WARNING: Rule = Rule {
    code: "store-warning",
    severity: Severity::Info,
    advice: "the reader went on; etcd's own tools may not",
};

fn finding(rule: &Rule, count: u64, message: String, examples: &[Example]) -> Finding {
    Finding {
        code: rule.code,
        severity: rule.severity,
        resource: None,
        provider: None,
        key: None,
        key_id: None,
        count,
        message,
        advice: rule.advice,
        examples: examples.to_vec(),
    }
}

/// All findings, the worst first, then by code and group.
pub(crate) fn collect(tally: &Tally, snapshot: &Snapshot, warnings: &[Warning]) -> Vec<Finding> {
    let mut all = Vec::new();
    if snapshot.sha256.status == HashStatus::Mismatch {
        let message = "the SHA-256 behind the pages is not that of the pages".to_owned();
        all.push(finding(&MISMATCH, 1, message, &[]));
    }
    if snapshot.sha256.status == HashStatus::Absent {
        let message = "the file ends without a SHA-256, as a member's own db file does".to_owned();
        all.push(finding(&NO_TRAILER, 1, message, &[]));
    }
    if tally.damaged > 0 {
        let places: Vec<String> = tally
            .damaged_examples
            .iter()
            .map(|(revision, page)| format!("revision {revision} on page {page}"))
            .collect();
        let message = format!(
            "{} rows cannot be parsed: {}",
            tally.damaged,
            places.join(", ")
        );
        all.push(finding(&DAMAGED, tally.damaged, message, &[]));
    }
    for warning in warnings {
        let text = shown(format!("{}: {warning}", warning.code()).as_bytes());
        all.push(finding(&WARNING, 1, text, &[]));
    }
    let foreign = tally
        .groups
        .iter()
        .filter(|g| matches!(g.key.place, Place::Foreign) && !g.folded);
    let (count, examples) = foreign.fold((0, Vec::new()), |(count, mut examples), g| {
        examples.extend(g.other.iter().cloned());
        (count + g.counts.live, examples)
    });
    if count > 0 {
        let message = format!("{count} live keys lie outside the etcd prefix");
        all.push(finding(
            &FOREIGN,
            count,
            message,
            examples.get(..3).unwrap_or(&examples),
        ));
    }
    for group in &tally.groups {
        of_group(group, &mut all);
    }
    all.sort_by(|a, b| {
        let key = |f: &Finding| {
            (
                f.severity,
                f.code,
                f.resource.clone(),
                f.provider,
                f.key.clone(),
                f.key_id.clone(),
                f.message.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    all
}

fn of_group(group: &GroupTally, all: &mut Vec<Finding>) {
    let c = &group.counts;
    if group.folded {
        let count = c.live + c.history;
        let message =
            format!("{count} values of further resources, providers and keys are counted together");
        all.push(finding(&FOLDED, count, message, &[]));
    }
    let mut add = |rule: &Rule, count: u64, message: String, examples: &[Example]| {
        if count == 0 {
            return;
        }
        let mut found = finding(rule, count, message, examples);
        if let Place::Resource { name, .. } = &group.key.place {
            found.resource = Some(shown(name));
        }
        found.provider = Some(group.key.provider).filter(|p| !p.is_empty());
        found.key = group.key.key.as_deref().map(shown);
        found.key_id = group.key.key_id.as_deref().map(shown);
        all.push(found);
    };
    add(
        &EXPOSED,
        c.exposed,
        format!("{} live values are stored in plaintext", c.exposed),
        &group.exposed,
    );
    add(
        &HISTORY_PLAINTEXT,
        c.history_exposed,
        format!(
            "{} superseded or deleted values still lie there in plaintext",
            c.history_exposed
        ),
        &group.history_exposed,
    );
    add(
        &MOVED,
        c.moved,
        format!(
            "{} live values hold an object of another name than their etcd key",
            c.moved
        ),
        &group.moved,
    );
    let reasons: Vec<&str> = group.stale_why.keys().copied().collect();
    add(
        &STALE,
        group.stale_only,
        format!(
            "{} live values would be written differently today: {}",
            group.stale_only,
            reasons.join(", ")
        ),
        &group.stale,
    );
    add(
        &STALENESS_UNKNOWN,
        c.stale_unknown,
        format!(
            "{} live values open, but whether they are stale depends on the plugin's state",
            c.stale_unknown
        ),
        &group.stale_unknown,
    );
    let undecided = c.undecided + c.history_undecided;
    add(
        &UNDECIDED,
        undecided,
        format!("{undecided} values wait for a DEK that only the KMS can unwrap"),
        &group.undecided,
    );
    for why in &group.whys {
        let text = why.why.upstream.as_deref().map_or_else(String::new, |u| {
            format!("; kube-apiserver would say: {}", shown(u))
        });
        let code = why.why.code;
        add(
            &UNREADABLE,
            why.live,
            format!("{} live values do not open: {code}{text}", why.live),
            &why.live_examples,
        );
        add(
            &HISTORY_UNREADABLE,
            why.history,
            format!(
                "{} superseded or deleted values do not open: {code}{text}",
                why.history
            ),
            &why.history_examples,
        );
    }
}

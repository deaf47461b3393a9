//! From counters to what deserves attention.

use etcd_store::Warning;

use crate::escape::shown;
use crate::part::Place;
use crate::report::count as grouped;
use crate::report::{
    Class, DekCount, Example, Finding, HashStatus, KeyUse, Removable, Residue, Severity, Snapshot,
    UPSTREAM_SAYS,
};
use crate::tally::{GroupTally, Tally};

/// A finding of one kind; texts are filled in by [`finding`].
pub(crate) struct Rule {
    pub code: &'static str,
    pub class: Class,
    pub severity: Severity,
    pub advice: &'static str,
}

const EXPOSED: Rule = Rule {
    code: "exposed-plaintext",
    class: Class::Current,
    severity: Severity::Error,
    advice: "rewrite these objects through the API server once encryption is on, then treat every older copy of this file as disclosed",
};
const UNREADABLE: Rule = Rule {
    code: "unreadable",
    class: Class::Current,
    severity: Severity::Error,
    advice: "find the key that wrote them before anything is rewritten; a value that no key opens blocks lists of its resource",
};
const MOVED: Rule = Rule {
    code: "moved",
    class: Class::Current,
    severity: Severity::Error,
    advice: "compare with an older backup: the value was written for another object, which this provider cannot notice",
};
const STALE: Rule = Rule {
    code: "stale",
    class: Class::Current,
    severity: Severity::Warning,
    advice: "rewrite these objects before a key or provider is taken out of the configuration",
};
const HISTORY_PLAINTEXT: Rule = Rule {
    code: "history-plaintext",
    class: Class::History,
    severity: Severity::Warning,
    advice: "compact and defragment etcd; every copy of this file still holds these values in the clear",
};
const HISTORY_UNREADABLE: Rule = Rule {
    code: "history-unreadable",
    class: Class::History,
    severity: Severity::Info,
    advice: "nothing reads superseded values; they go with the next compaction",
};
const UNDECIDED: Rule = Rule {
    code: "undecided",
    class: Class::Current,
    severity: Severity::Warning,
    advice: "give the KMS plugin, or a higher limit of KMS calls, to decide these values",
};
const STALENESS_UNKNOWN: Rule = Rule {
    code: "staleness-unknown",
    class: Class::Current,
    severity: Severity::Warning,
    advice: "say which key_id the plugin's Status reports now",
};
const FOLDED: Rule = Rule {
    code: "groups-folded",
    class: Class::File,
    severity: Severity::Warning,
    advice: "look at who wrote this file: no cluster has so many keys",
};
const FOREIGN: Rule = Rule {
    code: "foreign-keys",
    class: Class::File,
    severity: Severity::Info,
    advice: "if the API server runs with another etcd prefix, give it; otherwise something else uses this etcd",
};
const MISMATCH: Rule = Rule {
    code: "trailer-mismatch",
    class: Class::File,
    severity: Severity::Error,
    advice: "take another copy: this one is not what was written, and etcd refuses to restore it",
};
const NO_TRAILER: Rule = Rule {
    code: "no-trailer",
    class: Class::File,
    severity: Severity::Info,
    advice: "a copy of a member's db file cannot be checked for damage; a snapshot by etcdctl can",
};
const DAMAGED: Rule = Rule {
    code: "damaged-row",
    class: Class::File,
    severity: Severity::Error,
    advice: "take another copy: rows of this one cannot be parsed",
};
const WARNING: Rule = Rule {
    code: "store-warning",
    class: Class::File,
    severity: Severity::Info,
    advice: "the reader went on; etcd's own tools may not",
};

const RESIDUE_PLAINTEXT: Rule = Rule {
    code: "residue-plaintext",
    class: Class::Residue,
    severity: Severity::Warning,
    advice: "rewrite all objects, compact, defragment every member (its free pages differ from the others'), take a new snapshot and audit that; wait until the write-ahead log has turned over, and destroy older backups",
};
const RESIDUE_FRAGMENT: Rule = Rule {
    code: "residue-fragment",
    class: Class::Residue,
    severity: Severity::Info,
    advice: "defragment every member; what begins here may also be a copy of a value that is still in a row",
};
/// What cleans kine's table and its SQLite file, which have no members to defragment and keep each value once more.
const KINE: [(&str, &str); 3] = [
    (
        "history-plaintext",
        "let kine compact (it does so every five minutes), then restart k3s twice: a start makes the file anew, and the checkpoint of the next one puts that in place; every copy of this file still holds these values in the clear",
    ),
    (
        "residue-plaintext",
        "rewrite all objects twice, as kine keeps the value before each one beside it; let kine compact (it does so every five minutes), restart k3s twice so that the file is made anew, audit again, and destroy older backups; in another database than SQLite the table is to be made anew by that database's means",
    ),
    (
        "residue-fragment",
        "restart k3s twice: a start makes the file anew, and the checkpoint of the next one puts that in place; what begins here may also be a copy of a value that is still in a row",
    ),
];

/// Puts in the advice that fits the source, where etcd's would help nobody.
pub(crate) fn advise(source: &str, findings: &mut [Finding]) {
    if source != "kine" {
        return;
    }
    for finding in findings {
        if let Some((_, advice)) = KINE.iter().find(|(code, _)| *code == finding.code) {
            finding.advice = advice;
        }
    }
}

const SLACK: Rule = Rule {
    code: "page-slack",
    class: Class::File,
    severity: Severity::Warning,
    advice: "take another copy and compare: etcd leaves zeros there, so the pages were damaged or written by something else",
};
const NONCE_REUSE: Rule = Rule {
    code: "nonce-reuse",
    class: Class::History,
    severity: Severity::Error,
    advice: "treat the values and this key as disclosed: two values under one nonce give away their difference and let others be forged; rotate the key and rewrite, and look at how the machine draws random numbers",
};
const REPEATED: Rule = Rule {
    code: "repeated-ciphertext",
    class: Class::History,
    severity: Severity::Warning,
    advice: "find out who wrote them: kube-apiserver draws a new nonce for each write and never stores one ciphertext twice, so an older value was put back, or put under another name, by other means",
};
const UNKNOWN_FORMAT: Rule = Rule {
    code: "unknown-format",
    class: Class::Current,
    severity: Severity::Error,
    advice: "find out who wrote them: the values begin as encrypted ones do, by a provider that no release of Kubernetes has",
};
const KEY_UNUSED: Rule = Rule {
    code: "key-removable",
    class: Class::File,
    severity: Severity::Info,
    advice: "it may leave the configuration once every member and every API server agrees; keep it as long as backups are kept that need it",
};
const KMSV1_CACHE: Rule = Rule {
    code: "kmsv1-cache-small",
    class: Class::Current,
    severity: Severity::Warning,
    advice: "set cachesize above the number of live DEKs, or move to KMS v2: each list of the resource asks the KMS again for what does not fit",
};
const DEK_FRAGMENTATION: Rule = Rule {
    code: "dek-fragmentation",
    class: Class::Current,
    severity: Severity::Info,
    advice: "rewrite the objects: each start of an API server left a seed of its own, and a cold start asks the KMS for every one before its first list is answered",
};
/// Seeds that restarts and rotations leave behind in a cluster that is looked after.
const MANY_DEKS: u64 = 50;

/// What a KMS may take before a list is answered: the default timeout of a request to a plugin.
const COLD_START_MS: u64 = 3000;

/// What is known of the file beyond the counters.
pub(crate) struct Evidence<'e> {
    pub snapshot: &'e Snapshot,
    pub warnings: &'e [Warning],
    pub residue: Option<&'e Residue>,
    pub keys: &'e [KeyUse],
    pub deks: &'e [DekCount],
    /// `cachesize` of the KMS v1 providers.
    pub caches: &'e [(String, i32)],
}

fn evidence(tally: &Tally, from: &Evidence<'_>, all: &mut Vec<Finding>) {
    let (slack, pages) = (tally.slack, &tally.slack_pages);
    if slack > 0 {
        let places: Vec<String> = pages.iter().map(u64::to_string).collect();
        let message = format!(
            "{slack} pages hold bytes where etcd leaves zeros: {}",
            places.join(", ")
        );
        all.push(finding(&SLACK, slack, message, &[]));
    }
    for residue in from
        .residue
        .iter()
        .flat_map(|r| &r.groups)
        .filter(|g| g.exposed)
    {
        let message = format!(
            "{} old values in plaintext can be recovered from free pages",
            residue.rows
        );
        let mut found = finding(&RESIDUE_PLAINTEXT, residue.rows, message, &residue.examples);
        found.resource = Some(residue.resource.clone());
        all.push(found);
    }
    if let Some(residue) = from.residue.filter(|r| r.fragments > 0) {
        let message = format!(
            "{} in plaintext begin in free pages, without a row around them",
            some(residue.fragments, "object")
        );
        all.push(finding(&RESIDUE_FRAGMENT, residue.fragments, message, &[]));
    }
    for key in from.keys.iter().filter(|k| k.removable == Removable::Yes) {
        let message = match key.residue {
            Some(n @ 1..) => {
                format!("no row holds a value of this key; {n} old ones are in free pages")
            }
            _ => "nothing in this file holds a value of this key".to_owned(),
        };
        let mut found = finding(&KEY_UNUSED, 1, message, &[]);
        found.provider = Some(key.provider);
        found.key = Some(key.key.clone());
        all.push(found);
    }
    for dek in from.deks {
        let cache = from.caches.iter().find(|(name, _)| *name == dek.provider);
        let (rule, message) = match (dek.api, cache) {
            ("v1", Some((_, size)))
                if i64::from(*size) < i64::try_from(dek.live).unwrap_or(i64::MAX) =>
            {
                (
                    &KMSV1_CACHE,
                    format!("{} live DEKs do not fit into a cache of {size}", dek.live),
                )
            }
            ("v2", _) if dek.live > MANY_DEKS => (
                &DEK_FRAGMENTATION,
                format!(
                    "{} distinct seeds or DEKs of live values: a cold start asks for them one after the other, so to stay within {} s each call may take {} ms",
                    grouped(dek.live),
                    COLD_START_MS / 1000,
                    COLD_START_MS / dek.live
                ),
            ),
            _ => continue,
        };
        let mut found = finding(rule, dek.live, message, &[]);
        found.provider = Some(if dek.api == "v1" { "kms-v1" } else { "kms-v2" });
        found.key = Some(dek.provider.clone());
        all.push(found);
    }
}

/// `1 live value`, `1,234 live values`.
pub(crate) fn some(count: u64, one: &str) -> String {
    format!(
        "{} {one}{}",
        grouped(count),
        if count == 1 { "" } else { "s" }
    )
}

/// `1 live value is`, `1,234 live values are`.
pub(crate) fn are(count: u64, one: &str) -> String {
    format!(
        "{} {}",
        some(count, one),
        if count == 1 { "is" } else { "are" }
    )
}

pub(crate) fn finding(rule: &Rule, count: u64, message: String, examples: &[Example]) -> Finding {
    Finding {
        code: rule.code,
        severity: rule.severity,
        class: rule.class,
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
pub(crate) fn collect(tally: &Tally, from: &Evidence<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    let (snapshot, warnings) = (from.snapshot, from.warnings);
    evidence(tally, from, &mut all);
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
        format!("{} stored in plaintext", are(c.exposed, "live value")),
        &group.exposed,
    );
    add(
        &HISTORY_PLAINTEXT,
        c.history_exposed,
        format!(
            "{} still in plaintext",
            are(c.history_exposed, "superseded or deleted value")
        ),
        &group.history_exposed,
    );
    add(
        &MOVED,
        c.moved,
        format!(
            "{} under another etcd key than that of the object inside",
            are(c.moved, "live value")
        ),
        &group.moved,
    );
    let reasons: Vec<&str> = group.stale_why.keys().copied().collect();
    add(
        &STALE,
        group.stale_only,
        format!(
            "{} would be written differently today: {}",
            some(group.stale_only, "live value"),
            reasons.join(", ")
        ),
        &group.stale,
    );
    add(
        &STALENESS_UNKNOWN,
        c.stale_unknown,
        format!(
            "{} opened; whether stale depends on the plugin's state",
            are(c.stale_unknown, "live value")
        ),
        &group.stale_unknown,
    );
    let undecided = c.undecided + c.history_undecided;
    add(
        &UNDECIDED,
        undecided,
        format!(
            "{} undecided without a DEK that only the KMS can unwrap",
            are(undecided, "value")
        ),
        &group.undecided,
    );
    if group.key.provider == "unknown" {
        add(
            &UNKNOWN_FORMAT,
            c.live,
            format!(
                "{} of a format that is not known",
                are(c.live, "live value")
            ),
            &group.unknown,
        );
    }
    add(
        &REPEATED,
        group.repeated,
        format!(
            "{} ciphertext for ciphertext that of another row",
            are(group.repeated, "value")
        ),
        &group.repeats,
    );
    add(
        &NONCE_REUSE,
        group.nonces_reused,
        format!(
            "{} values share their nonce with another value under the same key",
            group.nonces_reused
        ),
        &group.nonce_reuse,
    );
    for why in &group.whys {
        let text = why
            .why
            .upstream
            .as_deref()
            .map_or_else(String::new, |u| format!("{UPSTREAM_SAYS}{}", shown(u)));
        let code = why.why.code;
        add(
            &UNREADABLE,
            why.live,
            format!("{} unreadable: {code}{text}", are(why.live, "live value")),
            &why.live_examples,
        );
        add(
            &HISTORY_UNREADABLE,
            why.history,
            format!(
                "{} unreadable: {code}{text}",
                are(why.history, "superseded or deleted value")
            ),
            &why.history_examples,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Evidence, MANY_DEKS, collect};
    use crate::report::{DekCount, HashStatus, Sha256Check, Snapshot};
    use crate::tally::Tally;

    /// The codes of findings for a file with so many live seeds; no real server makes so many quickly.
    fn codes(live: u64) -> Vec<&'static str> {
        let snapshot = Snapshot {
            source: "file",
            bytes: 0,
            revision: 0,
            compact_revision: 0,
            compaction_pending: false,
            consistent_index: None,
            term: None,
            storage_version: None,
            etcd_version: "3.6",
            live_keys: 0,
            rows: 0,
            tombstones: 0,
            deleted_keys: 0,
            damaged_rows: 0,
            sha256: Sha256Check {
                status: HashStatus::Match,
                computed: None,
                stored: None,
            },
        };
        let deks = [DekCount {
            provider: "p".to_owned(),
            api: "v2",
            live,
            all: live,
        }];
        let evidence = Evidence {
            snapshot: &snapshot,
            warnings: &[],
            residue: None,
            keys: &[],
            deks: &deks,
            caches: &[],
        };
        let found = collect(&Tally::new(3), &evidence);
        found.iter().map(|f| f.code).collect()
    }

    #[test]
    fn many_seeds_are_told_and_few_are_not() {
        assert_eq!(codes(MANY_DEKS + 1), ["dek-fragmentation"]);
        assert!(codes(MANY_DEKS).is_empty());
    }
}

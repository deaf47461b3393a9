//! From counters to what deserves attention.

use etcd_store::Warning;

use crate::catalogue::{
    DAMAGED, DEK_FRAGMENTATION, EXPOSED, FOLDED, FOREIGN, FOREIGN_OBJECTS, FindingKind,
    HISTORY_PLAINTEXT, HISTORY_UNREADABLE, KEY_UNUSED, KMSV1_CACHE, MISMATCH, MOVED, NO_TRAILER,
    NONCE_REUSE, REPEATED, RESIDUE_FRAGMENT, RESIDUE_PLAINTEXT, SLACK, STALE, STALENESS_UNKNOWN,
    UNDECIDED, UNKNOWN_FORMAT, UNREADABLE, WARNING,
};
use crate::escape::shown;
use crate::judge::OBJECT;
use crate::part::Place;
use crate::report::count as grouped;
use crate::report::{
    DekCount, Example, Finding, HashStatus, KeyUse, Removable, Residue, Snapshot, UPSTREAM_SAYS,
};
use crate::tally::{GroupTally, Tally};

/// Seeds that restarts and rotations leave behind in a cluster that is looked after.
const MANY_DEKS: u64 = 50;

/// What a KMS may take before a list is answered: the default timeout of a request to a plugin.
const COLD_START_MS: u64 = 3000;

/// What each of so many calls may take, one after the other: `37 ms`.
pub(crate) fn each_call(calls: u64) -> String {
    match COLD_START_MS / calls.max(1) {
        0 => "less than 1 ms".to_owned(),
        ms => format!("{} ms", grouped(ms)),
    }
}

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
            "{} with bytes where etcd leaves zeros: {}",
            some(slack, "page"),
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
            "{} in plaintext can be recovered from free pages",
            some(residue.rows, "old value")
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
        let left: Vec<String> = [
            (key.residue, "in free pages"),
            (key.log, "in the write-ahead log"),
        ]
        .into_iter()
        .filter_map(|(count, place)| {
            Some(format!(
                "{} {place}",
                some(count.filter(|n| *n > 0)?, "old one")
            ))
        })
        .collect();
        let message = if left.is_empty() {
            "nothing in this file holds a value of this key".to_owned()
        } else {
            format!("no row holds a value of this key; {}", left.join(", "))
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
                if dek.live > 0
                    && i64::from(*size) < i64::try_from(dek.live).unwrap_or(i64::MAX) =>
            {
                let live = some(dek.live, "live DEK");
                let message = match *size {
                    ..=0 => format!("{live} and no cache: cachesize is {size}"),
                    _ => format!(
                        "{live} for a cache of {}",
                        grouped(u64::from(size.unsigned_abs()))
                    ),
                };
                (&KMSV1_CACHE, message)
            }
            ("v2", _) if dek.live > MANY_DEKS => (
                &DEK_FRAGMENTATION,
                format!(
                    "{} distinct seeds or DEKs of live values: a cold start asks for them one after the other, so to stay within {} s each call may take {}",
                    grouped(dek.live),
                    COLD_START_MS / 1000,
                    each_call(dek.live)
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

pub(crate) fn finding(
    rule: &FindingKind,
    count: u64,
    message: String,
    examples: &[Example],
) -> Finding {
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
            "{} that cannot be parsed: {}",
            some(tally.damaged, "row"),
            places.join(", ")
        );
        all.push(finding(&DAMAGED, tally.damaged, message, &[]));
    }
    for warning in warnings {
        let text = shown(format!("{}: {warning}", warning.code()).as_bytes());
        all.push(finding(&WARNING, 1, text, &[]));
    }
    for (rule, form, what) in [
        (
            &FOREIGN_OBJECTS,
            Some(OBJECT),
            "of a kube-apiserver outside the etcd prefix, and not judged",
        ),
        (&FOREIGN, None, "outside the etcd prefix"),
    ] {
        let foreign = tally
            .groups
            .iter()
            .filter(|g| matches!(g.key.place, Place::Foreign) && !g.folded && g.key.form == form);
        let (count, examples) = foreign.fold((0, Vec::new()), |(count, mut examples), g| {
            examples.extend(g.other.iter().cloned());
            (count + g.counts.live, examples)
        });
        if count > 0 {
            let message = format!("{} {what}", are(count, "live key"));
            let examples = examples.get(..3).unwrap_or(&examples);
            all.push(finding(rule, count, message, examples));
        }
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
        let message = format!(
            "{} of further resources, providers and keys, counted together",
            some(count, "value")
        );
        all.push(finding(&FOLDED, count, message, &[]));
    }
    let mut add = |rule: &FindingKind, count: u64, message: String, examples: &[Example]| {
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
            "{} under the nonce of another value and the same key",
            are(group.nonces_reused, "value")
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

    /// The findings for a file with so many live seeds or DEKs; no real server makes so many quickly.
    fn found(api: &'static str, live: u64, cache: Option<i32>) -> Vec<(&'static str, String)> {
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
            api,
            live,
            all: live + 1,
        }];
        let evidence = Evidence {
            snapshot: &snapshot,
            warnings: &[],
            residue: None,
            keys: &[],
            deks: &deks,
            caches: &Vec::from_iter(cache.map(|size| ("p".to_owned(), size))),
        };
        let found = collect(&Tally::new(3), &evidence).into_iter();
        found.map(|f| (f.code, f.message)).collect()
    }

    #[test]
    fn many_seeds_are_told_and_few_are_not() {
        let told = found("v2", MANY_DEKS + 1, None);
        assert_eq!((told.len(), told[0].0), (1, "dek-fragmentation"));
        assert!(found("v2", MANY_DEKS, None).is_empty());
    }

    #[test]
    fn a_cache_of_kms_v1_is_small_for_live_deks_alone() {
        let says = |live, size| found("v1", live, Some(size)).pop();
        let code = "kmsv1-cache-small";
        let (small, none) = (
            "1,001 live DEKs for a cache of 1,000",
            "1 live DEK and no cache: cachesize is -1",
        );
        assert_eq!(says(1001, 1000), Some((code, small.to_owned())));
        assert_eq!(says(1000, 1000), None);
        assert_eq!(says(1, -1), Some((code, none.to_owned())));
        // Superseded values alone are read by nobody.
        assert_eq!(says(0, -1), None);
    }
}

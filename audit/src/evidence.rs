//! Findings about keys: their writes, their age, who opens what, and which key would have done.

use k8s_object::EtcdName;
use k8senc::secret::Plaintext;
use k8senc_config::{Config, Provider};

use crate::Options;
use crate::catalogue::{
    CONFIGURATIONS_DIFFER, ENCODED_OTHERWISE, FindingKind, KEY_AGE, KEY_IDS, KEY_NEWLINE,
    LOG_DAMAGED, LOG_PENDING, LOG_PLAINTEXT, OTHER_PREFIX, WRITE_BUDGET, WRONG_NAME,
};
use crate::escape::shown;
use crate::findings::{are, finding, some};
use crate::inventory::resource_name;
use crate::report::count as grouped;
use crate::report::{Class, Example, Finding, Group, KeyUse, LogReport, OpenedBy, Severity, Time};
use crate::tally::{GroupTally, Tally};
use crate::trial::{keys_of, near_miss};

/// Codes of hints, and what a finding of it is called.
const NEAR_MISSES: [(&str, FindingKind); 3] = [
    ("right-key-other-name", WRONG_NAME),
    ("key-encoded-otherwise", ENCODED_OTHERWISE),
    ("other-etcd-key", OTHER_PREFIX),
];

/// Writes that Kubernetes allows one aesgcm key.
const BUDGET: u64 = 200_000;
/// Unreadable values tried in vain before trying ends.
const MOST_TRIED: usize = 64;

fn of(
    rule: &FindingKind,
    count: u64,
    message: String,
    examples: &[Example],
    key: &KeyUse,
) -> Finding {
    let mut found = finding(rule, count, message, examples);
    found.provider = Some(key.provider);
    found.key = Some(key.key.clone());
    found
}

/// How much of its writes a key has used up. Rows tell the least, version counters the most that is likely.
pub(crate) fn budgets(keys: &[KeyUse], all: &mut Vec<Finding>) {
    for key in keys.iter().filter(|k| k.provider == "aesgcm") {
        let least = key.live + key.history;
        let most = least.max(key.versions);
        if most * 2 < BUDGET {
            continue;
        }
        let message = format!(
            "{} of the {} writes that one aesgcm key may do are used up: {} by the rows that are left, {} by the version counters of its live objects, which also count writes with keys before it",
            format_args!("{} %", most * 100 / BUDGET),
            grouped(BUDGET),
            grouped(least),
            grouped(key.versions)
        );
        let mut found = of(&WRITE_BUDGET, most, message, &[], key);
        if most < BUDGET {
            found.severity = Severity::Info;
        } else if least >= BUDGET {
            found.severity = Severity::Error;
        }
        all.push(found);
    }
}

/// Keys in use that somebody typed, with the line feed behind them that `echo` adds.
pub(crate) fn typed(keys: &[KeyUse], config: &Config, all: &mut Vec<Finding>) {
    let text = |secret: &[u8]| match secret {
        [text @ .., b'\n'] => !text.is_empty() && text.iter().all(|b| matches!(b, b' '..=b'~')),
        _ => false,
    };
    let mut names = std::collections::BTreeSet::new();
    for (_, providers) in config.rules() {
        for provider in providers {
            let (Provider::Aescbc(list) | Provider::Aesgcm(list) | Provider::Secretbox(list)) =
                provider
            else {
                continue;
            };
            let found = list.iter().filter(|key| text(key.secret()));
            names.extend(found.map(|key| (provider.kind(), shown(key.name.as_bytes()))));
        }
    }
    for key in keys.iter().filter(|k| k.live + k.history > 0) {
        if names.contains(&(key.provider, key.key.clone())) {
            let message = format!(
                "the key ends with a line feed, as echo adds one; {} and {} under it",
                some(key.live, "live value"),
                some(key.history, "old one")
            );
            let found = of(&KEY_NEWLINE, key.live + key.history, message, &[], key);
            all.push(found);
        }
    }
}

/// Keys in use whose first use is certainly longer ago than the caller allows.
pub(crate) fn ages(groups: &[Group], options: &Options<'_>, all: &mut Vec<Finding>) {
    const DAY: i64 = 86_400;
    let Some((now, most)) = options.max_key_age else {
        return;
    };
    type Key = (&'static str, Option<String>, Option<String>);
    let mut oldest: std::collections::BTreeMap<Key, (Time, u64)> =
        std::collections::BTreeMap::new();
    for group in groups {
        let known = group.first_use.and_then(|used| used.not_after);
        let (Some(time), Some(_), true) = (known, &group.key, group.counts.live > 0) else {
            continue;
        };
        let key = (group.provider, group.key.clone(), group.key_id.clone());
        let entry = oldest.entry(key).or_insert((time, 0));
        entry.0 = entry.0.min(time);
        entry.1 += group.counts.live;
    }
    for ((provider, key, key_id), (time, live)) in oldest {
        let age = now - time.0;
        if age <= most {
            continue;
        }
        let message = format!(
            "in use since {time} at the latest, {} days ago, longer than the {} days allowed; {} under it; the date is inferred from objects created later",
            grouped(u64::try_from(age / DAY).unwrap_or_default()),
            grouped(u64::try_from(most / DAY).unwrap_or_default()),
            are(live, "live value"),
        );
        let mut found = finding(&KEY_AGE, live, message, &[]);
        (found.provider, found.key, found.key_id) = (Some(provider), key, key_id);
        all.push(found);
    }
}

/// The key_ids of each KMS v2 provider, hashed as the API server's metrics have them.
pub(crate) fn key_ids(groups: &[Group], all: &mut Vec<Finding>) {
    let mut by_provider: std::collections::BTreeMap<
        &str,
        std::collections::BTreeMap<&str, (&str, u64)>,
    > = std::collections::BTreeMap::new();
    for group in groups.iter().filter(|g| g.provider == "kms-v2") {
        if let (Some(key), Some(id), Some(hash)) = (&group.key, &group.key_id, &group.key_id_hash) {
            let entry = by_provider.entry(key).or_default();
            entry.entry(id).or_insert((hash, 0)).1 += group.counts.live;
        }
    }
    for (provider, ids) in by_provider {
        const SHOWN: usize = 5;
        let mut texts: Vec<String> = ids
            .iter()
            .take(SHOWN)
            .map(|(id, (hash, live))| format!("{id} ({hash}, {} live)", grouped(*live)))
            .collect();
        if ids.len() > SHOWN {
            texts.push(format!("and {} more", ids.len() - SHOWN));
        }
        let count = ids.len() as u64;
        let message = format!("{}: {}", some(count, "key_id"), texts.join(", "));
        let mut found = finding(&KEY_IDS, count, message, &[]);
        (found.provider, found.key) = (Some("kms-v2"), Some(provider.to_owned()));
        all.push(found);
    }
}

/// What the write-ahead log shows.
pub(crate) fn log(log: &LogReport, all: &mut Vec<Finding>) {
    for group in log.groups.iter().filter(|g| g.exposed) {
        let message = format!(
            "{} in plaintext in the write-ahead log, {} of them in no row any more; examples by raft index",
            are(group.values, "value"),
            grouped(group.only)
        );
        let mut found = finding(&LOG_PLAINTEXT, group.values, message, &group.examples);
        found.resource = Some(group.resource.clone());
        all.push(found);
    }
    if log.pending > 0 {
        let message = format!(
            "{} in the write-ahead log and not in the db file yet: the member was killed, or still runs",
            are(log.pending, "written value")
        );
        all.push(finding(&LOG_PENDING, log.pending, message, &[]));
    }
    if log.unsound > 0 {
        let message = format!(
            "{} of the write-ahead log do not match their checksum",
            some(log.unsound, "record")
        );
        all.push(finding(&LOG_DAMAGED, log.unsound, message, &[]));
    }
}

/// Values that some configurations open and others do not.
pub(crate) fn openers(opened_by: &[OpenedBy], names: &[String], all: &mut Vec<Finding>) {
    for set in opened_by.iter().filter(|s| s.live > 0) {
        let decided = set.opens.len() + set.waits.len();
        if set.opens.is_empty() || decided == names.len() {
            continue;
        }
        let message = format!(
            "{} opened by {} only, of {} configurations",
            are(set.live, "live value"),
            set.opens.join(" and "),
            names.len()
        );
        let mut found = finding(&CONFIGURATIONS_DIFFER, set.live, message, &set.examples);
        (found.resource, found.provider) = (Some(set.resource.clone()), Some(set.provider));
        (found.key, found.key_id) = (set.key.clone(), set.key_id.clone());
        all.push(found);
    }
}

/// Tries every key of the configuration on a few values of each kind that does not open.
pub(crate) fn near_misses(
    tally: &Tally,
    config: &Config,
    options: &Options<'_>,
    all: &mut Vec<Finding>,
) {
    let trials = keys_of(config);
    if trials.is_empty() {
        return;
    }
    let mut scratch = Plaintext::new();
    let mut hints: std::collections::BTreeMap<(usize, String), (usize, Vec<Example>)> =
        std::collections::BTreeMap::new();
    for sample in tally.samples.iter().take(MOST_TRIED) {
        let object = EtcdName::from_etcd_key(&sample.etcd_key, options.etcd_prefix.as_deref());
        let Some((hint, _)) = near_miss(
            &sample.stored,
            &sample.etcd_key,
            object.as_ref(),
            &trials,
            options.backend,
            &mut scratch,
        ) else {
            continue;
        };
        let Some(rule) = NEAR_MISSES.iter().position(|(code, _)| *code == hint.code) else {
            continue;
        };
        let text = format!("{} {}", sample.group, hint.text);
        let entry = hints
            .entry((rule, text))
            .or_insert((sample.group, Vec::new()));
        if entry.1.len() < options.examples {
            entry.1.push(Example {
                etcd_key: shown(&sample.etcd_key),
                revision: 0,
            });
        }
    }
    for ((rule, text), (group, examples)) in hints {
        let (Some((_, rule)), Some(group)) = (NEAR_MISSES.get(rule), tally.groups.get(group))
        else {
            continue;
        };
        let text = text.split_once(' ').map_or("", |(_, text)| text);
        let unreadable = group.counts.unreadable + group.counts.history_unreadable;
        let message = format!(
            "of {}, those that were tried: {text}",
            some(unreadable, "unreadable value")
        );
        let mut found = of_group(finding(rule, unreadable, message, &examples), group);
        if group.counts.unreadable == 0 {
            found.severity = Severity::Warning;
            found.class = Class::History;
        }
        all.push(found);
    }
}

fn of_group(mut found: Finding, group: &GroupTally) -> Finding {
    found.resource = resource_name(group);
    found.provider = Some(group.key.provider).filter(|p| !p.is_empty());
    found.key = group.key.key.as_deref().map(shown);
    found.key_id = group.key.key_id.as_deref().map(shown);
    found
}

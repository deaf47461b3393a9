//! From counters to the tables of a report.

use std::collections::BTreeMap;

use crate::digest;
use crate::escape::shown;
use crate::part::Place;
use crate::report::{Counts, DekCount, Group, OtherKeys, Resource, Unreadable};
use crate::tally::{GroupTally, Tally, WhyTally};
use crate::timeline::Dates;

/// What is counted together when there are too many groups.
const FOLDED: &str = "(others)";

/// The groups of Kubernetes objects, sorted; deletions count for resources only.
pub(crate) fn groups(tally: &Tally, dates: &Dates) -> Vec<Group> {
    let mut groups: Vec<Group> = tally
        .groups
        .iter()
        .filter(|g| g.counts.live + g.counts.history > 0)
        .filter_map(|g| group(g, resource_name(g)?, dates))
        .collect();
    groups.sort_by(|a, b| {
        let key = |g: &Group| {
            (
                g.resource.clone(),
                g.provider,
                g.key.clone(),
                g.key_id.clone(),
                g.form,
                g.guessed,
            )
        };
        key(a).cmp(&key(b))
    });
    groups
}

pub(crate) fn resource_name(group: &GroupTally) -> Option<String> {
    match &group.key.place {
        _ if group.folded => Some(FOLDED.to_owned()),
        Place::Resource { name, .. } => Some(shown(name)),
        Place::Housekeeping | Place::Foreign => None,
    }
}

fn group(tally: &GroupTally, resource: String, dates: &Dates) -> Option<Group> {
    let mut whys: Vec<Unreadable> = tally.whys.iter().map(unreadable).collect();
    whys.sort_by(|a, b| (&a.code, &a.upstream).cmp(&(&b.code, &b.upstream)));
    let counts = Counts {
        deleted_keys: 0,
        ..tally.counts
    };
    Some(Group {
        resource,
        provider: if tally.folded {
            FOLDED
        } else {
            tally.key.provider
        },
        key: tally.key.key.as_deref().map(shown),
        guessed: tally.key.guessed,
        key_id: tally.key.key_id.as_deref().map(shown),
        key_id_hash: tally.key.key_id.as_deref().map(digest::of_key_id),
        first_revision: tally.first_revision,
        last_revision: tally.last_revision,
        first_use: dates.of(tally.first_revision),
        last_use: dates.of(tally.last_revision),
        versions: tally.versions,
        form: tally.key.form,
        counts,
        stale_why: tally.stale_why.clone(),
        unreadable_why: whys,
    })
}

fn unreadable(tally: &WhyTally) -> Unreadable {
    let examples = if tally.live > 0 {
        &tally.live_examples
    } else {
        &tally.history_examples
    };
    Unreadable {
        code: tally.why.code.to_owned(),
        upstream: tally.why.upstream.as_deref().map(shown),
        live: tally.live,
        history: tally.history,
        examples: examples.clone(),
    }
}

/// Sums by resource, sorted by name.
pub(crate) fn resources(tally: &Tally) -> Vec<Resource> {
    let mut by_name: BTreeMap<String, Resource> = BTreeMap::new();
    for group in &tally.groups {
        let Some(resource) = resource_name(group) else {
            continue;
        };
        let entry = by_name.entry(resource.clone()).or_insert_with(|| {
            let (covered, rule) = match &group.key.place {
                Place::Resource { covered, rule, .. } => (*covered, rule.as_ref()),
                Place::Housekeeping | Place::Foreign => (None, None),
            };
            Resource {
                resource,
                covered,
                rule: rule.map(|r| shown(r.as_bytes())),
                counts: Counts::default(),
            }
        });
        entry.counts += group.counts;
    }
    by_name.into_values().collect()
}

pub(crate) fn deks(tally: &Tally) -> Vec<DekCount> {
    let deks = tally.deks().into_iter();
    deks.map(|(provider, api, live, all)| DekCount {
        provider: shown(provider),
        api,
        live,
        all,
    })
    .collect()
}

pub(crate) fn other_keys(tally: &Tally, most: usize) -> OtherKeys {
    let mut other = OtherKeys::default();
    for group in tally.groups.iter().filter(|g| !g.folded) {
        match group.key.place {
            Place::Housekeeping => other.housekeeping += group.counts.live,
            Place::Foreign => other.foreign += group.counts.live,
            Place::Resource { .. } => continue,
        }
        other.examples.extend(group.other.iter().cloned());
    }
    other.examples.sort_by(|a, b| {
        b.revision
            .cmp(&a.revision)
            .then_with(|| a.etcd_key.cmp(&b.etcd_key))
    });
    other.examples.truncate(most);
    other
}

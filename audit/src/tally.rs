//! The counters: takes judged rows in order, newest first, and knows which is the current value of its name.

use std::collections::{BTreeMap, HashMap};

use etcd_store::{Class, LiveSet, NameHash};
use k8senc::chain::Staleness;

use crate::AuditError;
use crate::escape::shown;
use crate::marks::{Marks, Met};
use crate::names::ByName;
use crate::namespaces::NamespaceTally;
use crate::part::{GroupKey, Part, Place, Sample, Seen, State, Verdict, Why};
use crate::report::{Counts, Example};
use crate::residue::Leftovers;
use crate::timeline::Timeline;

/// Groups counted apart. Real files have dozens; a crafted one can name another key in each row.
const MAX_GROUPS: usize = 10_000;
/// Values that do not open kept for trying other keys: of one reason, of all, and bytes.
const SAMPLES_OF_A_WHY: usize = 2;
const MAX_SAMPLES: usize = 64;
const MAX_SAMPLE_BYTES: usize = 8 << 20;
/// Sets of configurations told apart.
const MAX_OPENERS: usize = 10_000;
/// Texts of refusal counted apart in one group.
const MAX_WHYS: usize = 16;

pub(crate) struct Tally {
    live: LiveSet,
    pub groups: Vec<GroupTally>,
    index: ByName<usize>,
    pub namespaces: NamespaceTally,
    /// The group that counts what is beyond `MAX_GROUPS`.
    folded: Option<usize>,
    deks: ByName<DekSeen>,
    dek_providers: BTreeMap<(Vec<u8>, &'static str), usize>,
    pub rows: u64,
    pub tombstones: u64,
    pub live_keys: u64,
    /// Names whose newest row is a tombstone; known at the end of the rows.
    pub deleted_keys: u64,
    pub damaged: u64,
    pub damaged_examples: Vec<(i64, u64)>,
    /// Pages with bytes where there should be none, and the first of them.
    pub slack: u64,
    pub slack_pages: Vec<u64>,
    /// What lies in free pages and was not seen in a row yet.
    pub leftovers: Leftovers,
    marks: Marks,
    /// Nonces that were compared; known at the end of the rows.
    pub nonces: u64,
    /// Values whose nonce found no room.
    pub marks_beyond: u64,
    /// Names and values that the write-ahead log holds as well.
    pub logged: Vec<NameHash>,
    /// When revisions were written.
    pub timeline: Timeline,
    /// Values that did not open, by group and reason.
    pub samples: Vec<Sample>,
    sample_bytes: usize,
    /// Whether there are several configurations.
    pub several: bool,
    /// Values by group and by who opens them and who waits.
    pub openers: BTreeMap<(usize, u32, u32), Openers>,
    examples: usize,
}

/// Values that the same configurations open.
#[derive(Default)]
pub(crate) struct Openers {
    pub live: u64,
    pub history: u64,
    pub examples: Vec<Example>,
}

struct DekSeen {
    provider: usize,
    live: bool,
}

#[derive(Default)]
pub(crate) struct GroupTally {
    pub key: GroupKey,
    pub folded: bool,
    pub counts: Counts,
    /// Stale and not exposed: what a rewrite would change and nothing else is wrong with.
    pub stale_only: u64,
    pub stale_why: BTreeMap<&'static str, u64>,
    pub whys: Vec<WhyTally>,
    pub exposed: Vec<Example>,
    pub history_exposed: Vec<Example>,
    pub stale: Vec<Example>,
    pub stale_unknown: Vec<Example>,
    pub moved: Vec<Example>,
    pub undecided: Vec<Example>,
    pub nonces_reused: u64,
    pub nonce_reuse: Vec<Example>,
    pub repeated: u64,
    pub repeats: Vec<Example>,
    pub unknown: Vec<Example>,
    /// Writes of the names of live values, as etcd counts them.
    pub versions: u64,
    /// Of all its values; 0 before the first.
    pub first_revision: i64,
    pub last_revision: i64,
    /// Of keys that name no Kubernetes object.
    pub other: Vec<Example>,
}

pub(crate) struct WhyTally {
    pub why: Why,
    pub live: u64,
    pub history: u64,
    pub live_examples: Vec<Example>,
    pub history_examples: Vec<Example>,
}

impl Tally {
    pub(crate) fn new(examples: usize) -> Self {
        Self {
            live: LiveSet::new(),
            groups: Vec::new(),
            index: ByName::default(),
            namespaces: NamespaceTally::default(),
            folded: None,
            deks: ByName::default(),
            dek_providers: BTreeMap::new(),
            rows: 0,
            tombstones: 0,
            live_keys: 0,
            deleted_keys: 0,
            damaged: 0,
            damaged_examples: Vec::new(),
            slack: 0,
            slack_pages: Vec::new(),
            leftovers: Leftovers::default(),
            marks: Marks::default(),
            nonces: 0,
            marks_beyond: 0,
            logged: Vec::new(),
            timeline: Timeline::default(),
            samples: Vec::new(),
            sample_bytes: 0,
            several: false,
            openers: BTreeMap::new(),
            examples,
        }
    }

    /// After the last row: gives up what only further rows would need.
    pub(crate) fn end_rows(&mut self) {
        self.deleted_keys = core::mem::take(&mut self.live).deleted();
        self.nonces = core::mem::take(&mut self.marks).len() as u64;
    }

    pub(crate) fn add(&mut self, part: Part) -> Result<(), AuditError> {
        let groups: Vec<usize> = part
            .groups
            .iter()
            .map(|(hash, key)| self.group(*hash, key))
            .collect();
        let providers: Vec<usize> = part
            .deks
            .iter()
            .map(|dek| self.dek_provider(&dek.provider, dek.api))
            .collect();
        let spaces = self.namespaces.places(&part);
        self.rows += (part.rows.len() + part.damaged.len()) as u64;
        self.damaged += part.damaged.len() as u64;
        let room = self.examples.saturating_sub(self.damaged_examples.len());
        let damaged = part.damaged.iter().take(room);
        self.damaged_examples
            .extend(damaged.map(|(key, page)| (key.revision.main, *page)));
        self.slack += part.slack.len() as u64;
        let room = self.examples.saturating_sub(self.slack_pages.len());
        self.slack_pages.extend(part.slack.iter().take(room));
        for (key, _) in &part.damaged {
            self.leftovers.seen(key);
        }
        self.timeline.add(&part.anchors);
        self.keep_samples(&part, &groups);
        self.live.warm(part.rows.iter().map(|seen| seen.name));
        self.marks
            .warm(part.rows.iter().filter_map(|seen| seen.mark.as_ref()));
        for seen in &part.rows {
            self.leftovers.seen(&seen.key);
            self.logged.extend(seen.logged);
            let met = seen.mark.map(|mark| (self.marks.meet(&mark), mark.fatal));
            self.marks_beyond += u64::from(matches!(met, Some((Met::Beyond, _))));
            let deleted_before = self.live.deleted();
            let class = self.live.decide(seen.key, seen.name)?;
            let deleted = self.live.deleted() - deleted_before;
            self.tombstones += u64::from(class == Class::Tombstone);
            self.live_keys += u64::from(class == Class::Live);
            let space = seen.space.and_then(|at| spaces.get(at).copied());
            let live = match class {
                Class::Live => true,
                Class::Superseded => false,
                Class::Tombstone | Class::Unlisted => {
                    if let Some(group) =
                        groups.get(seen.group).and_then(|g| self.groups.get_mut(*g))
                    {
                        group.counts.deleted_keys += deleted;
                    }
                    if let Some(space) = space {
                        self.namespaces.at(space).deleted_keys += deleted;
                    }
                    continue;
                }
            };
            if let Some((dek, provider)) = seen
                .dek
                .and_then(|d| Some((part.deks.get(d)?, *providers.get(d)?)))
            {
                let known = self.deks.entry(dek.hash).or_insert(DekSeen {
                    provider,
                    live: false,
                });
                known.live |= live;
            }
            let Some(at) = groups.get(seen.group).copied() else {
                continue;
            };
            if let Some(space) = space {
                self.namespaces.at(space).see(&seen.verdict, live);
            }
            if self.several {
                self.opened_by(at, seen, live, &part);
            }
            if let Some(group) = self.groups.get_mut(at) {
                group.add(seen, live, &part, self.examples);
                match met {
                    Some((Met::Reused, true)) => group.reuse(seen, &part, self.examples),
                    Some((Met::Repeated, _)) => group.repeat(seen, &part, self.examples),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Counts a value under the configurations that open it.
    fn opened_by(&mut self, group: usize, seen: &Seen, live: bool, part: &Part) {
        let key = (group, seen.opens.0, seen.opens.1);
        if self.openers.len() >= MAX_OPENERS && !self.openers.contains_key(&key) {
            return;
        }
        let found = self.openers.entry(key).or_default();
        found.live += u64::from(live);
        found.history += u64::from(!live);
        if found.examples.len() < self.examples {
            found.examples.extend(example(seen, part));
        }
    }

    fn keep_samples(&mut self, part: &Part, groups: &[usize]) {
        for sample in &part.samples {
            let Some((group, why)) = groups.get(sample.group).and_then(|at| {
                Some((
                    *at,
                    self.groups
                        .get_mut(*at)?
                        .known_why(part.whys.get(sample.why)?)?,
                ))
            }) else {
                continue;
            };
            let same = self
                .samples
                .iter()
                .filter(|s| (s.group, s.why) == (group, why));
            let room = same.count() < SAMPLES_OF_A_WHY
                && self.samples.len() < MAX_SAMPLES
                && self.sample_bytes + sample.stored.len() <= MAX_SAMPLE_BYTES;
            if room {
                self.sample_bytes += sample.stored.len();
                self.samples.push(Sample {
                    group,
                    why,
                    ..sample.clone()
                });
            }
        }
    }

    fn group(&mut self, hash: NameHash, key: &GroupKey) -> usize {
        if let Some(known) = self.index.get(&hash) {
            return *known;
        }
        let at = self.groups.len();
        if at < MAX_GROUPS {
            self.groups.push(GroupTally {
                key: key.clone(),
                ..GroupTally::default()
            });
            self.index.insert(hash, at);
            return at;
        }
        *self.folded.get_or_insert_with(|| {
            self.groups.push(GroupTally {
                folded: true,
                ..GroupTally::default()
            });
            at
        })
    }

    fn dek_provider(&mut self, name: &[u8], api: &'static str) -> usize {
        let next = self.dek_providers.len();
        let key = (name.to_vec(), api);
        if next < MAX_GROUPS {
            return *self.dek_providers.entry(key).or_insert(next);
        }
        self.dek_providers.get(&key).copied().unwrap_or(next)
    }

    /// Distinct DEKs by provider and API: live, all.
    pub(crate) fn deks(&self) -> Vec<(&[u8], &'static str, u64, u64)> {
        let mut counts: HashMap<usize, (u64, u64)> = HashMap::new();
        for dek in self.deks.values() {
            let (live, all) = counts.entry(dek.provider).or_default();
            *live += u64::from(dek.live);
            *all += 1;
        }
        let providers = self.dek_providers.iter();
        providers
            .filter_map(|((name, api), at)| {
                let (live, all) = counts.get(at)?;
                Some((name.as_slice(), *api, *live, *all))
            })
            .collect()
    }
}

fn example(seen: &Seen, part: &Part) -> Option<Example> {
    let (from, len) = seen.text?;
    let name = part.names.get(from..)?.get(..len)?;
    Some(Example {
        etcd_key: shown(name),
        revision: seen.key.revision.main,
    })
}

impl GroupTally {
    fn reuse(&mut self, seen: &Seen, part: &Part, most: usize) {
        self.nonces_reused += 1;
        if self.nonce_reuse.len() < most {
            self.nonce_reuse.extend(example(seen, part));
        }
    }

    fn repeat(&mut self, seen: &Seen, part: &Part, most: usize) {
        self.repeated += 1;
        if self.repeats.len() < most {
            self.repeats.extend(example(seen, part));
        }
    }

    fn add(&mut self, seen: &Seen, live: bool, part: &Part, most: usize) {
        let revision = seen.key.revision.main;
        self.last_revision = self.last_revision.max(revision);
        if self.first_revision == 0 || revision < self.first_revision {
            self.first_revision = revision;
        }
        if live {
            self.versions += u64::try_from(seen.version).unwrap_or_default();
        }
        let Verdict {
            state,
            exposed,
            moved,
            ..
        } = seen.verdict;
        let keep = |list: &mut Vec<Example>| {
            if list.len() < most {
                list.extend(example(seen, part));
            }
        };
        if !matches!(self.key.place, Place::Resource { .. }) && live && !self.folded {
            keep(&mut self.other);
        }
        if self.key.provider == "unknown" && live {
            keep(&mut self.unknown);
        }
        if let State::Refused(why) = state
            && let Some(tally) = part.whys.get(why).and_then(|why| self.why(why))
        {
            if live {
                tally.live += 1;
                keep(&mut tally.live_examples);
            } else {
                tally.history += 1;
                keep(&mut tally.history_examples);
            }
        }
        self.counts.see(&seen.verdict, live);
        if !live {
            if exposed {
                keep(&mut self.history_exposed);
            }
            return;
        }
        if exposed {
            keep(&mut self.exposed);
        }
        if moved {
            keep(&mut self.moved);
        }
        match state {
            State::Opened(Staleness::Stale(reasons)) => {
                for code in reasons.codes() {
                    *self.stale_why.entry(code).or_default() += 1;
                }
                if !exposed {
                    self.stale_only += 1;
                    keep(&mut self.stale);
                }
            }
            State::Opened(Staleness::Unknown) => keep(&mut self.stale_unknown),
            State::Undecided => keep(&mut self.undecided),
            State::Refused(_)
            | State::Classified
            | State::Opened(Staleness::Fresh)
            | State::Tombstone => {}
        }
    }

    fn why(&mut self, why: &Why) -> Option<&mut WhyTally> {
        let at = self.known_why(why)?;
        self.whys.get_mut(at)
    }

    /// The place of a reason in the list, where it is put if it is new.
    fn known_why(&mut self, why: &Why) -> Option<usize> {
        let known = |list: &[WhyTally], why: &Why| list.iter().position(|w| w.why == *why);
        let mut at = known(&self.whys, why);
        let mut why = why.clone();
        if at.is_none() && self.whys.len() >= MAX_WHYS {
            // Only the code is kept from here on, and codes are few.
            why.upstream = None;
            at = known(&self.whys, &why);
        }
        if at.is_none() {
            self.whys.push(WhyTally {
                why,
                live: 0,
                history: 0,
                live_examples: Vec::new(),
                history_examples: Vec::new(),
            });
        }
        at.or_else(|| self.whys.len().checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use etcd_store::{HashKey, Revision, RowKey};

    use super::{MAX_GROUPS, MAX_WHYS, Tally};
    use crate::part::{GroupKey, Part, Place, Seen, State, Verdict, Why};

    /// A part of `groups` keys with one refused live value each, newest first.
    fn part(groups: usize, first: usize, upstream: impl Fn(usize) -> Option<Vec<u8>>) -> Part {
        let names = HashKey::new([7; 16]);
        let mut part = Part::default();
        for n in 0..groups {
            let text = (first + n).to_string();
            let key = GroupKey {
                place: Place::Resource {
                    name: b"secrets".to_vec(),
                    covered: Some(true),
                    rule: None,
                },
                key: Some(text.clone().into_bytes()),
                ..GroupKey::default()
            };
            part.groups.push((names.hash(text.as_bytes()), key));
            part.whys.push(Why {
                code: "authentication",
                upstream: upstream(n),
            });
            part.rows.push(Seen {
                key: RowKey {
                    revision: Revision { main: 1, sub: 0 },
                    tombstone: false,
                },
                name: names.hash(format!("row {text}").as_bytes()),
                group: n,
                space: None,
                dek: None,
                verdict: Verdict {
                    state: State::Refused(n),
                    plaintext: false,
                    exposed: false,
                    moved: false,
                },
                version: 1,
                mark: None,
                logged: None,
                opens: (0, 0),
                text: None,
            });
        }
        part
    }

    #[test]
    fn a_file_of_endless_key_names_fills_a_bounded_table() {
        let mut tally = Tally::new(3);
        for first in [0, 6000, 12_000] {
            tally.add(part(6000, first, |_| None)).unwrap();
        }
        assert_eq!(tally.groups.len(), MAX_GROUPS + 1);
        let folded = tally.groups.last().unwrap();
        assert!(folded.folded);
        assert_eq!(folded.counts.live, 18_000 - MAX_GROUPS as u64);
        let live: u64 = tally.groups.iter().map(|g| g.counts.live).sum();
        assert_eq!(live, 18_000);
    }

    #[test]
    fn a_plugin_of_endless_texts_fills_a_bounded_list() {
        let mut tally = Tally::new(3);
        for first in 0..100 {
            let mut part = part(1, first, |_| Some(format!("text {first}").into_bytes()));
            let names = HashKey::new([7; 16]);
            part.groups = vec![(names.hash(b"one"), GroupKey::default())];
            tally.add(part).unwrap();
        }
        let group = tally.groups.first().unwrap();
        assert_eq!(group.whys.len(), MAX_WHYS + 1);
        assert_eq!(group.whys.iter().map(|w| w.live).sum::<u64>(), 100);
        assert_eq!(group.counts.unreadable, 100);
    }
}

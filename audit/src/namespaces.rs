//! What lies in which namespace: the counters, and the table of a report.

use std::cmp::Reverse;

use etcd_store::{HashKey, NameHash};
use k8s_object::EtcdKey;

use crate::escape::{clip, shown};
use crate::names::ByName;
use crate::part::{Part, Verdict};
use crate::report::{Counts, Namespace, OtherNamespaces};

/// Namespaces counted apart. A crafted file can name another one in each row.
const MAX_NAMESPACES: usize = 10_000;
/// Those that a report lists.
const LISTED: usize = 100;

/// The namespaces of one batch.
#[derive(Default)]
pub(crate) struct Spaces {
    list: Vec<(NameHash, Option<Vec<u8>>)>,
    index: ByName<usize>,
}

impl Spaces {
    /// The index of the namespace of an object; `None` for what is no object.
    pub(crate) fn of(&mut self, at: &EtcdKey<'_>, hash_key: &HashKey) -> Option<usize> {
        let EtcdKey::Object(name) = at else {
            return None;
        };
        // No namespace holds a slash.
        let hash = hash_key.hash(name.namespace.unwrap_or(b"/"));
        Some(*self.index.entry(hash).or_insert_with(|| {
            self.list.push((hash, name.namespace.map(clip)));
            self.list.len() - 1
        }))
    }
}

/// The counters of all namespaces.
#[derive(Default)]
pub(crate) struct NamespaceTally {
    list: Vec<(Option<Vec<u8>>, Counts)>,
    index: ByName<usize>,
    /// What lies in namespaces beyond `MAX_NAMESPACES`.
    beyond: Option<Counts>,
}

impl NamespaceTally {
    /// Where the namespaces of a batch are counted.
    pub(crate) fn places(&mut self, part: &Part) -> Vec<Option<usize>> {
        let spaces = part.spaces.list.iter();
        spaces
            .map(|(hash, name)| {
                let next = self.list.len();
                let known = self.index.get(hash).copied();
                known.or_else(|| {
                    (next < MAX_NAMESPACES).then(|| {
                        self.index.insert(*hash, next);
                        self.list.push((name.clone(), Counts::default()));
                        next
                    })
                })
            })
            .collect()
    }

    /// The counters of one of [`places`](Self::places).
    pub(crate) fn at(&mut self, place: Option<usize>) -> &mut Counts {
        match place.and_then(|at| self.list.get_mut(at)) {
            Some((_, counts)) => counts,
            None => self.beyond.get_or_insert_default(),
        }
    }

    /// The worst ones, and the sum of all others.
    pub(crate) fn report(&self) -> (Vec<Namespace>, Option<OtherNamespaces>) {
        let there = self.list.iter().filter(|(_, c)| *c != Counts::default());
        let mut list: Vec<Namespace> = there
            .map(|(name, counts)| Namespace {
                namespace: name.as_deref().map(shown),
                counts: *counts,
            })
            .collect();
        list.sort_by(|a, b| {
            let worst = |c: &Counts| {
                Reverse((
                    c.exposed,
                    c.unreadable,
                    c.stale,
                    c.undecided,
                    c.history_exposed,
                    c.live,
                ))
            };
            (worst(&a.counts), &a.namespace).cmp(&(worst(&b.counts), &b.namespace))
        });
        let rest = list.split_off(list.len().min(LISTED));
        let mut others = OtherNamespaces {
            namespaces: rest.len() as u64 + u64::from(self.beyond.is_some()),
            counts: self.beyond.unwrap_or_default(),
        };
        for namespace in &rest {
            others.counts += namespace.counts;
        }
        (list, (others.namespaces > 0).then_some(others))
    }
}

impl Counts {
    /// Counts one value.
    pub(crate) fn see(&mut self, verdict: &Verdict, live: bool) {
        use crate::part::State;
        use k8senc::chain::Staleness;

        let exposed = u64::from(verdict.exposed);
        let plaintext = u64::from(verdict.plaintext);
        let unreadable = u64::from(matches!(verdict.state, State::Refused(_)));
        let undecided = u64::from(matches!(verdict.state, State::Undecided));
        if !live {
            self.history += 1;
            self.history_plaintext += plaintext;
            self.history_exposed += exposed;
            self.history_unreadable += unreadable;
            self.history_undecided += undecided;
            return;
        }
        self.live += 1;
        self.plaintext += plaintext;
        self.exposed += exposed;
        self.unreadable += unreadable;
        self.undecided += undecided;
        self.moved += u64::from(verdict.moved);
        match verdict.state {
            State::Opened(Staleness::Stale(_)) => self.stale += 1,
            State::Opened(Staleness::Unknown) => self.stale_unknown += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use etcd_store::HashKey;
    use k8s_object::parse_etcd_key;

    use super::{LISTED, MAX_NAMESPACES, NamespaceTally};
    use crate::part::Part;

    #[test]
    fn a_file_of_endless_namespaces_fills_a_bounded_table() {
        let (mut tally, names) = (NamespaceTally::default(), HashKey::new([7; 16]));
        let all = MAX_NAMESPACES + 5;
        for n in 0..all {
            let mut part = Part::default();
            let key = format!("/registry/secrets/ns-{n}/a");
            let at = parse_etcd_key(key.as_bytes(), None);
            let index = part.spaces.of(&at, &names).unwrap();
            let places = tally.places(&part);
            let counts = tally.at(places.get(index).copied().flatten());
            counts.live += 1;
            counts.exposed += u64::from(n == 7);
        }
        let (list, others) = tally.report();
        assert_eq!(list.len(), LISTED);
        assert_eq!(list.first().unwrap().namespace.as_deref(), Some("ns-7"));
        let others = others.unwrap();
        // Of those that were not told apart there is one at least.
        assert_eq!(others.namespaces, (MAX_NAMESPACES - LISTED + 1) as u64);
        assert_eq!(others.counts.live, (all - LISTED) as u64);
    }

    #[test]
    fn cluster_scoped_objects_have_no_namespace_and_others_are_no_objects() {
        let (mut part, names) = (Part::default(), HashKey::new([7; 16]));
        let mut of = |key: &str| {
            let at = parse_etcd_key(key.as_bytes(), None);
            part.spaces.of(&at, &names)
        };
        assert_eq!(of("/registry/namespaces/default"), Some(0));
        assert_eq!(of("/registry/secrets/default/a"), Some(1));
        assert_eq!(of("/registry/configmaps/default/b"), Some(1));
        assert_eq!(of("compact_rev_key"), None);
    }
}

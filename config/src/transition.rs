//! From one file to the next on running servers: what goes wrong, and in which order of events.

mod hazards;
mod reading;
mod rollout;

use std::collections::BTreeMap;

use crate::resource::GroupResource;

pub use hazards::{Facts, Hazard, hazards};
pub use reading::Unreadable;
pub use rollout::{Counterexample, Event, Rollout};

/// How many values of one kind etcd holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// At the current revision.
    pub live: u64,
    /// At older revisions that are not compacted yet.
    pub history: u64,
}

/// What is stored, by resource and by what the values begin with, such as `k8s:enc:secretbox:v1:key1:`; empty text
/// is plain text. A snapshot's audit gives it. What is not listed is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    counts: BTreeMap<GroupResource, BTreeMap<String, Count>>,
}

impl Inventory {
    /// Nothing is stored.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to what is stored.
    pub fn add(&mut self, resource: GroupResource, prefix: &str, count: Count) {
        let prefixes = self.counts.entry(resource).or_default();
        let sum = prefixes.entry(prefix.to_owned()).or_default();
        sum.live = sum.live.saturating_add(count.live);
        sum.history = sum.history.saturating_add(count.history);
    }

    /// How many values of a resource begin so.
    #[must_use]
    pub fn count(&self, resource: &GroupResource, prefix: &str) -> Count {
        let prefixes = self.counts.get(resource);
        prefixes
            .and_then(|prefixes| prefixes.get(prefix).copied())
            .unwrap_or_default()
    }

    /// The resources that have values.
    pub fn resources(&self) -> impl Iterator<Item = &GroupResource> {
        self.counts.keys()
    }
}

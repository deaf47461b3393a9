//! From one file to the next on running servers: what goes wrong, and in which order of events.

mod hazards;
mod procedure;
mod reading;
mod rollout;

use std::collections::BTreeMap;

use crate::resource::GroupResource;

pub use hazards::{Facts, Hazard, Replacement, RewriteBy, hazards, refused};
pub(crate) use procedure::{MANY_OBJECTS, SETTLING_SECONDS};
pub use reading::Unreadable;
pub(crate) use reading::{Readers, kind_of_prefix, resources, words};
pub use rollout::{Counterexample, Event, Rollout};

/// How many values of one kind etcd holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// At the current revision.
    pub live: u64,
    /// At older revisions that are not compacted yet.
    pub history: u64,
}

impl Count {
    fn grow(&mut self, by: Self) {
        self.live = self.live.saturating_add(by.live);
        self.history = self.history.saturating_add(by.history);
    }
}

/// What is stored, by resource and by what the values begin with, such as `k8s:enc:secretbox:v1:key1:`; empty text
/// is plain text. A snapshot's audit gives it. What is not listed is not stored.
///
/// Its size is that of the resources and keys in it, however many objects they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    counts: BTreeMap<GroupResource, BTreeMap<String, Count>>,
    /// KMS v2 block name and key_id to what is stored under them.
    key_ids: BTreeMap<(String, String), Count>,
    /// Live values that nothing given could read.
    unreadable: BTreeMap<GroupResource, u64>,
}

/// A group of an audit report that an [`Inventory`] cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProvider(pub String);

impl core::fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "provider {:?} of the inventory is none of identity, aescbc, aesgcm, secretbox, kms-v1 and kms-v2",
            self.0
        )
    }
}

impl core::error::Error for UnknownProvider {}

impl Inventory {
    /// Nothing is stored.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to what is stored.
    pub fn add(&mut self, resource: GroupResource, prefix: &str, count: Count) {
        let prefixes = self.counts.entry(resource).or_default();
        prefixes.entry(prefix.to_owned()).or_default().grow(count);
    }

    /// Adds one group of an audit report: `provider` is `identity`, `empty`, `aescbc`, `aesgcm`, `secretbox`, `kms-v1`,
    /// `kms-v2` or `unknown`; `key` is the name of the key or of the KMS block.
    ///
    /// # Errors
    /// Any other provider.
    pub fn add_group(
        &mut self,
        resource: GroupResource,
        provider: &str,
        key: Option<&str>,
        key_id: Option<&str>,
        count: Count,
    ) -> Result<(), UnknownProvider> {
        let head = match provider {
            // Nobody writes or reads an empty value; it counts as plain text.
            "identity" | "empty" => "",
            "aescbc" => "k8s:enc:aescbc:v1:",
            "aesgcm" => "k8s:enc:aesgcm:v1:",
            "secretbox" => "k8s:enc:secretbox:v1:",
            "kms-v1" => "k8s:enc:kms:v1:",
            "kms-v2" => "k8s:enc:kms:v2:",
            "unknown" => {
                self.add_unreadable(resource, count.live);
                return Ok(());
            }
            other => return Err(UnknownProvider(other.to_owned())),
        };
        if head.is_empty() {
            self.add(resource, "", count);
            return Ok(());
        }
        let key = key.unwrap_or("");
        self.add(resource, &format!("{head}{key}:"), count);
        if let (Some(key_id), "kms-v2") = (key_id, provider) {
            let sum = self.key_ids.entry((key.to_owned(), key_id.to_owned()));
            sum.or_default().grow(count);
        }
        Ok(())
    }

    /// Adds live values that could not be read.
    pub fn add_unreadable(&mut self, resource: GroupResource, live: u64) {
        let sum = self.unreadable.entry(resource).or_default();
        *sum = sum.saturating_add(live);
    }

    /// Live values of a resource that could not be read.
    #[must_use]
    pub fn unreadable(&self, resource: &GroupResource) -> u64 {
        self.unreadable.get(resource).copied().unwrap_or(0)
    }

    /// What is stored under a KMS v2 key_id, with the names of the blocks that wrote it.
    pub fn under_key_id(&self, key_id: &str) -> impl Iterator<Item = (&str, Count)> {
        self.key_ids
            .iter()
            .filter(move |((_, id), _)| id == key_id)
            .map(|((block, _), count)| (block.as_str(), *count))
    }

    /// What the values of a resource begin with, and how many do.
    pub fn prefixes(&self, resource: &GroupResource) -> impl Iterator<Item = (&str, Count)> {
        let prefixes = self.counts.get(resource).into_iter().flatten();
        prefixes.map(|(prefix, count)| (prefix.as_str(), *count))
    }

    /// Live values of a resource.
    #[must_use]
    pub fn live(&self, resource: &GroupResource) -> u64 {
        self.prefixes(resource)
            .fold(0, |sum, (_, count)| sum.saturating_add(count.live))
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

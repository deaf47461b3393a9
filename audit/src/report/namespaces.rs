//! What lies in which namespace.

use serde::Serialize;

use super::{Counts, Report};

/// One namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Namespace {
    /// Its name; `None` for objects of the cluster, which are in none.
    pub namespace: Option<String>,
    /// Its values, of all resources.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Namespaces that are not listed, together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OtherNamespaces {
    /// How many, at least: beyond 10,000 they are not told apart.
    pub namespaces: u64,
    /// Their values.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Namespaces with something to do that reports for people show.
const SHOWN: usize = 20;

impl Report {
    /// The first namespaces with something to do, and how many more of those that are listed have.
    pub(crate) fn namespaces_in_need(&self) -> (Vec<&Namespace>, u64) {
        let mut all: Vec<&Namespace> = self
            .namespaces
            .iter()
            .filter(|n| n.counts.wants_care())
            .collect();
        let unlisted = self.other_namespaces.as_ref();
        let unlisted = unlisted.filter(|o| o.counts.wants_care());
        let left = all.len().saturating_sub(SHOWN) as u64 + unlisted.map_or(0, |o| o.namespaces);
        all.truncate(SHOWN);
        (all, left)
    }
}

impl Counts {
    /// Whether there is something to do about live values.
    pub(crate) const fn wants_care(&self) -> bool {
        self.exposed + self.unreadable + self.undecided + self.stale + self.moved > 0
    }
}

impl Namespace {
    /// As reports call it.
    pub(crate) fn name(&self) -> &str {
        self.namespace.as_deref().unwrap_or("(no namespace)")
    }
}

//! Names in `resources`: how they are parsed, which overlap, which are masked by an earlier entry.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use crate::golang::quote;

/// A resource and its API group, as `schema.ParseGroupResource` splits them: at the first dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource {
    /// Empty for the core group, `*` for any group.
    pub group: String,
    /// Plural lower-case name, `*` for any resource.
    pub resource: String,
}

impl GroupResource {
    /// Splits `deployments.apps`, `secrets`, `*.apps`, `*.` or `*.*`; nothing is checked, as upstream.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
        }
    }

    /// `*.*`.
    #[must_use]
    pub fn any() -> Self {
        Self {
            group: "*".to_owned(),
            resource: "*".to_owned(),
        }
    }

    /// `*` in the same group.
    #[must_use]
    pub fn any_in_group(&self) -> Self {
        Self {
            group: self.group.clone(),
            resource: "*".to_owned(),
        }
    }

    /// Whether this is `*.*` or `*.group`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.resource == "*"
    }
}

/// As upstream prints names in its mask errors: `secrets`, `deployments.apps`, `*.`, `*.*`.
impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.group.as_str(), self.resource.as_str()) {
            ("", "*") => f.write_str("*."),
            ("", resource) => f.write_str(resource),
            (group, resource) => write!(f, "{resource}.{group}"),
        }
    }
}

/// What is wrong within one list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListFaults {
    pub duplicate: bool,
    pub overlap: bool,
}

/// Upstream compares all pairs; this gives the same answer in one pass.
///
/// Overlap is found when the list has `*.*` or a group has `*` beside another name. The one pair that upstream
/// exempts (the first two equal names) never decides, since the same two are met again the other way round.
pub(crate) fn list_faults(names: &[GroupResource]) -> ListFaults {
    let mut faults = ListFaults::default();
    if names.len() < 2 {
        return faults;
    }
    let mut seen = BTreeSet::new();
    let mut groups: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for name in names {
        faults.duplicate |= !seen.insert(name);
        let (members, wildcard) = groups.entry(&name.group).or_default();
        *members += 1;
        *wildcard |= name.is_wildcard();
        faults.overlap |= (*wildcard && *members > 1) || (name.group == "*" && name.is_wildcard());
    }
    faults
}

/// The first name that an earlier rule of the file makes unreachable, with that rule and where both stand.
pub(crate) struct Masked {
    pub entry: usize,
    pub index: usize,
    pub name: GroupResource,
    pub by: GroupResource,
    pub by_entry: usize,
}

impl Masked {
    pub(crate) fn upstream(&self) -> String {
        let (name, by) = (quote(&self.name.to_string()), quote(&self.by.to_string()));
        format!("resource {name} is masked by earlier rule {by}")
    }
}

/// The wildcards seen so far while the entries are built in file order; exact names mask nothing.
#[derive(Default)]
pub(crate) struct Rules {
    /// Group to the entry that has its wildcard; `*` is the group of `*.*`.
    wildcards: BTreeMap<String, usize>,
}

impl Rules {
    /// Adds the names of one entry, or says which is masked.
    pub(crate) fn add<'n>(
        &mut self,
        entry: usize,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), Masked> {
        for (index, name) in names.enumerate() {
            let name = GroupResource::parse(name);
            let masking = [name.group.as_str(), "*"]
                .into_iter()
                .find_map(|group| Some((group.to_owned(), *self.wildcards.get(group)?)));
            if let Some((group, by_entry)) = masking {
                let by = GroupResource {
                    group,
                    resource: "*".to_owned(),
                };
                return Err(Masked {
                    entry,
                    index,
                    name,
                    by,
                    by_entry,
                });
            }
            if name.is_wildcard() {
                self.wildcards.insert(name.group, entry);
            }
        }
        Ok(())
    }
}

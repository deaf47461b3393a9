//! What two configurations do differently, in terms of who writes and who can read; layout and comments do not count.

use core::fmt;
use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::{Config, KmsBlock, KmsVersion, NamedKey, Provider};
use crate::lint::weakness;
use crate::resource::GroupResource;

/// What is authenticated to make a fingerprint, so that all hosts agree and nothing else ever does.
const LABEL: &[u8] = b"k8senc key fingerprint v1";

/// Sixteen hexadecimal digits that tell keys apart and say nothing of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NamedKey {
    /// The key's fingerprint; none for a key that could be guessed, since the fingerprint would confirm the guess.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        fingerprint(self.secret())
    }
}

/// The fingerprint of a key that stands in no file; none for one that could be guessed.
#[must_use]
pub fn fingerprint(key: &[u8]) -> Option<Fingerprint> {
    weakness(key).is_none().then(|| mark(key))
}

/// The first eight bytes of HMAC-SHA256 under the key.
fn mark(key: &[u8]) -> Fingerprint {
    let tag = Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(LABEL).finalize().into_bytes());
    let hex = tag.map(|tag| tag.iter().take(8).map(|b| format!("{b:02x}")).collect());
    Fingerprint(hex.unwrap_or_default())
}

/// One thing that can read stored values: a key, a KMS block, or identity.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Reader {
    /// What its values begin with: provider and name. Empty for identity.
    pub prefix: String,
    /// Of a local key that cannot be guessed.
    pub fingerprint: Option<Fingerprint>,
    /// Tells keys of one prefix apart, also those that have no fingerprint to show.
    mark: Option<Fingerprint>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the mark, which would confirm a guess.
        write!(f, "Reader({self})")
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix.as_str(), &self.fingerprint) {
            ("", _) => f.write_str("identity"),
            (prefix, Some(fingerprint)) => write!(f, "{prefix} ({fingerprint})"),
            (prefix, None) => f.write_str(prefix),
        }
    }
}

pub(crate) fn readers(providers: &[&Provider]) -> Vec<Reader> {
    let mut readers = Vec::new();
    for provider in providers {
        let keys: &[NamedKey] = match provider {
            Provider::Aescbc(keys) | Provider::Aesgcm(keys) | Provider::Secretbox(keys) => keys,
            _ => &[],
        };
        for (i, prefix) in provider.prefixes().enumerate() {
            let key = keys.get(i);
            let fingerprint = key.and_then(NamedKey::fingerprint);
            readers.push(Reader {
                prefix,
                fingerprint,
                mark: key.map(|key| mark(key.secret())),
            });
        }
    }
    readers
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A rule that only the new file has.
    RuleAdded(GroupResource),
    /// A rule that only the old file has.
    RuleRemoved(GroupResource),
    /// Another reader writes.
    Writer {
        /// Of this rule.
        rule: GroupResource,
        /// Before.
        from: Reader,
        /// After.
        to: Reader,
    },
    /// A reader that is new.
    ReaderAdded {
        /// Of this rule.
        rule: GroupResource,
        /// The reader.
        reader: Reader,
    },
    /// A reader that is gone: what only it reads becomes unreadable.
    ReaderRemoved {
        /// Of this rule.
        rule: GroupResource,
        /// The reader.
        reader: Reader,
    },
    /// Other bytes under the same name: what the old bytes wrote becomes unreadable.
    KeyReplaced {
        /// Of this rule.
        rule: GroupResource,
        /// Before.
        from: Reader,
        /// After.
        to: Reader,
    },
    /// The same readers behind the same writer, tried in another order.
    Order(GroupResource),
    /// A KMS block of the same name with another setting.
    Kms {
        /// The block's name.
        name: String,
        /// The field.
        field: &'static str,
        /// Before.
        from: String,
        /// After.
        to: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuleAdded(rule) => write!(f, "{rule}: the rule is new"),
            Self::RuleRemoved(rule) => write!(f, "{rule}: the rule is gone"),
            Self::Writer { rule, from, to } => write!(f, "{rule}: {to} writes in place of {from}"),
            Self::ReaderAdded { rule, reader } => write!(f, "{rule}: {reader} can be read now"),
            Self::ReaderRemoved { rule, reader } => {
                write!(f, "{rule}: {reader} cannot be read any more")
            }
            Self::KeyReplaced { rule, from, to } => {
                write!(f, "{rule}: {to} has other bytes than {from}")
            }
            Self::Order(rule) => write!(f, "{rule}: the order of the readers is another"),
            Self::Kms {
                name,
                field,
                from,
                to,
            } => write!(f, "kms {name}: {field} {to} in place of {from}"),
        }
    }
}

impl Config {
    /// What `newer` does differently; empty when both files do the same.
    #[must_use]
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let rules: BTreeSet<&GroupResource> = self
            .rules()
            .chain(newer.rules())
            .map(|(rule, _)| rule)
            .collect();
        for rule in rules {
            match (self.rule(rule), newer.rule(rule)) {
                (Some(old), Some(new)) => {
                    rule_changes(rule, &readers(&old), &readers(&new), &mut changes)
                }
                (None, _) => changes.push(Change::RuleAdded(rule.clone())),
                (_, None) => changes.push(Change::RuleRemoved(rule.clone())),
            }
        }
        // KMS v1 takes one name for several plugins: the first of a name belongs to the first, and so on.
        let mut earlier: Vec<(&str, KmsVersion)> = Vec::new();
        for old in self.kms_blocks() {
            let same = (old.name.as_str(), old.version);
            let nth = earlier.iter().filter(|e| **e == same).count();
            earlier.push(same);
            let new = newer
                .kms_blocks()
                .filter(|new| (new.name.as_str(), new.version) == same)
                .nth(nth);
            if let Some(new) = new {
                changes.extend(kms_changes(old, new));
            }
        }
        changes
    }
}

fn rule_changes(rule: &GroupResource, old: &[Reader], new: &[Reader], changes: &mut Vec<Change>) {
    let rule = rule.clone();
    let missing = |from: &[Reader], of: &[Reader]| -> Vec<Reader> {
        let held: BTreeSet<&Reader> = from.iter().collect();
        of.iter().filter(|r| !held.contains(r)).cloned().collect()
    };
    let mut added = missing(old, new);
    for from in missing(new, old) {
        // A name that stays while its bytes go is worse than one that goes.
        match added.iter().position(|r| r.prefix == from.prefix) {
            Some(at) => {
                let to = added.remove(at);
                changes.push(Change::KeyReplaced {
                    rule: rule.clone(),
                    from,
                    to,
                });
            }
            None => changes.push(Change::ReaderRemoved {
                rule: rule.clone(),
                reader: from,
            }),
        }
    }
    changes.extend(added.into_iter().map(|reader| Change::ReaderAdded {
        rule: rule.clone(),
        reader,
    }));
    match (old.first(), new.first()) {
        (Some(from), Some(to)) if from.prefix != to.prefix => {
            changes.push(Change::Writer {
                rule,
                from: from.clone(),
                to: to.clone(),
            });
        }
        _ => {
            let common = |list: &[Reader], other: &[Reader]| -> Vec<Reader> {
                let other: BTreeSet<&Reader> = other.iter().collect();
                list.iter().filter(|r| other.contains(r)).cloned().collect()
            };
            if common(old, new) != common(new, old) {
                changes.push(Change::Order(rule));
            }
        }
    }
}

fn kms_changes(old: &KmsBlock, new: &KmsBlock) -> Vec<Change> {
    let nanos = |block: &KmsBlock| crate::golang::Duration(block.timeout_nanos).to_string();
    let cache = |block: &KmsBlock| {
        block
            .cache_size
            .map_or_else(|| "none".to_owned(), |n| n.to_string())
    };
    let mut fields = vec![
        ("endpoint", old.endpoint.clone(), new.endpoint.clone()),
        ("timeout", nanos(old), nanos(new)),
    ];
    if old.version == KmsVersion::V1 {
        fields.push(("cachesize", cache(old), cache(new)));
    }
    fields
        .into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(field, from, to)| Change::Kms {
            name: old.name.clone(),
            field,
            from,
            to,
        })
        .collect()
}

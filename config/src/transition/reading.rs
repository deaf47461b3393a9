//! Whether one chain reads what another wrote, as kube-apiserver's transformers decide it.

use std::collections::BTreeSet;

use crate::config::{Config, Provider};
use crate::diff::{Reader, readers};
use crate::resource::GroupResource;
use crate::transition::Inventory;

/// Why a server cannot read a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unreadable {
    /// No provider of that kind and name.
    NoProvider,
    /// The kind of provider is there, but not that name.
    NoName,
    /// Key bytes under that name are other ones.
    OtherBytes,
    /// An aescbc key of the same name and other bytes comes first: one value in 256 is taken for rubbish.
    Misread,
    /// No rule takes the resource, so only plain text is read.
    NoRule,
    /// The KMS is down, and this server does not have the DEK in memory: a restart or a reload lost it, or it never
    /// saw it.
    PluginDown,
}

impl Unreadable {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoProvider => "no provider of its file has that prefix",
            Self::NoName => "its file has that kind of provider, but not under that name",
            Self::OtherBytes => "its file has other bytes under that name",
            Self::Misread => {
                "its file has other aescbc bytes of the same name first, which take one value in 256 for rubbish"
            }
            Self::NoRule => "no rule of its file takes the resource",
            Self::PluginDown => "the KMS is down, and this server does not have the DEK in memory",
        }
    }
}

/// A reader and where its provider or key stands in the file.
#[derive(Debug)]
pub(crate) struct Link {
    pub reader: Reader,
    /// Such as `resources[0].providers[1].aescbc.keys[0]`; empty without a rule.
    pub place: String,
}

/// The readers of one resource in order; the first one writes.
#[derive(Debug)]
pub(crate) struct Readers {
    pub links: Vec<Link>,
    /// Without a rule: identity that says so when it refuses.
    pub bare: bool,
}

impl Readers {
    pub(crate) fn new(config: &Config, resource: &GroupResource) -> Self {
        let found = config.matching(resource);
        if found.rule.is_none() {
            let identity = readers(&[&Provider::Identity]).into_iter();
            let link = |reader| Link {
                reader,
                place: String::new(),
            };
            return Self {
                links: identity.map(link).collect(),
                bare: true,
            };
        }
        let mut places = Vec::new();
        for e in &found.entries {
            let providers = config.entries().get(*e).map(|entry| &entry.providers);
            for (p, provider) in providers.into_iter().flatten().enumerate() {
                let place = format!("resources[{e}].providers[{p}].{}", provider.kind());
                let keyed = matches!(
                    provider,
                    Provider::Aescbc(_) | Provider::Aesgcm(_) | Provider::Secretbox(_)
                );
                places.extend(provider.prefixes().enumerate().map(|(k, _)| {
                    if keyed {
                        format!("{place}.keys[{k}]")
                    } else {
                        place.clone()
                    }
                }));
            }
        }
        let links = readers(&found.providers).into_iter().zip(places);
        Self {
            links: links
                .map(|(reader, place)| Link { reader, place })
                .collect(),
            bare: false,
        }
    }

    /// The reader that writes.
    pub(crate) fn writer(&self) -> Option<&Link> {
        self.links.first()
    }

    pub(crate) fn holds(&self, reader: &Reader) -> bool {
        self.links.iter().any(|link| &link.reader == reader)
    }

    pub(crate) fn with_prefix(&self, prefix: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.reader.prefix == prefix)
    }

    /// Whether this chain reads a value that `value` wrote, with every KMS up.
    ///
    /// All readers whose prefix matches are tried in order, and a failure does not end the search. Only the same
    /// bytes open a value, but a wrong aescbc key fails at the padding alone.
    pub(crate) fn read(&self, value: &Reader) -> Result<(), Unreadable> {
        let mut why = if self.bare {
            Unreadable::NoRule
        } else {
            Unreadable::NoProvider
        };
        let mut misread = false;
        for Link { reader, .. } in &self.links {
            if reader == value {
                return if misread {
                    Err(Unreadable::Misread)
                } else {
                    Ok(())
                };
            }
            if reader.prefix.is_empty() {
                continue;
            }
            if let Some(rest) = value.prefix.strip_prefix(reader.prefix.as_str()) {
                why = Unreadable::OtherBytes;
                // Of a longer name, the rest goes before the IV; only whole blocks get as far as the padding.
                misread |= kind(reader) == "aescbc" && rest.len().is_multiple_of(16);
            } else if kind(reader) == kind(value) {
                why = why.max(Unreadable::NoName);
            }
        }
        Err(why)
    }
}

/// `aescbc`, `kms v2` and so on.
pub(crate) fn kind(reader: &Reader) -> &'static str {
    kind_of_prefix(&reader.prefix)
}

/// The same of what a value begins with.
pub(crate) fn kind_of_prefix(prefix: &str) -> &'static str {
    const KINDS: [(&str, &str); 5] = [
        ("k8s:enc:aescbc:v1:", "aescbc"),
        ("k8s:enc:aesgcm:v1:", "aesgcm"),
        ("k8s:enc:secretbox:v1:", "secretbox"),
        ("k8s:enc:kms:v1:", "kms v1"),
        ("k8s:enc:kms:v2:", "kms v2"),
    ];
    let found = KINDS.iter().find(|(head, _)| prefix.starts_with(head));
    found.map_or("identity", |(_, kind)| kind)
}

/// The name of a key or KMS block.
pub(crate) fn name(reader: &Reader) -> &str {
    let after = reader.prefix.splitn(5, ':').nth(4).unwrap_or("");
    after.strip_suffix(':').unwrap_or(after)
}

/// A reader in words, such as `secretbox key key2`.
pub(crate) fn words(reader: &Reader) -> String {
    match kind(reader) {
        "identity" => "identity (plain text)".to_owned(),
        kind @ ("kms v1" | "kms v2") => format!("{kind} block {}", name(reader)),
        kind => format!("{kind} key {}", name(reader)),
    }
}

/// Every rule of both files and every stored resource: together they stand for all resources, since a wildcard
/// matches as the resources that it takes do.
pub(crate) fn resources(
    old: &Config,
    new: Option<&Config>,
    stored: Option<&Inventory>,
) -> BTreeSet<GroupResource> {
    let rules = old.rules().chain(new.into_iter().flat_map(Config::rules));
    rules
        .map(|(rule, _)| rule)
        .chain(stored.into_iter().flat_map(Inventory::resources))
        .cloned()
        .collect()
}

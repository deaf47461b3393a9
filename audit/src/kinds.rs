//! What a value outside the rows is: resource, provider and key, and whether it lies there in the clear.

use std::collections::HashMap;

use k8s_object::{EtcdKey, parse_etcd_key};
use k8senc::inspect::{Format, inspect};

use crate::escape::clip;
use crate::examine::Context;

/// Kinds kept apart.
const MOST: usize = 10_000;

/// Resource, whether a rule encrypts it or it is sensitive, provider and key name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub resource: Vec<u8>,
    pub exposed: bool,
    pub provider: &'static str,
    pub key: Option<Vec<u8>>,
}

/// The kinds met, by number.
#[derive(Default)]
pub(crate) struct Kinds {
    list: Vec<Kind>,
    index: HashMap<Kind, u32>,
}

impl Kinds {
    /// The number of the kind of a value, and whether it is exposed; `None` for what is no Kubernetes object, and beyond
    /// the room there is.
    pub(crate) fn of(
        &mut self,
        etcd_key: &[u8],
        value: &[u8],
        shared: &Context<'_>,
    ) -> Option<(u32, bool)> {
        let EtcdKey::Object(object) = parse_etcd_key(etcd_key, shared.etcd_prefix) else {
            return None;
        };
        let rule = shared.chains.map(|chains| chains.of(&object));
        let format = inspect(value);
        let plain = format.format == Format::Plain;
        let sensitive = object.resource == "secrets" && object.group == Some("");
        let named = rule.and_then(|r| {
            r.chain
                .named_in(value)
                .and_then(|(provider, key)| r.name_at(provider, key))
        });
        let kind = Kind {
            resource: clip(object.to_string().as_bytes()),
            exposed: plain && (sensitive || rule.is_some_and(|r| r.covered)),
            provider: format.format.name(),
            key: named.map(str::as_bytes).or(format.name).map(clip),
        };
        let exposed = kind.exposed;
        if let Some(at) = self.index.get(&kind) {
            return Some((*at, exposed));
        }
        let at = u32::try_from(self.list.len()).ok()?;
        if self.list.len() >= MOST {
            return None;
        }
        self.list.push(kind.clone());
        self.index.insert(kind, at);
        Some((at, exposed))
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Kind> {
        self.list.get(at as usize)
    }

    pub(crate) fn all(&self) -> &[Kind] {
        &self.list
    }
}

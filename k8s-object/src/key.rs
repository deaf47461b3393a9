//! Etcd keys as kube-apiserver builds them.
//!
//! ```text
//! <prefix>/<resource>[/<namespace>]/<name>             built-in; the group is not in the key
//! <prefix>/<group>/<resource>[/<namespace>]/<name>     custom and aggregated; a group has a dot
//! ```
//!
//! The prefix is kube-apiserver's `--etcd-prefix`, `/registry` unless set.

use core::{fmt, str};

use crate::builtin;
use crate::form::Meta;

/// The etcd prefixes that are recognised unasked: upstream's default and OpenShift's two.
const KNOWN_PREFIXES: [&[u8]; 3] = [b"/registry/", b"/kubernetes.io/", b"/openshift.io/"];

/// What an etcd key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcdKey<'a> {
    /// An object of the Kubernetes API; its value is what encryption is about.
    Object(EtcdName<'a>),
    /// kube-apiserver's own bookkeeping, never encrypted: `compact_rev_key`, the health probe.
    Housekeeping,
    /// Not below a prefix that is known or was given, or too short to name an object.
    Foreign,
}

/// The object that an etcd key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EtcdName<'a> {
    /// The API group, empty for core; `None` where neither the key nor the table of built-in
    /// resources tells (then ask the plaintext's apiVersion, [`group_of`]).
    pub group: Option<&'a str>,
    /// The plural as in an EncryptionConfiguration: `nodes`, not `minions`.
    pub resource: &'a str,
    /// `None` for a cluster-scoped object. Bytes of the key: hostile text, possibly not UTF-8.
    pub namespace: Option<&'a [u8]>,
    /// Bytes of the key: hostile text, possibly not UTF-8; empty for the service allocators.
    pub name: &'a [u8],
    /// Whether the resource has a REST API. Those without cannot be named in an
    /// EncryptionConfiguration; only wildcards reach them.
    pub has_api: bool,
}

impl fmt::Display for EtcdName<'_> {
    /// `secrets`, `deployments.apps`, as rules name resources. Control characters of a hostile
    /// key are not escaped here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            None | Some("") => f.write_str(self.resource),
            Some(group) => write!(f, "{}.{group}", self.resource),
        }
    }
}

/// Reads an etcd key.
///
/// `prefix` is the cluster's `--etcd-prefix`, with or without slashes at its ends. With `None`
/// the default and OpenShift's prefixes are tried, then the first `/registry/` inside the
/// key (`/some-tenant/registry/secrets/...`); other prefixes have to be given.
pub fn parse_etcd_key<'a>(key: &'a [u8], prefix: Option<&[u8]>) -> EtcdKey<'a> {
    if key == b"compact_rev_key" {
        return EtcdKey::Housekeeping;
    }
    let below = match prefix {
        Some(prefix) => below_given(key, prefix),
        None => below_known(key),
    };
    match below {
        None => EtcdKey::Foreign,
        Some(b"health") => EtcdKey::Housekeeping,
        Some(below) => object(below).map_or(EtcdKey::Foreign, EtcdKey::Object),
    }
}

impl<'a> EtcdName<'a> {
    /// [`parse_etcd_key`] for callers that only want objects.
    pub fn from_etcd_key(key: &'a [u8], prefix: Option<&[u8]>) -> Option<Self> {
        match parse_etcd_key(key, prefix) {
            EtcdKey::Object(name) => Some(name),
            EtcdKey::Housekeeping | EtcdKey::Foreign => None,
        }
    }

    /// Whether an object that says this of itself can belong to this etcd key. `true` where nothing tells: without a REST
    /// API, without a name inside, and where the key has more parts than namespace and name, as an API server of somebody
    /// else's may lay out its own.
    pub fn may_hold(&self, meta: &Meta<'_>) -> bool {
        !self.has_api
            || meta.name.is_empty()
            || self.name.contains(&b'/')
            || (meta.name.as_bytes() == self.name
                && meta.namespace.as_bytes() == self.namespace.unwrap_or_default())
    }
}

/// The group of an apiVersion: empty for `v1`, `apps` for `apps/v1`.
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn below_given<'a>(key: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let prefix = trim_slashes(prefix);
    let rest = key.strip_prefix(b"/")?;
    if prefix.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix(prefix)?.strip_prefix(b"/")
    }
}

fn trim_slashes(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"/") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b"/") {
        bytes = rest;
    }
    bytes
}

fn below_known(key: &[u8]) -> Option<&[u8]> {
    KNOWN_PREFIXES
        .iter()
        .find_map(|prefix| key.strip_prefix(*prefix))
        .or_else(|| {
            let default = KNOWN_PREFIXES.first()?;
            let at = key
                .windows(default.len())
                .position(|window| window == *default)?;
            key.get(at + default.len()..)
        })
}

fn object(below: &[u8]) -> Option<EtcdName<'_>> {
    let (first, rest) = split_segment(below)?;
    // No built-in resource has a dot in its name, every group of a custom one has.
    let dotted = first.contains(&b'.');
    if !dotted && let Some((found, rest)) = builtin::find(below) {
        let (namespace, name) = if found.namespaced {
            split_namespace(rest)
        } else {
            (None, rest)
        };
        return Some(EtcdName {
            group: Some(found.group),
            resource: found.resource,
            namespace,
            name,
            has_api: !found.internal,
        });
    }
    let (group, resource, rest) = match split_segment(rest) {
        Some((second, rest)) if dotted => (Some(first), second, rest),
        _ => (None, first, rest),
    };
    let (namespace, name) = split_namespace(rest);
    let group = group.map(str::from_utf8).transpose().ok()?;
    let resource = str::from_utf8(resource).ok()?;
    Some(EtcdName {
        group,
        resource,
        namespace,
        name,
        has_api: true,
    })
}

/// The bytes before the first slash, not empty, and those after it.
fn split_segment(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = path
        .iter()
        .position(|&byte| byte == b'/')
        .filter(|&at| at > 0)?;
    let (segment, rest) = path.split_at_checked(at)?;
    Some((segment, rest.get(1..)?))
}

fn split_namespace(path: &[u8]) -> (Option<&[u8]>, &[u8]) {
    split_segment(path).map_or((None, path), |(namespace, name)| (Some(namespace), name))
}

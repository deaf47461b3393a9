//! What the rules look at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::LintOptions;
use crate::golang::{base64_decode, parse_url};
use crate::hash::sha256;
use crate::load::Loaded;
use crate::model::{Entry, Key, Keys, Kms, Model, Provider};
use crate::resource::GroupResource;
use crate::span::Span;
use crate::tree::Tree;
use crate::verdict::Verdict;
use crate::version::Version;

/// Which local provider a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Local {
    Aesgcm,
    Aescbc,
    Secretbox,
}

impl Local {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aesgcm => "aesgcm",
            Self::Aescbc => "aescbc",
            Self::Secretbox => "secretbox",
        }
    }
}

/// One key of the file.
pub(crate) struct KeyFact<'m> {
    pub entry: usize,
    pub provider: usize,
    pub kind: Local,
    pub key: &'m Key,
    /// Absent when the secret is not base64.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
    /// Of the bytes; stands for them in comparisons.
    pub hash: [u8; 32],
}

impl KeyFact<'_> {
    pub(crate) fn span(&self) -> Span {
        self.key.secret.span.unwrap_or(self.key.span)
    }

    pub(crate) fn name_span(&self) -> Span {
        self.key.name.span.unwrap_or(self.key.span)
    }
}

/// One KMS block of the file.
pub(crate) struct KmsFact<'m> {
    pub kms: &'m Kms,
    pub v1: bool,
    /// The path that would be dialled; empty when there is none.
    pub socket: Vec<u8>,
    /// Whether the endpoint is a URL with scheme `unix`.
    pub unix: bool,
}

impl KmsFact<'_> {
    pub(crate) fn endpoint_span(&self) -> Span {
        self.kms.endpoint.span.unwrap_or(self.kms.span)
    }

    pub(crate) fn name_span(&self) -> Span {
        self.kms.name.span.unwrap_or(self.kms.span)
    }

    pub(crate) fn timeout_span(&self) -> Span {
        self.kms.timeout_span.unwrap_or(self.kms.key_span)
    }

    /// In milliseconds.
    pub(crate) fn timeout_ms(&self) -> i64 {
        self.kms.timeout.map_or(0, |t| t.0 / 1_000_000)
    }
}

/// A loaded file and all that is known about it.
pub(crate) struct Context<'c> {
    pub text: Cow<'c, str>,
    pub verdict: Verdict,
    pub tree: Option<&'c Tree>,
    pub options: &'c LintOptions,
    pub entries: &'c [Entry],
    pub keys: Vec<KeyFact<'c>>,
    pub kms: Vec<KmsFact<'c>>,
    /// The elements of all provider lists, by their place.
    providers: BTreeMap<Span, &'c Provider>,
    /// kube-apiserver's texts, by code and place.
    upstream: BTreeMap<(&'static str, Span), String>,
}

impl<'c> Context<'c> {
    pub(crate) fn new(text: &'c [u8], loaded: &'c Loaded, options: &'c LintOptions) -> Self {
        let entries = loaded.model.as_ref().map_or(&[][..], Model::entries);
        let mut keys = Vec::new();
        let mut kms = Vec::new();
        let mut providers = BTreeMap::new();
        for (i, entry) in entries.iter().enumerate() {
            for (j, provider) in entry.providers().iter().enumerate() {
                providers.insert(provider.span, provider);
                for (kind, list) in locals(provider) {
                    keys.extend(list.list().iter().map(|key| key_fact((i, j), kind, key)));
                }
                kms.extend(provider.kms.as_ref().map(kms_fact));
            }
        }
        Self {
            text: String::from_utf8_lossy(text),
            verdict: loaded.verdict.clone(),
            tree: loaded.tree.as_ref(),
            options,
            entries,
            keys,
            kms,
            providers,
            upstream: loaded
                .verdict
                .problems
                .iter()
                .map(|p| ((p.code, p.span), p.upstream.clone()))
                .collect(),
        }
    }

    /// The provider element at a place.
    pub(crate) fn provider_at(&self, span: Span) -> Option<&'c Provider> {
        self.providers.get(&span).copied()
    }

    /// What kube-apiserver says of a place, if it refuses it for that reason.
    pub(crate) fn upstream_at(&self, code: &'static str, span: Span) -> Option<String> {
        self.upstream.get(&(code, span)).cloned()
    }

    pub(crate) fn version(&self) -> Version {
        self.options.server.version
    }

    /// The names of an entry with their places.
    pub(crate) fn names(&self, entry: &'c Entry) -> impl Iterator<Item = (GroupResource, Span)> {
        entry.names().iter().map(|leaf| {
            (
                GroupResource::parse(&leaf.text),
                leaf.span.unwrap_or(entry.span),
            )
        })
    }

    /// The entries whose rule takes a resource: exact, then its group, then all.
    pub(crate) fn taken_by(&self, resource: &GroupResource) -> Vec<usize> {
        for rule in [
            resource.clone(),
            resource.any_in_group(),
            GroupResource::any(),
        ] {
            let entries = self.entries.iter().enumerate();
            let found: Vec<usize> = entries
                .filter(|(_, e)| self.names(e).any(|(name, _)| name == rule))
                .map(|(i, _)| i)
                .collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

/// The local providers of an element, of which validation wants at most one.
pub(crate) fn locals(provider: &Provider) -> impl Iterator<Item = (Local, &Keys)> {
    [
        (Local::Aesgcm, provider.aesgcm.as_ref()),
        (Local::Aescbc, provider.aescbc.as_ref()),
        (Local::Secretbox, provider.secretbox.as_ref()),
    ]
    .into_iter()
    .filter_map(|(kind, keys)| Some((kind, keys?)))
}

/// Whether an element is identity and nothing else.
pub(crate) fn is_identity(provider: &Provider) -> bool {
    provider.identity.is_some() && provider.kms.is_none() && locals(provider).next().is_none()
}

fn key_fact<'m>((entry, provider): (usize, usize), kind: Local, key: &'m Key) -> KeyFact<'m> {
    let bytes = Some(&key.secret.text)
        .filter(|t| !t.is_empty())
        .and_then(|t| base64_decode(t));
    let hash = bytes.as_ref().map_or([0; 32], |b| sha256(b));
    KeyFact {
        entry,
        provider,
        kind,
        key,
        bytes,
        hash,
    }
}

fn kms_fact(kms: &Kms) -> KmsFact<'_> {
    let socket = socket_of(&kms.endpoint.text);
    KmsFact {
        kms,
        v1: kms.api_version.text.as_str() == "v1",
        unix: socket.is_some(),
        socket: socket.unwrap_or_default(),
    }
}

/// The path that an endpoint dials, or the name of an abstract socket with its `@`; none unless its scheme is `unix`.
pub(crate) fn socket_of(endpoint: &str) -> Option<Vec<u8>> {
    let path = parse_url(endpoint)
        .ok()
        .filter(|url| url.scheme == "unix")?
        .path;
    Some(if path.starts_with(b"/@") {
        path.get(1..).unwrap_or_default().to_vec()
    } else {
        path
    })
}

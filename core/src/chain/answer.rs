//! What reading a value answers: who opened it and whether it is stale, or what has to be asked first.

use crate::{kms::DekRequest, secret::Plaintext, wire::kmsv2::SourceType};

/// What a value turned out to be, or what has to be asked first.
#[derive(Debug)]
pub enum Answer {
    /// Opened.
    Opened(Opened),
    /// The DEK is not in the table: ask the KMS this, supply the answer, call again.
    Needs(DekRequest),
}

/// As [`Answer`], with the plaintext in the caller's scratch space.
#[derive(Debug)]
pub enum Outcome {
    /// Opened.
    Opened(How),
    /// As [`Answer::Needs`].
    Needs(DekRequest),
}

/// An opened value.
#[derive(Debug)]
pub struct Opened {
    /// The object.
    pub plaintext: Plaintext,
    /// Who opened it, and whether it is stale.
    pub how: How,
}

/// Who opened a value, and whether it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// kube-apiserver's stale flag and its reasons.
    pub stale: Staleness,
    /// Index of the provider in the chain.
    pub provider: usize,
    /// Index of the key in a static provider.
    pub key: Option<usize>,
    /// An aescbc value, or a KMS v1 value with a CBC body: nothing authenticates it, so one wrong key in 256 "opens" it.
    pub unauthenticated: bool,
    /// KMS v2 only: key or seed form.
    pub source_type: Option<SourceType>,
}

/// Whether kube-apiserver would rewrite the value at a no-op update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staleness {
    /// It would not.
    Fresh,
    /// It would, for these reasons.
    Stale(Reasons),
    /// It depends on what the KMS v2 plugin reports, which nobody asked.
    Unknown,
}

impl Staleness {
    /// The flag; `None` if unknown.
    pub fn as_bool(self) -> Option<bool> {
        match self {
            Self::Fresh => Some(false),
            Self::Stale(_) => Some(true),
            Self::Unknown => None,
        }
    }
}

/// Why a value is stale; one reason suffices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Another provider is first in the list.
    pub not_first_provider: bool,
    /// Another key is first in its provider.
    pub not_first_key: bool,
    /// KMS v1 with a CBC body, as 1.24 and older wrote.
    pub legacy_body: bool,
    /// KMS v2: the plugin reports another key_id now.
    pub key_id_changed: bool,
    /// KMS v2: key form where seed form is written now, or the other way round.
    pub source_type_changed: bool,
}

impl Reasons {
    /// Stable names of the reasons that hold.
    pub fn codes(self) -> impl Iterator<Item = &'static str> {
        [
            (self.not_first_provider, "not-first-provider"),
            (self.not_first_key, "not-first-key"),
            (self.legacy_body, "legacy-body"),
            (self.key_id_changed, "key-id"),
            (self.source_type_changed, "source-type"),
        ]
        .into_iter()
        .filter_map(|(holds, code)| holds.then_some(code))
    }

    pub(super) fn any(self) -> bool {
        self != Self::default()
    }
}

/// What a provider of a chain is, without its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderInfo<'a> {
    /// `identity`, `aescbc`, `aesgcm`, `secretbox`, `kms-v1` or `kms-v2`.
    pub kind: &'static str,
    /// Name of a KMS provider.
    pub name: Option<&'a str>,
}

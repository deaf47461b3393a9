//! The configuration after decoding and defaulting: what kube-apiserver validates, with places.

use crate::golang::Duration;
use crate::span::Span;
use crate::tree::Text;

/// A string and where it stands; no place when the file does not give it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    pub text: Text,
    pub span: Option<Span>,
}

/// A whole file. `None` is Go's nil slice, which prints and counts like an empty one but for `null`.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub span: Span,
    pub resources_span: Option<Span>,
    pub resources: Option<Vec<Entry>>,
}

/// One element of `resources`.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub span: Span,
    pub resources_span: Option<Span>,
    pub resources: Option<Vec<Leaf>>,
    pub providers_span: Option<Span>,
    pub providers: Option<Vec<Provider>>,
}

/// One element of `providers`; more than one field may be set before validation.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    pub span: Span,
    pub aesgcm: Option<Keys>,
    pub aescbc: Option<Keys>,
    pub secretbox: Option<Keys>,
    pub identity: Option<Span>,
    pub kms: Option<Kms>,
}

/// The keys of a local provider.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The name of the provider field.
    pub key_span: Span,
    pub span: Span,
    pub keys: Option<Vec<Key>>,
}

/// A named key; the secret is still base64.
#[derive(Debug, Default)]
pub(crate) struct Key {
    pub span: Span,
    pub name: Leaf,
    pub secret: Leaf,
}

/// A KMS block.
#[derive(Debug, Default)]
pub(crate) struct Kms {
    /// The name of the provider field.
    pub key_span: Span,
    pub span: Span,
    pub api_version: Leaf,
    pub name: Leaf,
    pub endpoint: Leaf,
    pub cachesize: Option<i32>,
    pub cachesize_span: Option<Span>,
    pub timeout: Option<Duration>,
    pub timeout_span: Option<Span>,
    /// Whether the file leaves `apiVersion` out, so that the block is v1.
    pub version_defaulted: bool,
}

impl Kms {
    /// Upstream's order: timeout, then version, then cache size, which looks at the version.
    pub(crate) fn set_defaults(&mut self) {
        self.version_defaulted = self.api_version.text.is_empty();
        self.timeout.get_or_insert(Duration(3_000_000_000));
        if self.api_version.text.is_empty() {
            self.api_version.text = Text::new("v1".to_owned());
        }
        if self.api_version.text.as_str() == "v1" {
            self.cachesize.get_or_insert(1000);
        }
    }
}

impl Model {
    pub(crate) fn entries(&self) -> &[Entry] {
        self.resources.as_deref().unwrap_or_default()
    }

    pub(crate) fn kms_mut(&mut self) -> impl Iterator<Item = &mut Kms> {
        self.resources
            .iter_mut()
            .flatten()
            .flat_map(|entry| entry.providers.iter_mut().flatten())
            .filter_map(|provider| provider.kms.as_mut())
    }
}

impl Entry {
    pub(crate) fn names(&self) -> &[Leaf] {
        self.resources.as_deref().unwrap_or_default()
    }

    pub(crate) fn providers(&self) -> &[Provider] {
        self.providers.as_deref().unwrap_or_default()
    }
}

impl Keys {
    pub(crate) fn list(&self) -> &[Key] {
        self.keys.as_deref().unwrap_or_default()
    }
}

//! Where a configuration says what it says.

use crate::load::load;
use crate::span::Span;
use crate::verdict::Options;

/// The places of one element of `resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryPlaces {
    /// The whole element.
    pub span: Span,
    /// Each name under `resources`, as it is written.
    pub resources: Vec<(String, Span)>,
    /// Each provider, in order.
    pub providers: Vec<ProviderPlaces>,
}

/// The places of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderPlaces {
    /// The whole of it.
    pub span: Span,
    /// Each key, with its name and secret.
    pub keys: Vec<Span>,
}

/// The places of every entry, in file order; empty for a file that cannot be decoded.
#[must_use]
pub fn outline(text: &[u8], options: &Options) -> Vec<EntryPlaces> {
    let Some(model) = load(text, options).model else {
        return Vec::new();
    };
    let entries = model.entries().iter().map(|entry| EntryPlaces {
        span: entry.span,
        resources: entry
            .names()
            .iter()
            .filter_map(|name| Some((name.text.as_str().to_owned(), name.span?)))
            .collect(),
        providers: entry
            .providers()
            .iter()
            .map(|provider| {
                let lists = [&provider.aesgcm, &provider.aescbc, &provider.secretbox];
                let keys = lists.into_iter().flatten().flat_map(|keys| keys.list());
                ProviderPlaces {
                    span: provider.span,
                    keys: keys.map(|key| key.span).collect(),
                }
            })
            .collect(),
    });
    entries.collect()
}

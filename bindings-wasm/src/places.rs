//! Where a text says what it says: the lines that decide, the keys to cover, and the text without its keys.

use k8senc_config::{EntryPlaces, Span};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::answer::{Places, Range, json};
use crate::failure::Failure;
use crate::options::{ServerOptions, read};

#[derive(Serialize)]
struct EntryAnswer {
    range: Option<Range>,
    resources: Vec<NameAnswer>,
    providers: Vec<ProviderAnswer>,
}

#[derive(Serialize)]
struct NameAnswer {
    name: String,
    range: Option<Range>,
}

#[derive(Serialize)]
struct ProviderAnswer {
    range: Option<Range>,
    keys: Vec<Option<Range>>,
}

/// Entries as they are answered; `outer` says where a span stands in the text that `places` counts.
pub fn entries(
    found: Vec<EntryPlaces>,
    places: &Places<'_>,
    outer: impl Fn(Span) -> Span,
) -> String {
    let range = |span: Span| places.range(outer(span));
    let entries = found.into_iter().map(|entry| EntryAnswer {
        range: range(entry.span),
        resources: entry
            .resources
            .into_iter()
            .map(|(name, span)| NameAnswer {
                name,
                range: range(span),
            })
            .collect(),
        providers: entry
            .providers
            .into_iter()
            .map(|provider| ProviderAnswer {
                range: range(provider.span),
                keys: provider.keys.into_iter().map(range).collect(),
            })
            .collect(),
    });
    json(&entries.collect::<Vec<_>>())
}

/// The places of every entry of a configuration.
///
/// # Errors
/// Options that do not exist.
#[wasm_bindgen]
pub fn outline(text: Vec<u8>, options: &str) -> Result<String, Failure> {
    let options = read::<ServerOptions>(options)?.server()?;
    let found = k8senc_config::outline(&text, &options);
    Ok(entries(found, &Places::new(&text), |span| span))
}

/// Where a text may hold keys: pairs of UTF-16 offsets. One that is not UTF-8 may hold them anywhere.
#[wasm_bindgen]
pub fn secrets(text: Vec<u8>) -> Vec<u32> {
    let Ok(known) = core::str::from_utf8(&text) else {
        return vec![0, u32::MAX];
    };
    let places = Places::new(&text);
    let spans = k8senc_config::secrets(known).into_iter();
    let ends = spans.filter_map(|span| Some(places.range(span)?.ends()));
    let count = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    ends.flat_map(|(from, to)| [count(from), count(to)])
        .collect()
}

/// The configuration without its keys and comments.
///
/// # Errors
/// `UsageError` with code `unsure` when it cannot be said that no key is left.
#[wasm_bindgen]
pub fn redact(text: Vec<u8>) -> Result<String, Failure> {
    let unsure = |why: String| Failure::usage("unsure", why);
    let known =
        core::str::from_utf8(&text).map_err(|_| unsure("the file is not UTF-8".to_owned()))?;
    k8senc_config::redact(known).map_err(|why| unsure(why.to_string()))
}

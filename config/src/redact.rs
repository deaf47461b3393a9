//! A configuration without its keys, fit to be shown to anybody and to be judged again.

use core::fmt;
use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::golang::{base64_decode, base64_encode};
use crate::secrets::{comments, looks_like_key, value_of};
use crate::span::Span;
use crate::tree::{PieceKind, Pieces, Text, pieces};

/// Why nothing is said to be without keys: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsure(String);

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Unsure {}

/// Fields whose values are kept. Everything else is taken for a key.
const KEPT: [&str; 6] = [
    "kind",
    "apiVersion",
    "name",
    "endpoint",
    "cachesize",
    "timeout",
];
/// Fields that hold other fields.
const HOLDERS: [&str; 8] = [
    "resources",
    "providers",
    "keys",
    "aescbc",
    "aesgcm",
    "secretbox",
    "kms",
    "identity",
];
/// Nodes are walked this deep.
const NESTED: usize = 100;

/// The text with a placeholder for every value that is not known to be harmless, and without comments. A placeholder is
/// base64 of as many bytes as the key had, the same for the same key; what was not base64 becomes text that is not either.
/// A text that came from here comes back as it is.
///
/// # Errors
/// A text that cannot be read to its end, or is not made of an EncryptionConfiguration's fields.
pub fn redact(text: &str) -> Result<String, Unsure> {
    let out = once(text)?;
    if once(&out).as_ref() != Ok(&out) {
        return Err(Unsure(
            "the file is written in a way that its redaction does not keep".to_owned(),
        ));
    }
    Ok(out)
}

fn once(text: &str) -> Result<String, Unsure> {
    let unsure = |why: &str| Unsure(why.to_owned());
    if text.starts_with('\u{feff}') {
        return Err(unsure("the file begins with a byte order mark"));
    }
    let pieces = pieces(text);
    if pieces.stopped.is_some() {
        return Err(unsure(
            "the file cannot be read to its end, so a key may stand anywhere in it",
        ));
    }
    let [root] = pieces.roots.as_slice() else {
        return Err(unsure("the file is not one YAML or JSON document"));
    };
    if !is_configuration(&pieces, *root) {
        return Err(unsure(
            "the file is no EncryptionConfiguration; only that form is known well enough to find every key",
        ));
    }
    let mut writer = Writer {
        pieces: &pieces,
        scalars: Vec::new(),
        taken: BTreeMap::new(),
        values: Vec::new(),
    };
    writer.node(*root, true, NESTED)?;
    let comments = comments(text, &mut writer.scalars.clone());
    let out = writer.write(text, &comments)?;
    writer.proof(&out)?;
    Ok(out)
}

fn is_configuration(pieces: &Pieces, root: usize) -> bool {
    pieces.fields(root).any(|(key, value)| {
        key.value.as_str() == "kind"
            && pieces.nodes.get(value).is_some_and(|v| {
                matches!(
                    v.value.as_str(),
                    "EncryptionConfiguration" | "EncryptionConfig"
                )
            })
    })
}

struct Writer<'p> {
    pieces: &'p Pieces,
    scalars: Vec<Span>,
    /// Nodes that are replaced, by their places.
    taken: BTreeMap<Span, usize>,
    /// What was replaced: each value once, in order.
    values: Vec<&'p str>,
}

impl<'p> Writer<'p> {
    fn node(&mut self, at: usize, kept: bool, left: usize) -> Result<(), Unsure> {
        let pieces = self.pieces;
        let Some(left) = left.checked_sub(1) else {
            return Err(Unsure(format!(
                "the file is nested deeper than {NESTED} levels"
            )));
        };
        let Some(node) = pieces.nodes.get(at) else {
            return Ok(());
        };
        match node.kind {
            PieceKind::Alias(target) => {
                // Elsewhere it may have been harmless.
                if let Some(target) = target.filter(|target| !kept && *target < at) {
                    self.node(target, false, left)?;
                }
            }
            PieceKind::Sequence => {
                for child in &node.children {
                    self.node(*child, kept, left)?;
                }
            }
            PieceKind::Mapping => {
                for (key, value) in pieces.fields(at) {
                    let name = key.value.as_str();
                    let simple = key.kind == PieceKind::Scalar;
                    if !simple || looks_like_key(name) || name.contains('\n') {
                        return Err(Unsure("a field's name looks like a key".to_owned()));
                    }
                    self.scalars.push(key.span);
                    let scalar = pieces
                        .nodes
                        .get(value)
                        .is_some_and(|n| n.kind == PieceKind::Scalar);
                    let known = if scalar {
                        KEPT.contains(&name)
                    } else {
                        HOLDERS.contains(&name) || name == "<<"
                    };
                    self.node(value, kept && known, left)?;
                }
            }
            PieceKind::Scalar => {
                self.scalars.push(node.span);
                let value = node.value.as_str();
                if value.trim().is_empty()
                    || kept && !looks_like_key(value) && !value.contains('\n')
                {
                    return Ok(());
                }
                self.taken.insert(node.span, at);
                if !self.values.contains(&value.trim()) {
                    self.values.push(value.trim());
                }
            }
        }
        Ok(())
    }

    fn write(&self, text: &str, comments: &[Span]) -> Result<String, Unsure> {
        let mut cuts: Vec<(Span, Option<String>)> = comments.iter().map(|c| (*c, None)).collect();
        for (span, at) in &self.taken {
            let raw = span.of(text).unwrap_or_default();
            let (start, end) = value_of(raw);
            let value = self.pieces.nodes.get(*at).map_or("", |n| n.value.trim());
            let number = self.values.iter().position(|v| *v == value).unwrap_or(0) + 1;
            let plain = !raw
                .get(start..end)
                .unwrap_or_default()
                .starts_with(['"', '\'', '|', '>']);
            let text = placeholder(value, number, plain);
            cuts.push((Span::new(span.start + start, span.start + end), Some(text)));
        }
        cuts.sort();
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (span, insert) in &cuts {
            if span.start < done {
                // A comment within the header of a block scalar that is replaced as a whole.
                if span.end <= done && insert.is_none() {
                    continue;
                }
                return Err(Unsure("two parts of the file overlap".to_owned()));
            }
            let kept = text.get(done..span.start).unwrap_or_default();
            match insert {
                Some(insert) => {
                    out.push_str(kept);
                    out.push_str(insert);
                }
                None => out.push_str(kept.trim_end_matches([' ', '\t'])),
            }
            done = span.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Ok(out)
    }

    /// Looks for what was replaced in what is left.
    fn proof(&self, out: &str) -> Result<(), Unsure> {
        let mut placeholders = Vec::new();
        for (i, value) in self.values.iter().enumerate() {
            placeholders.push(bytes_of(value, i + 1));
        }
        for value in &self.values {
            let value = value.trim();
            let ours = placeholders.iter().any(|p| p.as_str() == value);
            if value.len() >= 4 && !ours && out.contains(value) {
                return Err(Unsure(
                    "a key stands in the file a second time, where a name belongs".to_owned(),
                ));
            }
        }
        Ok(())
    }
}

/// The placeholder as YAML: quoted unless it stands for a plain word.
fn placeholder(value: &str, number: usize, plain: bool) -> String {
    let text = bytes_of(value, number);
    if plain && !text.is_empty() {
        text
    } else {
        format!("\"{text}\"")
    }
}

fn bytes_of(value: &str, number: usize) -> String {
    if value.bytes().all(|b| b.is_ascii_digit()) {
        // Still read as a number, which may be what is wrong with it.
        let mut digits = format!("{number}");
        while digits.len() < value.len() {
            digits.push('0');
        }
        return digits;
    }
    let pattern = format!("{number}-redacted-");
    match base64_decode(value).filter(|bytes| !bytes.is_empty()) {
        Some(bytes) => {
            let filler = Zeroizing::new(
                pattern
                    .bytes()
                    .cycle()
                    .take(bytes.len())
                    .collect::<Vec<u8>>(),
            );
            let text: Text = base64_encode(&filler);
            text.as_str().to_owned()
        }
        None => pattern
            .chars()
            .cycle()
            .take(value.chars().count().max(pattern.len()))
            .collect(),
    }
}

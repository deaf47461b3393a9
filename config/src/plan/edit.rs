//! Writing a changed draft into the text it was read from, so that comments and layout stay.
//!
//! Elements of lists are moved, dropped and added as whole lines (block YAML) or between commas (flow YAML, JSON).
//! What was written is read again, and must be the draft; otherwise the whole file is written afresh.

use zeroize::Zeroizing;

use super::PlanError;
use super::draft::{Draft, DraftKey, DraftKind, DraftProvider, Lines, model};
use crate::lint::{block_element_lines, line_start};
use crate::model::{self, Keys};
use crate::span::Span;

/// A piece of text in place of another.
struct Edit {
    span: Span,
    text: Zeroizing<String>,
}

/// The text of a draft, and whether the layout of `base` could be kept.
pub(super) fn write(draft: &Draft, base: &str) -> Result<(Zeroizing<String>, bool), PlanError> {
    if let Some(text) = splice(draft, base)
        && Draft::read(&text).is_ok_and(|read| read == *draft)
    {
        return Ok((text, true));
    }
    let text = draft.render();
    if Draft::read(&text)? == *draft {
        return Ok((text, false));
    }
    Err(PlanError::new(
        "file-form",
        "a file of the plan has no form that reads as meant",
    ))
}

fn splice(draft: &Draft, base: &str) -> Option<Zeroizing<String>> {
    let model = model(base).ok()?;
    if draft.entries.len() != model.entries().len() {
        return None;
    }
    let mut edits = Vec::new();
    for (i, (entry, was)) in draft.entries.iter().zip(model.entries()).enumerate() {
        if entry.origin != Some(i) {
            return None;
        }
        edits.extend(providers(&entry.providers, was, base)?);
    }
    apply(base, Span::new(0, base.len()), &mut edits)
}

/// The text of a span with edits made.
fn apply(text: &str, span: Span, edits: &mut [Edit]) -> Option<Zeroizing<String>> {
    edits.sort_by_key(|e| e.span);
    let size = edits.iter().map(|e| e.text.len()).sum::<usize>();
    let mut out = Zeroizing::new(String::with_capacity(span.end - span.start + size));
    let mut done = span.start;
    for edit in edits {
        out.push_str(text.get(done..edit.span.start)?);
        out.push_str(&edit.text);
        done = edit.span.end;
    }
    out.push_str(text.get(done..span.end)?);
    Some(out)
}

/// One element that is wanted.
enum Piece {
    /// The element of the text with this index, with edits in it.
    Keep(usize, Vec<Edit>),
    New(Lines, Zeroizing<String>),
}

fn providers(wanted: &[DraftProvider], was: &model::Entry, text: &str) -> Option<Option<Edit>> {
    let mut pieces = Vec::new();
    let mut changed = wanted.len() != was.providers().len();
    for (i, provider) in wanted.iter().enumerate() {
        let Some(origin) = provider.origin else {
            pieces.push(Piece::New(provider.lines(), provider.flow()));
            changed = true;
            continue;
        };
        let before = was.providers().get(origin)?;
        let inner = match &provider.kind {
            DraftKind::Local(_, wanted) => {
                let lists = [&before.aescbc, &before.aesgcm, &before.secretbox];
                keys(wanted, lists.into_iter().flatten().next()?, text)?
            }
            _ => None,
        };
        changed |= origin != i || inner.is_some();
        pieces.push(Piece::Keep(origin, inner.into_iter().collect()));
    }
    if !changed {
        return Some(None);
    }
    let spans: Vec<Span> = was.providers().iter().map(|p| p.span).collect();
    list(text, &spans, pieces).map(Some)
}

fn keys(wanted: &[DraftKey], was: &Keys, text: &str) -> Option<Option<Edit>> {
    let same = wanted
        .iter()
        .enumerate()
        .all(|(i, key)| key.origin == Some(i));
    if same && wanted.len() == was.list().len() {
        return Some(None);
    }
    let pieces = wanted.iter().map(|key| match key.origin {
        Some(origin) => Piece::Keep(origin, Vec::new()),
        None => Piece::New(key.lines(), key.flow()),
    });
    let spans: Vec<Span> = was.list().iter().map(|k| k.span).collect();
    list(text, &spans, pieces.collect()).map(Some)
}

/// The edit that makes a list of what is wanted.
fn list(text: &str, spans: &[Span], wanted: Vec<Piece>) -> Option<Edit> {
    let (first, last) = (spans.first()?, spans.last()?);
    let in_order = spans.windows(2).all(|pair| match pair {
        [a, b] => a.end <= b.start,
        _ => false,
    });
    if !in_order {
        // Aliases, whose places are elsewhere.
        return None;
    }
    let before = text.get(..first.start)?.trim_end();
    if before.ends_with('[') {
        flow_list(text, spans, wanted, Span::new(first.start, last.end))
    } else {
        block_list(text, spans, wanted)
    }
}

fn block_list(text: &str, spans: &[Span], wanted: Vec<Piece>) -> Option<Edit> {
    let lines: Vec<Span> = spans
        .iter()
        .map(|span| block_element_lines(text, *span))
        .collect::<Option<_>>()?;
    let (first, last) = (*lines.first()?, *lines.last()?);
    let dash = text.get(first.start..spans.first()?.start)?;
    let indent = dash.split_once('-').map(|(indent, _)| indent)?;
    let mut out = Zeroizing::new(String::new());
    for piece in wanted {
        match piece {
            Piece::Keep(index, mut edits) => {
                let own = *lines.get(index)?;
                // Comments above an element go with it.
                let above = index.checked_sub(1).and_then(|before| lines.get(before));
                let start = above.map_or(own.start, |before| before.end);
                let kept = apply(text, Span::new(start, own.end), &mut edits)?;
                push(&mut out, &kept);
            }
            Piece::New(lines, _) => {
                for (i, line) in lines.iter().enumerate() {
                    let lead = if i == 0 { "- " } else { "  " };
                    push(&mut out, &Zeroizing::new([indent, lead, line].concat()));
                }
            }
        }
    }
    Some(Edit {
        span: Span::new(first.start, last.end),
        text: out,
    })
}

/// Adds whole lines. Reserved at once: growing would leave keys behind in freed memory.
fn push(out: &mut Zeroizing<String>, lines: &str) {
    if out.capacity() < out.len() + lines.len() + 1 {
        let mut larger = Zeroizing::new(String::with_capacity(2 * out.len() + lines.len() + 1));
        larger.push_str(out);
        *out = larger;
    }
    out.push_str(lines);
    if !lines.ends_with('\n') {
        out.push('\n');
    }
}

fn flow_list(text: &str, spans: &[Span], wanted: Vec<Piece>, whole: Span) -> Option<Edit> {
    let separator = match spans {
        [a, b, ..] => text.get(a.end..b.start)?.to_owned(),
        _ => {
            let indent = text.get(line_start(text, whole.start)..whole.start)?;
            let own_line = indent.trim().is_empty() && !indent.is_empty();
            if own_line {
                format!(",\n{indent}")
            } else {
                ", ".to_owned()
            }
        }
    };
    if separator.trim() != "," {
        return None;
    }
    let mut out = Zeroizing::new(String::with_capacity(2 * (whole.end - whole.start) + 512));
    for (i, piece) in wanted.into_iter().enumerate() {
        out.push_str(if i == 0 { "" } else { &separator });
        match piece {
            Piece::Keep(index, mut edits) => {
                out.push_str(&apply(text, *spans.get(index)?, &mut edits)?);
            }
            Piece::New(_, flow) => out.push_str(&flow),
        }
    }
    Some(Edit {
        span: whole,
        text: out,
    })
}

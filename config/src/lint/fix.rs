//! Changes that cure a finding, as edits of the text.

use core::fmt;

use zeroize::Zeroizing;

use super::{Finding, LintOptions};
use crate::load::validate;
use crate::span::Span;
use crate::verdict::{Stage, Verdict};

/// A piece of text to put in place of another. It may hold keys: one that stands in base64 or in quotes is a whole file.
#[derive(Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub text: Zeroizing<String>,
}

impl Edit {
    pub(crate) fn new(span: Span, text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        Self { span, text }
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Span { start, end }, len) = (self.span, self.text.len());
        write!(f, "Edit({start}..{end} becomes {len} bytes)")
    }
}

/// Whether a change may be made without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// What is stored stays readable and what was meant is plain.
    Safe,
    /// Somebody has to decide.
    NeedsReview,
}

/// A change that cures a finding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fix {
    /// What it does.
    pub title: String,
    /// Whether it may be applied without asking.
    pub safety: Safety,
    /// The edits, in file order, without overlap.
    pub edits: Vec<Edit>,
}

impl Fix {
    pub(crate) fn new(title: &str, safety: Safety, mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|e| e.span);
        Self {
            title: title.to_owned(),
            safety,
            edits,
        }
    }

    /// Replaces one piece of text.
    pub(crate) fn replace(title: &str, safety: Safety, span: Span, text: &str) -> Self {
        Self::new(title, safety, vec![Edit::new(span, text)])
    }

    /// The text with this change made; `None` when the edits do not lie in the text.
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        // The text holds keys: enough room at once, and wiped where the edits turn out not to fit.
        let added = self.edits.iter().map(|edit| edit.text.len());
        let room = added.fold(text.len(), usize::saturating_add);
        let mut out = Zeroizing::new(String::with_capacity(room));
        let mut done = 0;
        for edit in &self.edits {
            out.push_str(text.get(done..edit.span.start)?);
            out.push_str(&edit.text);
            done = edit.span.end;
        }
        out.push_str(text.get(done..)?);
        Some(core::mem::take(&mut *out))
    }

    /// Whether the changed file gets at least as far with kube-apiserver as the file as it is.
    fn is_sound(&self, text: &str, options: &LintOptions, before: &Verdict) -> bool {
        let Some(changed) = self.apply(text).map(Zeroizing::new) else {
            return false;
        };
        let after = validate(changed.as_bytes(), &options.server);
        let order = |verdict: &Verdict| match verdict.stage {
            Some(Stage::Panic) => 0,
            Some(Stage::Load) => 1,
            Some(Stage::Decode) => 2,
            Some(Stage::Validate) => 3,
            Some(Stage::Build) => 4,
            None => 5,
        };
        let fewer = after.problems.len() <= before.problems.len();
        order(&after) > order(before) || (order(&after) == order(before) && fewer)
    }
}

/// How many bytes may be judged again to try changes out, so that a file full of faults ends quickly.
const TRIAL_BYTES: usize = 4 << 20;

/// Drops every change that does not help. Past the limit findings stand without one; apply some and look again.
pub(crate) fn keep_sound(
    findings: &mut [Finding],
    (file, text): (&[u8], &str),
    options: &LintOptions,
    before: &Verdict,
) {
    // Spans lie in the text as it was read; a file that is no UTF-8 cannot be changed by them.
    let mut left = if core::str::from_utf8(file).is_ok() {
        TRIAL_BYTES
    } else {
        0
    };
    for finding in findings {
        finding.fix = finding.fix.take().filter(|fix| {
            let affordable = left >= text.len() && left > 0;
            left = left.saturating_sub(text.len().max(1));
            affordable && fix.is_sound(text, options, before)
        });
    }
}

/// The start of the line that a byte is in.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |i| i + 1)
}

/// One past the line feed that ends the line a byte is in, or the end of the text.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    text.get(at..)
        .and_then(|after| after.find('\n'))
        .map_or(text.len(), |i| at + i + 1)
}

/// The end of what a span holds, without the blank lines and comments that follow a block collection.
fn content_end(text: &str, span: Span) -> usize {
    let mut held = span.of(text).unwrap_or("").trim_end();
    while let Some((before, last)) = held.rsplit_once('\n') {
        if !last.trim_start().starts_with('#') {
            break;
        }
        held = before.trim_end();
    }
    span.start + held.len()
}

/// The whole lines of an element of a block list, from its dash on; none for flow lists.
pub(crate) fn block_element_lines(text: &str, element: Span) -> Option<Span> {
    let start = line_start(text, element.start);
    let before = text.get(start..element.start)?;
    (before.trim() == "-").then(|| Span::new(start, line_end(text, content_end(text, element))))
}

/// The edit that takes a field out, given where its value stands and what its key is.
pub(crate) fn remove_field(text: &str, key: &str, value: Span) -> Option<Edit> {
    let before = text.get(..value.start)?;
    let line = line_start(text, value.start);
    let mut start = line + text.get(line..value.start)?.rfind(key)?;
    let mut end = value.end;
    // Nothing but the colon, quotes and blanks may stand between the two.
    let between = text.get(start + key.len()..value.start)?;
    if !between
        .trim_matches(['"', '\''])
        .trim_start()
        .starts_with(':')
        || between.contains('\n')
    {
        return None;
    }
    if before.get(..start)?.ends_with(['"', '\'']) {
        start -= 1;
    }
    let first = line_start(text, start);
    let last = line_end(text, end);
    let alone_before = text.get(first..start)?.trim().is_empty();
    let alone_after = text.get(end..last)?.trim_start_matches([' ', '\t', ',']);
    if alone_before && (alone_after.trim().is_empty() || alone_after.starts_with('#')) {
        return Some(Edit::new(Span::new(first, last), ""));
    }
    // In a flow mapping one comma goes with the field.
    let after = text.get(end..)?;
    let trimmed = after.trim_start();
    if let Some(rest) = trimmed.strip_prefix(',') {
        end = text.len() - rest.trim_start().len();
    } else if trimmed.starts_with('}') {
        let head = text.get(..start)?.trim_end();
        start = head.strip_suffix(',').map_or(start, |h| h.trim_end().len());
    } else {
        return None;
    }
    Some(Edit::new(Span::new(start, end), ""))
}

//! Answers as JSON text, and places as JavaScript counts them.

use k8senc_config::{Lines, Span};
use serde::Serialize;

/// The JSON of an answer. No answer holds a float: what writes those takes ten kilobytes of tables.
pub fn json(answer: &(impl Serialize + ?Sized)) -> String {
    // Answers have text keys and finite numbers only, for which serialisation cannot fail.
    serde_json::to_string(answer).unwrap_or_default()
}

/// A place in a text: UTF-16 offsets, as JavaScript strings count, and lines and columns for people.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Range {
    /// First UTF-16 code unit.
    from: usize,
    /// One past the last.
    to: usize,
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
}

impl Range {
    /// Both offsets.
    pub const fn ends(self) -> (usize, usize) {
        (self.from, self.to)
    }
}

/// Turns spans of one text into ranges. A text that is not UTF-8 has none, since its spans count in another text than the
/// caller's.
pub struct Places<'t>(Option<Lines<'t>>);

impl<'t> Places<'t> {
    /// Counts the lines of `text`.
    pub fn new(text: &'t [u8]) -> Self {
        Self(core::str::from_utf8(text).ok().map(Lines::new))
    }

    /// The range of a span.
    pub fn range(&self, span: Span) -> Option<Range> {
        let lines = self.0.as_ref()?;
        let (start, end) = (lines.position(span.start), lines.position(span.end));
        Some(Range {
            from: start.utf16_offset,
            to: end.utf16_offset,
            line: start.line,
            column: start.column,
        })
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text of the file's or value's writer; bytes that are not UTF-8 are replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Places in a text: byte spans, and the lines, columns and UTF-16 columns that people and editors count.

/// A half-open range of bytes in the text that was given.
///
/// For UTF-16 input the bytes are those of the text after it was decoded to UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A span from its two ends.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The text under the span, if the span lies within `text` on character borders.
    #[must_use]
    pub fn of<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.start..self.end)
    }
}

/// One place as people and editors count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In UTF-16 code units from 0, as the Language Server Protocol counts.
    pub utf16: usize,
    /// In UTF-16 code units from the start of the text, as JavaScript strings count.
    pub utf16_offset: usize,
}

/// Turns byte offsets into positions; made once for a text.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    /// Byte offset and UTF-16 offset of each line's first character.
    starts: Vec<(usize, usize)>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of `text`; LF, CRLF and a lone CR end a line.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let mut starts = vec![(0, 0)];
        let mut utf16 = 0;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            utf16 += c.len_utf16();
            let crlf = c == '\r' && chars.peek().is_some_and(|(_, next)| *next == '\n');
            if (c == '\n' || c == '\r') && !crlf {
                starts.push((at + 1, utf16));
            }
        }
        Self { text, starts }
    }

    /// The text these lines belong to.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The position of a byte offset; offsets past the end are taken as the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|(start, _)| *start <= offset);
        let (start, utf16_start) = line
            .checked_sub(1)
            .and_then(|i| self.starts.get(i).copied())
            .unwrap_or_default();
        let mut column = 1;
        let mut utf16 = 0;
        for (at, c) in self.text.get(start..).unwrap_or("").char_indices() {
            if start + at >= offset {
                break;
            }
            column += 1;
            utf16 += c.len_utf16();
        }
        Position {
            line,
            column,
            utf16,
            utf16_offset: utf16_start + utf16,
        }
    }

    /// The text of a line (from 1) without its line end.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&'t str> {
        let index = number.checked_sub(1)?;
        let (start, _) = *self.starts.get(index)?;
        let end = self
            .starts
            .get(number)
            .map_or(self.text.len(), |(next, _)| *next);
        self.text
            .get(start..end)
            .map(|l| l.trim_end_matches(['\n', '\r']))
    }
}

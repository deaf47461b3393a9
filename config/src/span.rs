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

/// A place counted in all three ways from the start of the text.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    byte: usize,
    character: usize,
    utf16: usize,
}

/// How far apart the places are from which columns are counted.
const STRIDE: usize = 256;

/// Turns byte offsets into positions; made once for a text. Asking costs the same in a line of any length.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    /// Each line's first character.
    starts: Vec<Count>,
    /// A place about every [`STRIDE`] bytes.
    strides: Vec<Count>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of `text`; LF, CRLF and a lone CR end a line.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let mut starts = vec![Count::default()];
        let mut strides = vec![Count::default()];
        let mut at = Count::default();
        let mut next_stride = STRIDE;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            at.byte += c.len_utf8();
            at.character += 1;
            at.utf16 += c.len_utf16();
            let crlf = c == '\r' && chars.peek() == Some(&'\n');
            if (c == '\n' || c == '\r') && !crlf {
                starts.push(at);
            }
            if at.byte >= next_stride {
                strides.push(at);
                next_stride = at.byte + STRIDE;
            }
        }
        Self {
            text,
            starts,
            strides,
        }
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
        let before = |counts: &[Count]| {
            let after = counts.partition_point(|c| c.byte <= offset);
            (
                after,
                after
                    .checked_sub(1)
                    .and_then(|i| counts.get(i).copied())
                    .unwrap_or_default(),
            )
        };
        let (line, start) = before(&self.starts);
        let (_, mut at) = before(&self.strides);
        for c in self.text.get(at.byte..).unwrap_or("").chars() {
            if at.byte >= offset {
                break;
            }
            at.byte += c.len_utf8();
            at.character += 1;
            at.utf16 += c.len_utf16();
        }
        Position {
            line,
            column: at.character - start.character + 1,
            utf16: at.utf16 - start.utf16,
            utf16_offset: at.utf16,
        }
    }

    /// The text of a line (from 1) without its line end.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&'t str> {
        let index = number.checked_sub(1)?;
        let start = self.starts.get(index)?.byte;
        let end = self
            .starts
            .get(number)
            .map_or(self.text.len(), |next| next.byte);
        self.text
            .get(start..end)
            .map(|l| l.trim_end_matches(['\n', '\r']))
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Position};

    fn position(line: usize, column: usize, utf16: usize, utf16_offset: usize) -> Position {
        Position {
            line,
            column,
            utf16,
            utf16_offset,
        }
    }

    #[test]
    fn columns_count_characters_and_utf16_units() {
        let lines = Lines::new("a\u{e4}\u{1f600}b\r\nc\rd\n");
        assert_eq!(lines.position(0), position(1, 1, 0, 0));
        assert_eq!(lines.position(3), position(1, 3, 2, 2));
        assert_eq!(lines.position(7), position(1, 4, 4, 4));
        assert_eq!(lines.position(10), position(2, 1, 0, 7));
        assert_eq!(lines.position(12), position(3, 1, 0, 9));
        assert_eq!(lines.position(99), position(4, 1, 0, 11));
        assert_eq!(lines.line(1), Some("a\u{e4}\u{1f600}b"));
        assert_eq!(lines.line(3), Some("d"));
        assert_eq!(lines.line(5), None);
    }

    #[test]
    fn long_lines_are_counted_from_near_by() {
        let text = "\u{e4}".repeat(5000);
        let lines = Lines::new(&text);
        for character in [0, 1, 127, 128, 129, 2500, 4999] {
            assert_eq!(lines.position(character * 2).column, character + 1);
        }
    }
}

//! The characters of a YAML text, as go-yaml's reader lets them through.

use super::Sink;
use super::yaml::YamlError;

/// go-yaml reads in pieces of this size and checks a whole piece when it needs its first character, so a bad
/// byte in a later piece goes unseen when nothing needs it.
const PIECE: usize = 512;

/// A place while scanning. `index` and `column` count characters; `at` counts bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub at: usize,
    pub index: usize,
    /// From 0.
    pub line: usize,
    pub column: usize,
}

/// Text up to the first character that is not allowed.
pub(super) struct Reader<'t> {
    text: &'t [u8],
    pub mark: Mark,
    /// Needing a byte at or past this is an error.
    bad: Option<(usize, &'static str)>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let bad = first_bad(text);
        Self {
            text,
            mark: Mark::default(),
            bad,
        }
    }

    /// Says that the next `count` characters will be looked at.
    pub(super) fn need(&self, count: usize) -> Result<(), YamlError> {
        match self.bad {
            Some((from, problem)) if self.mark.at + count > from => Err(YamlError::reader(problem)),
            _ => Ok(()),
        }
    }

    /// The byte some way ahead; 0 past the end, as in go-yaml's buffer.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.mark.at + ahead).copied().unwrap_or(0)
    }

    fn width(&self) -> usize {
        match self.byte(0) {
            0..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        }
    }

    pub(super) fn skip(&mut self) {
        self.mark.at += self.width();
        self.mark.index += 1;
        self.mark.column += 1;
    }

    fn next_line(&mut self, bytes: usize, characters: usize) {
        self.mark.at += bytes;
        self.mark.index += characters;
        self.mark.column = 0;
        self.mark.line += 1;
    }

    /// The length in bytes of the line break some way ahead, CRLF being one.
    fn break_len(&self, ahead: usize) -> usize {
        match (self.byte(ahead), self.byte(ahead + 1), self.byte(ahead + 2)) {
            (b'\r', b'\n', _) | (0xc2, 0x85, _) => 2,
            (b'\r' | b'\n', _, _) => 1,
            (0xe2, 0x80, 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    pub(super) fn skip_line(&mut self) {
        let len = self.break_len(0);
        if len > 0 {
            self.next_line(len, if self.byte(0) == b'\r' { len } else { 1 });
        }
    }

    /// Moves one character into `out`.
    pub(super) fn read(&mut self, out: &mut impl Sink) {
        let end = self.mark.at + self.width();
        let bytes = self.text.get(self.mark.at..end).unwrap_or_default();
        // The text is UTF-8 up to the first bad character, and `need` stops before that.
        out.push_str(core::str::from_utf8(bytes).unwrap_or_default());
        self.skip();
    }

    /// Moves one line break into `out`; all but LS and PS become a line feed.
    pub(super) fn read_line(&mut self, out: &mut impl Sink) {
        let len = self.break_len(0);
        match (len, self.byte(2)) {
            (0, _) => return,
            (3, 0xa8) => out.push('\u{2028}'),
            (3, _) => out.push('\u{2029}'),
            _ => out.push('\n'),
        }
        self.next_line(len, if self.byte(0) == b'\r' { len } else { 1 });
    }

    pub(super) fn is_end(&self) -> bool {
        self.mark.at >= self.text.len()
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_len(ahead) > 0
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// A line break or the end.
    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.byte(ahead) == 0 || self.is_break(ahead)
    }

    /// A blank, a line break or the end.
    pub(super) fn is_space_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// Letters, digits, `_` and `-`: what anchors and handles are made of.
    pub(super) fn is_word(&self) -> bool {
        matches!(self.byte(0), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-')
    }

    /// `---` or `...` at the start of a line.
    pub(super) fn is_document_indicator(&self) -> bool {
        self.mark.column == 0
            && matches!(
                (self.byte(0), self.byte(1), self.byte(2)),
                (b'-', b'-', b'-') | (b'.', b'.', b'.')
            )
            && self.is_space_or_end(3)
    }

    pub(super) fn is_mark_of_byte_order(&self) -> bool {
        (self.byte(0), self.byte(1), self.byte(2)) == (0xef, 0xbb, 0xbf)
    }
}

fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The first byte that go-yaml cannot be asked for, because of what it refuses, and its words.
fn first_bad(text: &[u8]) -> Option<(usize, &'static str)> {
    let valid = text.utf8_chunks().next()?.valid();
    let mut piece = 0;
    for (at, c) in valid.char_indices() {
        piece = piece_of(piece, at, c.len_utf8());
        if !allowed(c) {
            return Some((piece, "control characters are not allowed"));
        }
    }
    let at = valid.len();
    let rest = text.get(at..)?;
    let first = rest.first()?;
    let width = match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => {
            return Some((piece_of(piece, at, 1), "invalid leading UTF-8 octet"));
        }
    };
    if rest.len() < width {
        // Left for the next piece, so nothing is wrong until something needs it.
        return Some((at, "incomplete UTF-8 octet sequence"));
    }
    let follow = rest.iter().skip(1).take(width - 1);
    let good = follow.clone().take_while(|b| **b & 0xc0 == 0x80).count();
    let problem = if good < follow.len() {
        "invalid trailing UTF-8 octet"
    } else if matches!(
        (first, rest.get(1)),
        (0xed, Some(0xa0..=0xff)) | (0xf4, Some(0x90..=0xff)) | (0xf5..=0xff, _)
    ) {
        "invalid Unicode character"
    } else {
        "invalid length of a UTF-8 sequence"
    };
    Some((piece_of(piece, at, width), problem))
}

/// Where the piece starts that holds the character at `at`: one that does not fit whole is left for the next piece, and
/// that begins with it.
const fn piece_of(piece: usize, at: usize, width: usize) -> usize {
    if at + width > piece + PIECE {
        at
    } else {
        piece
    }
}

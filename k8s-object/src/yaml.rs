//! YAML as kubectl lays it out: two spaces, lists not indented below their key.
//!
//! What goes in comes out of any YAML 1.1 or 1.2 reader: a text is plain only where no reader can take it for anything
//! else, several lines are a literal block where every character of them can be seen, the rest is double-quoted.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::emit::{Emit, base64, is_hidden};

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Top,
    Key,
    Dash,
}

struct Frame {
    list: bool,
    indent: usize,
    empty: bool,
    at: At,
}

pub(crate) struct YamlOut<'o> {
    out: &'o mut dyn Write,
    open: Vec<Frame>,
    at: At,
}

/// libyaml takes no longer key without a question mark before it.
const LONGEST_KEY: usize = 250;

impl<'o> YamlOut<'o> {
    pub(crate) fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            open: Vec::new(),
            at: At::Top,
        }
    }

    fn indent(&mut self, by: usize) -> fmt::Result {
        (0..by).try_for_each(|_| self.out.write_char(' '))
    }

    /// Comes to the place of the next key or list element.
    fn element(&mut self) -> fmt::Result {
        let Some(frame) = self.open.last_mut() else {
            return Ok(());
        };
        let (first, at, indent) = (core::mem::take(&mut frame.empty), frame.at, frame.indent);
        match (first, at) {
            (true, At::Key) => {
                self.out.write_char('\n')?;
                self.indent(indent)
            }
            (true, At::Top | At::Dash) => Ok(()),
            (false, _) => self.indent(indent),
        }
    }

    /// Comes to the place of a value, and says where that is.
    fn value(&mut self) -> Result<At, fmt::Error> {
        if self.open.last().is_some_and(|frame| frame.list) {
            self.element()?;
            self.out.write_str("- ")?;
            return Ok(At::Dash);
        }
        Ok(core::mem::replace(&mut self.at, At::Top))
    }

    fn begin(&mut self, list: bool) -> fmt::Result {
        let at = self.value()?;
        let outer = self.open.last().map_or(0, |frame| frame.indent);
        let indent = match at {
            At::Top => 0,
            At::Key if list => outer,
            At::Key | At::Dash => outer + 2,
        };
        self.open.push(Frame {
            list,
            indent,
            empty: true,
            at,
        });
        Ok(())
    }

    fn end(&mut self, nothing: &str) -> fmt::Result {
        match self.open.pop() {
            Some(Frame {
                empty: true, at, ..
            }) => self.scalar(at, nothing),
            _ => Ok(()),
        }
    }

    fn space(&mut self, at: At) -> fmt::Result {
        if at == At::Key {
            self.out.write_char(' ')
        } else {
            Ok(())
        }
    }

    fn scalar(&mut self, at: At, text: &str) -> fmt::Result {
        self.space(at)?;
        self.out.write_str(text)?;
        self.out.write_char('\n')
    }

    fn quoted(&mut self, text: &str) -> fmt::Result {
        self.out.write_char('"')?;
        for c in text.chars() {
            match c {
                '"' => self.out.write_str("\\\"")?,
                '\\' => self.out.write_str("\\\\")?,
                '\n' => self.out.write_str("\\n")?,
                '\t' => self.out.write_str("\\t")?,
                '\r' => self.out.write_str("\\r")?,
                c if is_hidden(c) || !is_yaml(c) => match u32::from(c) {
                    code @ 0..=0xff => write!(self.out, "\\x{code:02x}")?,
                    code @ 0x100..=0xffff => write!(self.out, "\\u{code:04x}")?,
                    code => write!(self.out, "\\U{code:08x}")?,
                },
                c => self.out.write_char(c)?,
            }
        }
        self.out.write_char('"')
    }

    fn block(&mut self, text: &str) -> fmt::Result {
        let indent = self.open.last().map_or(0, |frame| frame.indent) + 2;
        let body = text.trim_end_matches('\n');
        let end = match text.len() - body.len() {
            0 => "|-\n",
            1 => "|\n",
            _ => "|+\n",
        };
        self.out.write_str(end)?;
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        for line in lines {
            if !line.is_empty() {
                self.indent(indent)?;
                self.out.write_str(line)?;
            }
            self.out.write_char('\n')?;
        }
        Ok(())
    }
}

impl Emit for YamlOut<'_> {
    fn begin_map(&mut self) -> fmt::Result {
        self.begin(false)
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        self.element()?;
        let long = key.len() > LONGEST_KEY;
        if long {
            self.out.write_str("? ")?;
        }
        if is_plain(key) && !long {
            self.out.write_str(key)?;
        } else {
            self.quoted(key)?;
        }
        if long {
            self.out.write_char('\n')?;
            self.indent(self.open.last().map_or(0, |frame| frame.indent))?;
        }
        self.at = At::Key;
        self.out.write_char(':')
    }

    fn end_map(&mut self) -> fmt::Result {
        self.end("{}")
    }

    fn begin_list(&mut self) -> fmt::Result {
        self.begin(true)
    }

    fn end_list(&mut self) -> fmt::Result {
        self.end("[]")
    }

    fn word(&mut self, word: &str) -> fmt::Result {
        let at = self.value()?;
        self.scalar(at, word)
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        let at = self.value()?;
        if is_plain(text) {
            return self.scalar(at, text);
        }
        self.space(at)?;
        if is_block(text) {
            return self.block(text);
        }
        self.quoted(text)?;
        self.out.write_char('\n')
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        let at = self.value()?;
        self.space(at)?;
        // A letter first and longer than any word: no reader takes it for a number or for `true`.
        let plain = bytes.len() > 6 && bytes.first().is_some_and(|first| first >> 2 < 52);
        let quote = if plain { "" } else { "\"" };
        self.out.write_str(quote)?;
        base64(bytes, self.out)?;
        self.out.write_str(quote)?;
        self.out.write_char('\n')
    }
}

/// What YAML calls printable, without the characters that only YAML 1.2 allows.
fn is_yaml(c: char) -> bool {
    matches!(c, '\t' | '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Letters first, so that it is no number, date or sign of YAML; then nothing that could end it.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let inside = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(
                c,
                '_' | '.' | '/' | '-' | '@' | '+' | '=' | ':' | ' ' | '(' | ')' | ';'
            )
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inside)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Several lines, each of which shows all its characters.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with(['\n', ' ', '\t'])
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || (is_yaml(c) && !is_hidden(c)))
        && !text
            .split('\n')
            .any(|line| line.ends_with([' ', '\t']) || line.starts_with('\t'))
}

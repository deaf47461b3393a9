//! A document as a series of events, so that a plaintext is never copied into a tree.

use alloc::vec::Vec;
use core::fmt::{self, Write};

/// Takes a document piece by piece, in order. Every key is followed by one value.
pub(crate) trait Emit {
    fn begin_map(&mut self) -> fmt::Result;
    fn key(&mut self, key: &str) -> fmt::Result;
    fn end_map(&mut self) -> fmt::Result;
    fn begin_list(&mut self) -> fmt::Result;
    fn end_list(&mut self) -> fmt::Result;
    /// `null`, `true`, or a number as JSON writes it.
    fn word(&mut self, word: &str) -> fmt::Result;
    fn text(&mut self, text: &str) -> fmt::Result;
    /// Bytes as base64, as JSON has them.
    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result;
}

/// Characters that a reader of the text would not see, or a terminal would obey.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Standard alphabet, padded.
pub(crate) fn base64(bytes: &[u8], out: &mut dyn Write) -> fmt::Result {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |six: u32| {
        DIGITS
            .get((six & 63) as usize)
            .map_or('=', |d| char::from(*d))
    };
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | u32::from(three.get(at).copied().unwrap_or(0))
        });
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            out.write_char(if at <= three.len() {
                digit(bits >> shift)
            } else {
                '='
            })?;
        }
    }
    Ok(())
}

/// JSON, indented by four spaces as kubectl prints it.
pub(crate) struct JsonOut<'o> {
    out: &'o mut dyn Write,
    /// For each open map or list, whether it has an element.
    open: Vec<bool>,
    after_key: bool,
}

impl<'o> JsonOut<'o> {
    pub(crate) fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            open: Vec::new(),
            after_key: false,
        }
    }

    fn line(&mut self) -> fmt::Result {
        self.out.write_char('\n')?;
        (0..self.open.len()).try_for_each(|_| self.out.write_str("    "))
    }

    fn element(&mut self) -> fmt::Result {
        if core::mem::take(&mut self.after_key) {
            return Ok(());
        }
        let Some(any) = self.open.last_mut() else {
            return Ok(());
        };
        if core::mem::replace(any, true) {
            self.out.write_char(',')?;
        }
        self.line()
    }

    fn end(&mut self, bracket: char) -> fmt::Result {
        if self.open.pop().unwrap_or_default() {
            self.line()?;
        }
        self.out.write_char(bracket)?;
        if self.open.is_empty() {
            self.out.write_char('\n')
        } else {
            Ok(())
        }
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
                c if is_hidden(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.out, "\\u{unit:04x}")?;
                    }
                }
                c => self.out.write_char(c)?,
            }
        }
        self.out.write_char('"')
    }
}

impl Emit for JsonOut<'_> {
    fn begin_map(&mut self) -> fmt::Result {
        self.element()?;
        self.open.push(false);
        self.out.write_char('{')
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        self.element()?;
        self.quoted(key)?;
        self.after_key = true;
        self.out.write_str(": ")
    }

    fn end_map(&mut self) -> fmt::Result {
        self.end('}')
    }

    fn begin_list(&mut self) -> fmt::Result {
        self.element()?;
        self.open.push(false);
        self.out.write_char('[')
    }

    fn end_list(&mut self) -> fmt::Result {
        self.end(']')
    }

    fn word(&mut self, word: &str) -> fmt::Result {
        self.element()?;
        self.out.write_str(word)
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        self.element()?;
        self.quoted(text)
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.element()?;
        self.out.write_char('"')?;
        base64(bytes, self.out)?;
        self.out.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::base64;

    #[test]
    fn base64_of_the_rfc() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            base64(bytes.as_bytes(), &mut out).unwrap();
            assert_eq!(out, text);
        }
    }
}

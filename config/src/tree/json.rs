//! JSON, with the error texts of encoding/json's scanner.

use super::{Field, MAX_DEPTH, Node, Sink as _, Syntax, SyntaxError, Text, Tree, Value};
use crate::golang::quote_byte;
use crate::span::Span;

/// Go's own limit; past it the text is Go's, between ours and this one it is ours.
const GO_MAX_DEPTH: usize = 10_000;

pub(super) fn read(text: &[u8]) -> Result<Tree, SyntaxError> {
    check(text)?;
    let mut reader = Reader { text, at: 0 };
    let root = reader.value(0)?;
    Ok(Tree {
        syntax: Syntax::Json,
        root,
        duplicates: Vec::new(),
        ambiguous: Vec::new(),
        second_document: None,
    })
}

/// What the scanner waits for.
#[derive(Clone, Copy)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    EndOfMember,
    EndOfElement,
    Nothing,
}

/// Well-formedness first and alone, as `checkValid`, so that the first syntax error wins over all else.
fn check(text: &[u8]) -> Result<(), SyntaxError> {
    let mut stack: Vec<bool> = Vec::new();
    let mut expect = Expect::Value;
    let mut at = 0;
    loop {
        while text
            .get(at)
            .is_some_and(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        {
            at += 1;
        }
        let Some(&byte) = text.get(at) else {
            return if matches!(expect, Expect::Nothing) {
                Ok(())
            } else {
                Err(end_of_input(at))
            };
        };
        let after_value = |stack: &[bool]| match stack.last() {
            None => Expect::Nothing,
            Some(true) => Expect::EndOfMember,
            Some(false) => Expect::EndOfElement,
        };
        expect = match (expect, byte) {
            (Expect::KeyOrEnd | Expect::EndOfMember, b'}')
            | (Expect::ValueOrEnd | Expect::EndOfElement, b']') => {
                stack.pop();
                at += 1;
                after_value(&stack)
            }
            (Expect::EndOfMember, b',') => {
                at += 1;
                Expect::Key
            }
            (Expect::EndOfElement, b',') => {
                at += 1;
                Expect::Value
            }
            (Expect::Colon, b':') => {
                at += 1;
                Expect::Value
            }
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                at = string(text, at)?;
                Expect::Colon
            }
            (Expect::Value | Expect::ValueOrEnd, b'{' | b'[') => {
                stack.push(byte == b'{');
                if stack.len() > GO_MAX_DEPTH {
                    return Err(invalid(text, at, "exceeded max depth"));
                }
                at += 1;
                if byte == b'{' {
                    Expect::KeyOrEnd
                } else {
                    Expect::ValueOrEnd
                }
            }
            (Expect::Value | Expect::ValueOrEnd, _) => {
                at = scalar(text, at)?;
                after_value(&stack)
            }
            (Expect::Key | Expect::KeyOrEnd, _) => {
                return Err(invalid(
                    text,
                    at,
                    "looking for beginning of object key string",
                ));
            }
            (Expect::Colon, _) => return Err(invalid(text, at, "after object key")),
            (Expect::EndOfMember, _) => {
                return Err(invalid(text, at, "after object key:value pair"));
            }
            (Expect::EndOfElement, _) => return Err(invalid(text, at, "after array element")),
            (Expect::Nothing, _) => return Err(invalid(text, at, "after top-level value")),
        };
    }
}

fn end_of_input(at: usize) -> SyntaxError {
    SyntaxError {
        upstream: "unexpected end of JSON input".to_owned(),
        exact: true,
        redacted: false,
        span: Span::new(at, at),
    }
}

/// A byte that may not stand here. At the end of the text Go's scanner is given a space, which no escape, literal or
/// number can go on with.
fn invalid(text: &[u8], at: usize, place: &str) -> SyntaxError {
    let byte = text.get(at).copied().unwrap_or(b' ');
    SyntaxError {
        upstream: format!("invalid character {} {place}", quote_byte(byte)),
        exact: true,
        redacted: false,
        span: Span::new(at.min(text.len()), (at + 1).min(text.len())),
    }
}

/// One past the closing quote of the string that begins at `at`.
fn string(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    let mut at = at + 1;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => {
                match text.get(at + 1) {
                    Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {}
                    Some(b'u') => {
                        for digit in at + 2..at + 6 {
                            if !text.get(digit).is_some_and(u8::is_ascii_hexdigit) {
                                return Err(invalid(
                                    text,
                                    digit,
                                    "in \\u hexadecimal character escape",
                                ));
                            }
                        }
                        at += 4;
                    }
                    _ => return Err(invalid(text, at + 1, "in string escape code")),
                }
                at += 2;
            }
            Some(0..0x20) => return Err(invalid(text, at, "in string literal")),
            Some(_) => at += 1,
            None => return Err(end_of_input(at)),
        }
    }
}

/// One past the scalar that begins at `at`.
fn scalar(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    match text.get(at) {
        Some(b'"') => string(text, at),
        Some(b't') => word(text, at, "true"),
        Some(b'f') => word(text, at, "false"),
        Some(b'n') => word(text, at, "null"),
        Some(b'-' | b'0'..=b'9') => number(text, at),
        _ => Err(invalid(text, at, "looking for beginning of value")),
    }
}

fn word(text: &[u8], at: usize, word: &str) -> Result<usize, SyntaxError> {
    for (i, expected) in word.bytes().enumerate().skip(1) {
        if text.get(at + i) != Some(&expected) {
            let place = format!("in literal {word} (expecting '{}')", char::from(expected));
            return Err(invalid(text, at + i, &place));
        }
    }
    Ok(at + word.len())
}

fn number(text: &[u8], mut at: usize) -> Result<usize, SyntaxError> {
    let digits = |mut at: usize| {
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    match text.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(at),
        _ => return Err(invalid(text, at, "in numeric literal")),
    }
    if text.get(at) == Some(&b'.') {
        let after = digits(at + 1);
        if after == at + 1 {
            return Err(invalid(
                text,
                after,
                "after decimal point in numeric literal",
            ));
        }
        at = after;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        let after = digits(at);
        if after == at {
            return Err(invalid(text, after, "in exponent of numeric literal"));
        }
        at = after;
    }
    Ok(at)
}

/// Builds the tree of a text that `check` has accepted.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) -> Option<u8> {
        while self
            .text
            .get(self.at)
            .is_some_and(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        let first = self.space();
        let start = self.at;
        if depth > MAX_DEPTH {
            return Err(SyntaxError {
                upstream: format!("nesting deeper than {MAX_DEPTH} levels"),
                exact: false,
                redacted: false,
                span: Span::new(start, start + 1),
            });
        }
        let value = match first {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            _ => {
                self.at = scalar(self.text, start)?;
                let raw = self.text.get(start..self.at).unwrap_or_default();
                match raw.first() {
                    Some(b'"') => Value::String(unquote(raw)),
                    Some(b't') => Value::Bool(true),
                    Some(b'f') => Value::Bool(false),
                    Some(b'n') => Value::Null,
                    _ => Value::Number(String::from_utf8_lossy(raw).into_owned()),
                }
            }
        };
        Ok(Node {
            span: Span::new(start, self.at),
            value,
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let mut items = Vec::new();
        self.at += 1;
        while self.space().is_some_and(|b| b != b']') {
            items.push(self.value(depth + 1)?);
            if self.space() == Some(b',') {
                self.at += 1;
            }
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let mut fields = Vec::new();
        self.at += 1;
        while self.space().is_some_and(|b| b != b'}') {
            let start = self.at;
            self.at = string(self.text, start)?;
            let key_span = Span::new(start, self.at);
            let key = unquote(self.text.get(start..self.at).unwrap_or_default());
            self.space();
            self.at += 1;
            let node = self.value(depth + 1)?;
            fields.push(Field {
                key,
                key_span,
                node,
            });
            if self.space() == Some(b',') {
                self.at += 1;
            }
        }
        self.at += 1;
        Ok(Value::Map(fields))
    }
}

/// The meaning of a quoted string; what is not UTF-8 or not a surrogate pair becomes U+FFFD, as in Go.
fn unquote(raw: &[u8]) -> Text {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    let mut out = Text::new(String::with_capacity(inner.len()));
    for chunk in inner.utf8_chunks() {
        unescape(chunk.valid(), &mut out);
        // Go replaces each bad byte, not each maximal sequence.
        for _ in chunk.invalid() {
            out.push('\u{fffd}');
        }
    }
    out
}

fn unescape(text: &str, out: &mut Text) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let mut used = 2;
        match escape.as_bytes().get(1) {
            Some(b'b') => out.push('\u{8}'),
            Some(b'f') => out.push('\u{c}'),
            Some(b'n') => out.push('\n'),
            Some(b'r') => out.push('\r'),
            Some(b't') => out.push('\t'),
            Some(b'u') => {
                let high = hex4(escape.get(2..6));
                let low = escape
                    .get(6..8)
                    .filter(|p| *p == "\\u")
                    .and_then(|_| hex4(escape.get(8..12)));
                let pair = high.zip(low).and_then(|(high, low)| {
                    char::decode_utf16([high, low])
                        .next()
                        .and_then(Result::ok)
                        .filter(|c| u32::from(*c) > 0xffff)
                });
                used = if pair.is_some() { 12 } else { 6 };
                let single = high.and_then(|h| char::from_u32(u32::from(h)));
                out.push(pair.or(single).unwrap_or('\u{fffd}'));
            }
            Some(other) => out.push(char::from(*other)),
            None => {}
        }
        rest = escape.get(used..).unwrap_or("");
    }
    out.push_str(rest);
}

fn hex4(digits: Option<&str>) -> Option<u16> {
    u16::from_str_radix(digits?, 16).ok()
}

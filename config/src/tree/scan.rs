//! YAML tokens: the scanner of libyaml with go-yaml v2's own departures, whose verdict on a file counts here.
//!
//! The rules for simple keys, indentation and flow levels follow that scanner step by step, because their
//! corner cases decide what an API server accepts.

use std::collections::{BTreeMap, VecDeque};

use super::Text;
use super::reader::{Mark, Reader};
use super::yaml::YamlError;

/// What a token is.
#[derive(Debug)]
pub(super) enum Kind {
    StreamStart,
    StreamEnd,
    Version(u8, u8),
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { value: Text, plain: bool },
}

#[derive(Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: Mark,
    pub end: Mark,
}

/// A place where an implicit key may have begun.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Mark,
}

/// go-yaml's limit on flow levels and on indents.
const MAX_LEVELS: usize = 10_000;

/// How far a key may be from its colon, in characters.
const MAX_KEY: usize = 1024;

pub(super) struct Scanner<'t> {
    pub(super) reader: Reader<'t>,
    tokens: VecDeque<Token>,
    /// Tokens handed out.
    taken: usize,
    started: bool,
    indent: i64,
    indents: Vec<i64>,
    flow_level: usize,
    key_allowed: bool,
    keys: Vec<SimpleKey>,
    /// Token number to the level of the key that would begin there.
    keys_by_token: BTreeMap<usize, usize>,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            reader: Reader::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            started: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            key_allowed: false,
            keys: Vec::new(),
            keys_by_token: BTreeMap::new(),
        }
    }

    /// The next token, which stays the next.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        self.fetch_more()?;
        self.tokens
            .front()
            .ok_or_else(|| YamlError::reader("unexpected end of tokens"))
    }

    /// The next token.
    pub(super) fn take(&mut self) -> Result<Token, YamlError> {
        self.fetch_more()?;
        self.taken += 1;
        self.tokens
            .pop_front()
            .ok_or_else(|| YamlError::reader("unexpected end of tokens"))
    }

    pub(super) fn error(&self, context: Mark, problem: &'static str) -> YamlError {
        YamlError::scanner(problem, self.reader.mark, Some(context))
    }

    fn fetch_more(&mut self) -> Result<(), YamlError> {
        loop {
            if !self.tokens.is_empty() {
                // The first token may still turn out to be preceded by a KEY.
                let Some(level) = self.keys_by_token.get(&self.taken).copied() else {
                    return Ok(());
                };
                if !self.key_is_valid(level)? {
                    return Ok(());
                }
            }
            self.fetch_next()?;
        }
    }

    fn column(&self) -> i64 {
        i64::try_from(self.reader.mark.column).unwrap_or(i64::MAX)
    }

    fn fetch_next(&mut self) -> Result<(), YamlError> {
        self.reader.need(1)?;
        if !self.started {
            self.started = true;
            self.key_allowed = true;
            self.keys.push(SimpleKey::default());
            self.push_here(Kind::StreamStart);
            return Ok(());
        }
        self.skip_to_token()?;
        self.unroll(self.column());
        self.reader.need(4)?;
        let r = &self.reader;
        if r.is_end() {
            return self.fetch_stream_end();
        }
        if r.mark.column == 0 && r.byte(0) == b'%' {
            return self.fetch_directive();
        }
        if r.is_document_indicator() {
            let kind = if r.byte(0) == b'-' {
                Kind::DocumentStart
            } else {
                Kind::DocumentEnd
            };
            return self.fetch_document_indicator(kind);
        }
        let flow = self.flow_level > 0;
        let spaced = r.is_space_or_end(1);
        match r.byte(0) {
            b'[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => {
                self.remove_key()?;
                self.key_allowed = true;
                self.push_characters(1, Kind::FlowEntry);
                Ok(())
            }
            b'-' if spaced => self.fetch_block_entry(),
            b'?' if flow || spaced => self.fetch_key(),
            b':' if flow || spaced => self.fetch_value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_anchor()
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_tag()
            }
            style @ (b'|' | b'>') if !flow => {
                self.remove_key()?;
                self.key_allowed = true;
                self.scan_block_scalar(style == b'|')
            }
            quote @ (b'\'' | b'"') => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_quoted(quote == b'\'')
            }
            b'-' if !r.is_blank(1) => self.fetch_plain(),
            b'?' | b':' if !flow && !spaced => self.fetch_plain(),
            b' ' | b'\t' | b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                Err(self.error(r.mark, "found character that cannot start any token"))
            }
            _ => self.fetch_plain(),
        }
    }

    fn fetch_plain(&mut self) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        self.scan_plain()
    }

    pub(super) fn push(&mut self, kind: Kind, start: Mark) {
        self.tokens.push_back(Token {
            kind,
            start,
            end: self.reader.mark,
        });
    }

    pub(super) fn push_until(&mut self, kind: Kind, start: Mark, end: Mark) {
        self.tokens.push_back(Token { kind, start, end });
    }

    fn push_here(&mut self, kind: Kind) {
        self.push(kind, self.reader.mark);
    }

    fn push_characters(&mut self, count: usize, kind: Kind) {
        let start = self.reader.mark;
        for _ in 0..count {
            self.reader.skip();
        }
        self.push(kind, start);
    }

    /// Puts a token before the one with the given number; go-yaml appends when that one is already taken.
    fn insert(&mut self, number: usize, kind: Kind, mark: Mark) {
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match number.checked_sub(self.taken) {
            Some(place) if place <= self.tokens.len() => self.tokens.insert(place, token),
            _ => self.tokens.push_back(token),
        }
    }

    fn key_is_valid(&mut self, level: usize) -> Result<bool, YamlError> {
        let mark = self.reader.mark;
        let Some(key) = self.keys.get_mut(level).filter(|k| k.possible) else {
            return Ok(false);
        };
        if key.mark.line < mark.line || key.mark.index + MAX_KEY < mark.index {
            if key.required {
                let context = key.mark;
                return Err(self.error(context, "could not find expected ':'"));
            }
            key.possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Result<(), YamlError> {
        let required = self.flow_level == 0 && self.indent == self.column();
        if self.key_allowed {
            let token = self.taken + self.tokens.len();
            self.remove_key()?;
            let level = self.keys.len().saturating_sub(1);
            if let Some(key) = self.keys.last_mut() {
                *key = SimpleKey {
                    possible: true,
                    required,
                    token,
                    mark: self.reader.mark,
                };
            }
            self.keys_by_token.insert(token, level);
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), YamlError> {
        let Some(key) = self.keys.last_mut().filter(|k| k.possible) else {
            return Ok(());
        };
        if key.required {
            let context = key.mark;
            return Err(self.error(context, "could not find expected ':'"));
        }
        key.possible = false;
        let token = key.token;
        self.keys_by_token.remove(&token);
        Ok(())
    }

    /// Opens a block collection when the column is deeper than the current one.
    fn roll(
        &mut self,
        column: i64,
        number: Option<usize>,
        kind: Kind,
        mark: Mark,
    ) -> Result<(), YamlError> {
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_LEVELS {
            return Err(self.error(mark, "exceeded max depth of 10000"));
        }
        match number {
            Some(number) => self.insert(number, kind, mark),
            None => self.tokens.push_back(Token {
                kind,
                start: mark,
                end: mark,
            }),
        }
        Ok(())
    }

    fn unroll(&mut self, column: i64) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push_here(Kind::BlockEnd);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_stream_end(&mut self) -> Result<(), YamlError> {
        if self.reader.mark.column != 0 {
            self.reader.mark.column = 0;
            self.reader.mark.line += 1;
        }
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.push_here(Kind::StreamEnd);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), YamlError> {
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.scan_directive()
    }

    fn fetch_document_indicator(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.push_characters(3, kind);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.save_key()?;
        // The number matters: closing the collection forgets a key that begins at this token.
        let token = self.taken + self.tokens.len();
        self.keys.push(SimpleKey {
            token,
            mark: self.reader.mark,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > MAX_LEVELS {
            return Err(self.error(self.reader.mark, "exceeded max depth of 10000"));
        }
        self.key_allowed = true;
        self.push_characters(1, kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.remove_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.keys.pop() {
                self.keys_by_token.remove(&key.token);
            }
        }
        self.key_allowed = false;
        self.push_characters(1, kind);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), YamlError> {
        let mark = self.reader.mark;
        if self.flow_level == 0 {
            if !self.key_allowed {
                return Err(self.error(
                    mark,
                    "block sequence entries are not allowed in this context",
                ));
            }
            self.roll(self.column(), None, Kind::BlockSequenceStart, mark)?;
        }
        self.remove_key()?;
        self.key_allowed = true;
        self.push_characters(1, Kind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), YamlError> {
        let mark = self.reader.mark;
        if self.flow_level == 0 {
            if !self.key_allowed {
                return Err(self.error(mark, "mapping keys are not allowed in this context"));
            }
            self.roll(self.column(), None, Kind::BlockMappingStart, mark)?;
        }
        self.remove_key()?;
        self.key_allowed = self.flow_level == 0;
        self.push_characters(1, Kind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let mark = self.reader.mark;
        let level = self.keys.len().saturating_sub(1);
        if self.key_is_valid(level)? {
            let key = self.keys.last().copied().unwrap_or_default();
            self.insert(key.token, Kind::Key, key.mark);
            let column = i64::try_from(key.mark.column).unwrap_or(i64::MAX);
            self.roll(column, Some(key.token), Kind::BlockMappingStart, key.mark)?;
            if let Some(key) = self.keys.last_mut() {
                key.possible = false;
            }
            self.keys_by_token.remove(&key.token);
            self.key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.key_allowed {
                    return Err(self.error(mark, "mapping values are not allowed in this context"));
                }
                self.roll(self.column(), None, Kind::BlockMappingStart, mark)?;
            }
            self.key_allowed = self.flow_level == 0;
        }
        self.push_characters(1, Kind::Value);
        Ok(())
    }

    /// Skips blanks, comments and line breaks.
    fn skip_to_token(&mut self) -> Result<(), YamlError> {
        loop {
            self.reader.need(1)?;
            // Only at the start of a text: elsewhere go-yaml takes the mark as a character.
            if self.reader.mark.index == 0 && self.reader.is_mark_of_byte_order() {
                self.reader.skip();
            }
            let tabs = self.flow_level > 0 || !self.key_allowed;
            while self.reader.byte(0) == b' ' || (tabs && self.reader.byte(0) == b'\t') {
                self.reader.skip();
                self.reader.need(1)?;
            }
            self.skip_comment()?;
            if !self.reader.is_break(0) {
                return Ok(());
            }
            self.reader.need(2)?;
            self.reader.skip_line();
            if self.flow_level == 0 {
                self.key_allowed = true;
            }
        }
    }

    pub(super) fn skip_comment(&mut self) -> Result<(), YamlError> {
        if self.reader.byte(0) == b'#' {
            while !self.reader.is_break_or_end(0) {
                self.reader.skip();
                self.reader.need(1)?;
            }
        }
        Ok(())
    }

    pub(super) fn skip_blanks(&mut self) -> Result<(), YamlError> {
        self.reader.need(1)?;
        while self.reader.is_blank(0) {
            self.reader.skip();
            self.reader.need(1)?;
        }
        Ok(())
    }

    pub(super) const fn in_flow(&self) -> bool {
        self.flow_level > 0
    }

    pub(super) const fn indent(&self) -> i64 {
        self.indent
    }

    pub(super) const fn allow_key(&mut self) {
        self.key_allowed = true;
    }
}

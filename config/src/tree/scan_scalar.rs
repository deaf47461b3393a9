//! Scalar tokens: block, quoted and plain, with YAML 1.1's folding of lines.

use super::reader::Mark;
use super::scan::{Kind, Scanner};
use super::yaml::YamlError;
use super::{Sink as _, Text};

/// Most keys fit.
const ROOM: usize = 96;

/// Line breaks and blanks met between words, folded when the next word comes.
#[derive(Default)]
struct Fold {
    blanks: String,
    first_break: String,
    more_breaks: String,
    broken: bool,
}

impl Fold {
    fn write(&mut self, out: &mut Text) {
        if !self.broken {
            out.push_str(&self.blanks);
            self.blanks.clear();
            return;
        }
        let folded = self.first_break.starts_with('\n');
        if folded && self.more_breaks.is_empty() {
            out.push(' ');
        } else if !folded {
            out.push_str(&self.first_break);
        }
        out.push_str(&self.more_breaks);
        self.first_break.clear();
        self.more_breaks.clear();
        self.broken = false;
    }
}

impl Scanner<'_> {
    fn push_scalar(&mut self, value: Text, plain: bool, start: Mark, end: Mark) {
        self.push_until(Kind::Scalar { value, plain }, start, end);
    }

    /// Reads blanks and line breaks into `fold`; `indent` is where a plain scalar may not have tabs.
    fn fold(&mut self, fold: &mut Fold, indent: Option<(i64, Mark)>) -> Result<(), YamlError> {
        while self.reader.is_blank(0) || self.reader.is_break(0) {
            if self.reader.is_blank(0) {
                let column = i64::try_from(self.reader.mark.column).unwrap_or(i64::MAX);
                if let Some((indent, start)) = indent
                    && fold.broken
                    && column < indent
                    && self.reader.byte(0) == b'\t'
                {
                    return Err(
                        self.error(start, "found a tab character that violates indentation")
                    );
                }
                if fold.broken {
                    self.reader.skip();
                } else {
                    self.reader.read(&mut fold.blanks);
                }
            } else {
                self.reader.need(2)?;
                if fold.broken {
                    self.reader.read_line(&mut fold.more_breaks);
                } else {
                    fold.blanks.clear();
                    self.reader.read_line(&mut fold.first_break);
                    fold.broken = true;
                }
            }
            self.reader.need(1)?;
        }
        Ok(())
    }

    pub(super) fn scan_plain(&mut self) -> Result<(), YamlError> {
        let start = self.reader.mark;
        let mut end = start;
        let mut value = Text::new(String::with_capacity(ROOM));
        let mut fold = Fold::default();
        let indent = self.indent() + 1;
        loop {
            self.reader.need(4)?;
            if self.reader.is_document_indicator() || self.reader.byte(0) == b'#' {
                break;
            }
            while !self.reader.is_space_or_end(0) {
                let byte = self.reader.byte(0);
                if (byte == b':' && self.reader.is_space_or_end(1))
                    || (self.in_flow() && matches!(byte, b',' | b'?' | b'[' | b']' | b'{' | b'}'))
                {
                    break;
                }
                if fold.broken || !fold.blanks.is_empty() {
                    fold.write(&mut value);
                }
                self.reader.read(&mut value);
                end = self.reader.mark;
                self.reader.need(2)?;
            }
            if !(self.reader.is_blank(0) || self.reader.is_break(0)) {
                break;
            }
            self.reader.need(1)?;
            self.fold(&mut fold, Some((indent, start)))?;
            let column = i64::try_from(self.reader.mark.column).unwrap_or(i64::MAX);
            if !self.in_flow() && column < indent {
                break;
            }
        }
        self.push_scalar(value, true, start, end);
        if fold.broken {
            self.allow_key();
        }
        Ok(())
    }

    pub(super) fn scan_quoted(&mut self, single: bool) -> Result<(), YamlError> {
        let start = self.reader.mark;
        let quote = if single { b'\'' } else { b'"' };
        let mut value = Text::new(String::with_capacity(ROOM));
        self.reader.skip();
        loop {
            self.reader.need(4)?;
            if self.reader.is_document_indicator() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.reader.is_end() {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut fold = Fold::default();
            while !self.reader.is_space_or_end(0) {
                let byte = self.reader.byte(0);
                if single && byte == b'\'' && self.reader.byte(1) == b'\'' {
                    value.push('\'');
                    self.reader.skip();
                    self.reader.skip();
                } else if byte == quote {
                    break;
                } else if !single && byte == b'\\' && self.reader.is_break(1) {
                    self.reader.need(3)?;
                    self.reader.skip();
                    self.reader.skip_line();
                    fold.broken = true;
                    break;
                } else if !single && byte == b'\\' {
                    self.scan_escape(start, &mut value)?;
                } else {
                    self.reader.read(&mut value);
                }
                self.reader.need(2)?;
            }
            self.reader.need(1)?;
            if self.reader.byte(0) == quote {
                break;
            }
            self.fold(&mut fold, None)?;
            fold.write(&mut value);
        }
        self.reader.skip();
        self.push_scalar(value, false, start, self.reader.mark);
        Ok(())
    }

    fn scan_escape(&mut self, start: Mark, value: &mut Text) -> Result<(), YamlError> {
        let (simple, digits) = match self.reader.byte(1) {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' => (' ', 0),
            b'"' => ('"', 0),
            b'\'' => ('\'', 0),
            b'\\' => ('\\', 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return Err(self.error(start, "found unknown escape character")),
        };
        self.reader.skip();
        self.reader.skip();
        if digits == 0 {
            value.push(simple);
            return Ok(());
        }
        self.reader.need(digits)?;
        let mut code: u32 = 0;
        for i in 0..digits {
            let Some(digit) = char::from(self.reader.byte(i)).to_digit(16) else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = code << 4 | digit;
        }
        let Some(c) = char::from_u32(code) else {
            return Err(self.error(start, "found invalid Unicode character escape code"));
        };
        value.push(c);
        for _ in 0..digits {
            self.reader.skip();
        }
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<(), YamlError> {
        let start = self.reader.mark;
        self.reader.skip();
        self.reader.need(1)?;
        let (keep, increment) = self.scan_block_header(start)?;
        let mut indent = increment.map_or(0, |n| self.indent().max(0) + n);
        let mut end = self.reader.mark;
        let mut value = Text::new(String::with_capacity(ROOM));
        let mut first_break = String::new();
        let mut breaks = String::new();
        self.scan_block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        self.reader.need(1)?;
        let mut was_blank = false;
        while i64::try_from(self.reader.mark.column) == Ok(indent) && !self.reader.is_end() {
            let blank = self.reader.is_blank(0);
            if !literal && !was_blank && !blank && first_break.starts_with('\n') {
                if breaks.is_empty() {
                    value.push(' ');
                }
            } else {
                value.push_str(&first_break);
            }
            first_break.clear();
            value.push_str(&breaks);
            breaks.clear();
            was_blank = blank;
            while !self.reader.is_break_or_end(0) {
                self.reader.read(&mut value);
                self.reader.need(1)?;
            }
            self.reader.need(2)?;
            self.reader.read_line(&mut first_break);
            self.scan_block_breaks(&mut indent, &mut breaks, start, &mut end)?;
        }
        if keep != Some(false) {
            value.push_str(&first_break);
        }
        if keep == Some(true) {
            value.push_str(&breaks);
        }
        self.push_scalar(value, false, start, end);
        Ok(())
    }

    /// What follows `|` or `>`: whether final line breaks are all kept or all dropped, and the indent.
    fn scan_block_header(&mut self, start: Mark) -> Result<(Option<bool>, Option<i64>), YamlError> {
        let mut keep = None;
        let mut increment = None;
        for _ in 0..2 {
            match self.reader.byte(0) {
                sign @ (b'+' | b'-') if keep.is_none() => keep = Some(sign == b'+'),
                b'0' if increment.is_none() => {
                    return Err(self.error(start, "found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment.is_none() => {
                    increment = Some(i64::from(digit - b'0'))
                }
                _ => break,
            }
            self.reader.skip();
            self.reader.need(1)?;
        }
        self.skip_blanks()?;
        self.skip_comment()?;
        if !self.reader.is_break_or_end(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        self.reader.need(2)?;
        self.reader.skip_line();
        Ok((keep, increment))
    }

    /// Reads indentation and empty lines; an indent of 0 is found out from the first line with text.
    fn scan_block_breaks(
        &mut self,
        indent: &mut i64,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Result<(), YamlError> {
        *end = self.reader.mark;
        let mut deepest = 0;
        loop {
            self.reader.need(1)?;
            let column = |s: &Self| i64::try_from(s.reader.mark.column).unwrap_or(i64::MAX);
            while (*indent == 0 || column(self) < *indent) && self.reader.byte(0) == b' ' {
                self.reader.skip();
                self.reader.need(1)?;
            }
            deepest = deepest.max(column(self));
            if (*indent == 0 || column(self) < *indent) && self.reader.byte(0) == b'\t' {
                return Err(self.error(
                    start,
                    "found a tab character where an indentation space is expected",
                ));
            }
            if !self.reader.is_break(0) {
                break;
            }
            self.reader.need(2)?;
            self.reader.read_line(breaks);
            *end = self.reader.mark;
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent() + 1).max(1);
        }
        Ok(())
    }
}

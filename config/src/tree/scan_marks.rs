//! Anchors, aliases, tags and directives.

use super::reader::Mark;
use super::scan::{Kind, Scanner};
use super::yaml::YamlError;

impl Scanner<'_> {
    pub(super) fn scan_anchor(&mut self) -> Result<(), YamlError> {
        let start = self.reader.mark;
        let alias = self.reader.byte(0) == b'*';
        let mut name = String::new();
        self.reader.skip();
        self.scan_word(&mut name)?;
        let ends = self.reader.is_space_or_end(0)
            || matches!(
                self.reader.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ends {
            return Err(self.error(
                start,
                "did not find expected alphabetic or numeric character",
            ));
        }
        self.push(
            if alias {
                Kind::Alias(name)
            } else {
                Kind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    fn scan_word(&mut self, out: &mut String) -> Result<(), YamlError> {
        self.reader.need(1)?;
        while self.reader.is_word() {
            self.reader.read(out);
            self.reader.need(1)?;
        }
        Ok(())
    }

    pub(super) fn scan_tag(&mut self) -> Result<(), YamlError> {
        let start = self.reader.mark;
        self.reader.need(2)?;
        let (handle, suffix) = if self.reader.byte(1) == b'<' {
            self.reader.skip();
            self.reader.skip();
            let suffix = self.scan_tag_uri("", start)?;
            if self.reader.byte(0) != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.reader.skip();
            (String::new(), suffix)
        } else {
            let handle = self.scan_tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("", start)?;
                (handle, suffix)
            } else {
                match self.scan_tag_uri(&handle, start)? {
                    suffix if suffix.is_empty() => (String::new(), "!".to_owned()),
                    suffix => ("!".to_owned(), suffix),
                }
            }
        };
        self.reader.need(1)?;
        if !self.reader.is_space_or_end(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        self.push(Kind::Tag { handle, suffix }, start);
        Ok(())
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Result<String, YamlError> {
        self.reader.need(1)?;
        if self.reader.byte(0) != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        let mut handle = String::new();
        self.reader.read(&mut handle);
        self.scan_word(&mut handle)?;
        if self.reader.byte(0) == b'!' {
            self.reader.read(&mut handle);
        } else if directive && handle != "!" {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(handle)
    }

    /// The rest of a tag; `head` is what was taken for a handle and is none.
    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Result<String, YamlError> {
        let mut uri = head.get(1..).unwrap_or("").to_owned();
        let mut any = !head.is_empty();
        self.reader.need(1)?;
        while self.reader.is_word() || b";/?:@&=+$,.!~*'()[]%".contains(&self.reader.byte(0)) {
            if self.reader.byte(0) == b'%' {
                self.scan_octets(start, &mut uri)?;
            } else {
                self.reader.read(&mut uri);
            }
            self.reader.need(1)?;
            any = true;
        }
        if !any {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        Ok(uri)
    }

    /// The `%XX` octets of one character.
    fn scan_octets(&mut self, start: Mark, uri: &mut String) -> Result<(), YamlError> {
        let mut bytes = Vec::new();
        let mut width = 1;
        while bytes.len() < width {
            self.reader.need(3)?;
            let digit = |ahead| {
                char::from(self.reader.byte(ahead))
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            let (b'%', Some(high), Some(low)) = (self.reader.byte(0), digit(1), digit(2)) else {
                return Err(self.error(start, "did not find URI escaped octet"));
            };
            let octet = high << 4 | low;
            if bytes.is_empty() {
                width = match octet {
                    0..0x80 => 1,
                    0xc0..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    0xf0..0xf8 => 4,
                    _ => return Err(self.error(start, "found an incorrect leading UTF-8 octet")),
                };
            } else if octet & 0xc0 != 0x80 {
                return Err(self.error(start, "found an incorrect trailing UTF-8 octet"));
            }
            bytes.push(octet);
            for _ in 0..3 {
                self.reader.skip();
            }
        }
        uri.push_str(&String::from_utf8_lossy(&bytes));
        Ok(())
    }

    pub(super) fn scan_directive(&mut self) -> Result<(), YamlError> {
        let start = self.reader.mark;
        self.reader.skip();
        let mut name = String::new();
        self.scan_word(&mut name)?;
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.reader.is_space_or_end(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_blanks()?;
                let major = self.scan_version_number(start)?;
                if self.reader.byte(0) != b'.' {
                    return Err(self.error(start, "did not find expected digit or '.' character"));
                }
                self.reader.skip();
                Kind::Version(major, self.scan_version_number(start)?)
            }
            "TAG" => {
                self.skip_blanks()?;
                let handle = self.scan_tag_handle(true, start)?;
                self.reader.need(1)?;
                if !self.reader.is_blank(0) {
                    return Err(self.error(start, "did not find expected whitespace"));
                }
                self.skip_blanks()?;
                let prefix = self.scan_tag_uri("", start)?;
                self.reader.need(1)?;
                if !self.reader.is_space_or_end(0) {
                    return Err(self.error(start, "did not find expected whitespace or line break"));
                }
                Kind::TagDirective { handle, prefix }
            }
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        let end = self.reader.mark;
        self.skip_blanks()?;
        self.skip_comment()?;
        if !self.reader.is_break_or_end(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        self.reader.need(2)?;
        self.reader.skip_line();
        self.push_until(kind, start, end);
        Ok(())
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u8, YamlError> {
        self.reader.need(1)?;
        let mut value = 0;
        let mut digits = 0;
        while let digit @ b'0'..=b'9' = self.reader.byte(0) {
            digits += 1;
            if digits > 2 {
                return Err(self.error(start, "found extremely long version number"));
            }
            value = value * 10 + (digit - b'0');
            self.reader.skip();
            self.reader.need(1)?;
        }
        if digits == 0 {
            return Err(self.error(start, "did not find expected version number"));
        }
        Ok(value)
    }
}

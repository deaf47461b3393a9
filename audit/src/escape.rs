//! How bytes of unknown origin are shown.

use core::fmt::Write;

/// Printable text stays as it is; control, format and direction characters, and backslashes become `\u{..}` or `\\`,
/// bytes that are no UTF-8 `\xNN`. One line, nothing a terminal obeys; not yet safe for HTML or CSV.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '"' => out.push(c),
                _ => out.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Bytes of a name or text that are kept. Real ones are shorter; a crafted file can hold a million of a megabyte each.
const KEPT: usize = 1024;

/// What is kept of a text of the file: one byte more than is shown, so that [`shown`] knows.
pub(crate) fn clip(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..=KEPT).unwrap_or(bytes).to_vec()
}

/// A name as reports show it: escaped, and cut with `...` where it is longer than any real one.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match bytes.get(..KEPT) {
        Some(start) if bytes.len() > KEPT => escape(start) + "...",
        _ => escape(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, clip, escape, shown};

    #[test]
    fn names_of_any_length_stay_short() {
        let long = vec![b'a'; 1 << 20];
        assert_eq!(shown(&clip(&long)), "a".repeat(KEPT) + "...");
        let fits = vec![b'a'; KEPT];
        assert_eq!(shown(&clip(&fits)), "a".repeat(KEPT));
    }

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        let cases: [(&[u8], &str); 6] = [
            (b"/registry/secrets/a/b", "/registry/secrets/a/b"),
            (b"it's \"so\"", "it's \"so\""),
            ("pass\u{e9} \u{4e2d}".as_bytes(), "pass\u{e9} \u{4e2d}"),
            (b"a\x1b[2J\nb\\", "a\\u{1b}[2J\\nb\\\\"),
            ("x\u{202e}y\u{200b}".as_bytes(), "x\\u{202e}y\\u{200b}"),
            (b"\xff\xc3(", "\\xff\\xc3("),
        ];
        for (bytes, shown) in cases {
            assert_eq!(escape(bytes), shown);
        }
    }
}

//! One encoder for each kind of output. What comes in has no control characters any more ([`escape`](crate::escape()));
//! what goes out is data to its reader, never markup, a formula or a link.

use core::fmt::Write;

/// Text of HTML, also inside attributes in double quotes.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// A CSV cell, always in quotes. Spreadsheets compute what begins like a formula; an apostrophe stops them.
pub(crate) fn csv(text: &str) -> String {
    const FORMULA: [char; 10] = [
        '=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    let guard = if text.trim_start().starts_with(FORMULA) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Text of a Markdown table cell: everything that some Markdown could take for markup, a link or a mention is an entity.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let link = c == '.' && out.to_ascii_lowercase().ends_with("www");
        match c {
            c if c.is_alphanumeric() => out.push(c),
            ' ' | '/' | '-' | ',' | ';' | '%' | '?' => out.push(c),
            '.' if !link => out.push(c),
            c => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
    }
    out
}

/// A plain text message of SARIF, where brackets make links and braces placeholders (SARIF 2.1.0, 3.11.5 and 3.11.6).
pub(crate) fn sarif(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '[' | ']' | '\\' => out.extend(['\\', c]),
            '{' | '}' => out.extend([c, c]),
            c => out.push(c),
        }
    }
    out
}

/// A label's value in the text format of Prometheus.
pub(crate) fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A relative URI of a file name.
pub(crate) fn uri(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// 1234567 as 1,234,567.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

//! What a YAML scalar means: go-yaml v2's `resolve`, YAML 1.1 with its own corrections.

use super::{Sink as _, Text};
use crate::golang::{Number, base64_decode, resolve_number};

const TAG: &str = "tag:yaml.org,2002:";

/// A resolved scalar.
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// `.inf`, `-.inf` and `.nan`, which JSON cannot hold; the text is Go's.
    NotFinite(&'static str),
    Text(Text),
}

impl Scalar {
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(Number::Int(_) | Number::Uint(_)) => "int",
            Self::Number(Number::Float(_)) | Self::NotFinite(_) => "float",
            Self::Text(_) => "str",
        }
    }
}

/// Characters from which on a text may be a piece of a key worth hiding: AES-128 takes 24.
const SHORTEST_KEY: usize = 16;

/// Resolves a scalar; `plain` is libyaml's "implicit": no tag and not quoted, or the tag `!`.
///
/// The error is go-yaml's text without its `yaml: ` prefix, and whether it had to be redacted.
pub(super) fn resolve(
    tag: Option<&str>,
    plain: bool,
    value: &Text,
) -> Result<Scalar, (String, bool)> {
    let Some(tag) = tag else {
        return Ok(if plain {
            untagged(value)
        } else {
            Scalar::Text(value.clone())
        });
    };
    let wanted = match tag.strip_prefix(TAG) {
        Some("str") => return Ok(Scalar::Text(value.clone())),
        Some("binary") => {
            return binary(value).ok_or_else(|| {
                let problem = "!!binary value contains invalid base64 data";
                (problem.to_owned(), false)
            });
        }
        Some(short @ ("bool" | "int" | "float" | "null" | "timestamp")) => short,
        // Tags go-yaml does not know leave the text as it is.
        _ => return Ok(Scalar::Text(value.clone())),
    };
    let found = untagged(value);
    let is_date = is_timestamp(value);
    match (wanted, &found) {
        ("timestamp", _) if is_date => Ok(found),
        ("float", Scalar::Number(Number::Int(n))) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "go-yaml converts with float64(v)"
            )]
            let float = *n as f64;
            Ok(Scalar::Number(Number::Float(float)))
        }
        _ if wanted == found.tag() => Ok(found),
        _ => {
            // Upstream prints the value, which may be a key with a wrong tag.
            let redacted = value.len() >= SHORTEST_KEY;
            let shown = if redacted { "REDACTED" } else { value.as_str() };
            let problem = format!("cannot decode !!{} `{shown}` as a !!{wanted}", found.tag());
            Err((problem, redacted))
        }
    }
}

fn binary(value: &Text) -> Option<Scalar> {
    let bytes = base64_decode(value)?;
    // The bytes pass through JSON next, which replaces what is not UTF-8.
    let mut text = Text::new(String::with_capacity(bytes.len() * 3));
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            text.push('\u{fffd}');
        }
    }
    Some(Scalar::Text(text))
}

fn untagged(value: &Text) -> Scalar {
    match value.as_str() {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::NotFinite("NaN"),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::NotFinite("+Inf"),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::NotFinite("-Inf"),
        text => match text.bytes().next() {
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') if !looks_like_date(text) => {
                resolve_number(text).map_or_else(|| Scalar::Text(value.clone()), Scalar::Number)
            }
            _ => Scalar::Text(value.clone()),
        },
    }
}

/// `YYYY-…`: the only form that go-yaml tries as a date, and one that is never a number.
fn looks_like_date(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 4 && text.as_bytes().get(4) == Some(&b'-')
}

/// The forms go-yaml takes for a timestamp: a date, a date and a time, or RFC 3339; short months and days pass.
fn is_timestamp(text: &str) -> bool {
    if !looks_like_date(text) {
        return false;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at).unwrap_or(""), text.get(at..)),
        None => (text, None),
    };
    let numbers: Vec<Option<u32>> = date.split('-').map(short_number).collect();
    let [Some(year), Some(month), Some(day)] = numbers.as_slice() else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    if !(1..=days).contains(day) {
        return false;
    }
    match time.and_then(|t| t.split_at_checked(1)) {
        None => true,
        Some((" ", clock)) => is_clock(clock),
        Some((_, rest)) => {
            if let Some(clock) = rest.strip_suffix('Z') {
                return is_clock(clock);
            }
            let Some(at) = rest.rfind(['+', '-']) else {
                return false;
            };
            let (clock, zone) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let zone = zone.get(1..).and_then(|z| z.split_once(':'));
            let in_zone = |part: &str, below| {
                part.len() == 2 && short_number(part).is_some_and(|n| n < below)
            };
            is_clock(clock) && zone.is_some_and(|(h, m)| in_zone(h, 25) && in_zone(m, 60))
        }
    }
}

fn short_number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn is_clock(text: &str) -> bool {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<Option<u32>> = clock
        .split(':')
        .map(|p| short_number(p).filter(|_| p.len() <= 2))
        .collect();
    matches!(parts.as_slice(), [Some(0..=23), Some(0..=59), Some(0..=59)])
        && fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()))
}

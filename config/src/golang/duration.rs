//! `time.ParseDuration` and `Duration.String`.

use core::fmt;

/// Nanoseconds, as Go counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(pub i64);

/// Go's text for a duration it cannot read.
#[derive(Debug)]
pub(crate) struct ParseDurationError(pub String);

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Duration {
    pub(crate) fn parse(text: &str) -> Result<Self, ParseDurationError> {
        let invalid =
            || ParseDurationError(format!("time: invalid duration {}", quote_bytes(text)));
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or("")),
            Some(b'+') => (false, text.get(1..).unwrap_or("")),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while let Some(first) = rest.bytes().next() {
            if first != b'.' && !first.is_ascii_digit() {
                return Err(invalid());
            }
            let (whole, whole_digits, after) = leading_int(rest).ok_or_else(invalid)?;
            rest = after;
            let mut fraction = (0u64, 1f64, 0usize);
            if let Some(after) = rest.strip_prefix('.') {
                fraction = leading_fraction(after);
                rest = after.get(fraction.2..).unwrap_or("");
            }
            if whole_digits == 0 && fraction.2 == 0 {
                return Err(invalid());
            }
            let unit_len = rest
                .bytes()
                .take_while(|b| *b != b'.' && !b.is_ascii_digit())
                .count();
            // Digits and the dot are ASCII, so the cut is on a character border.
            let (unit, after) = rest.split_at_checked(unit_len).ok_or_else(invalid)?;
            rest = after;
            if unit.is_empty() {
                return Err(ParseDurationError(format!(
                    "time: missing unit in duration {}",
                    quote_bytes(text)
                )));
            }
            let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(ParseDurationError(format!(
                    "time: unknown unit {} in duration {}",
                    quote_bytes(unit),
                    quote_bytes(text)
                )));
            };
            if whole > (1 << 63) / scale {
                return Err(invalid());
            }
            let mut value = whole * scale;
            if fraction.0 > 0 {
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "Go computes the fraction in float64 and truncates"
                )]
                let part = (fraction.0 as f64 * (scale as f64 / fraction.1)) as u64;
                value += part;
                if value > 1 << 63 {
                    return Err(invalid());
                }
            }
            // Two halves of 2^64 make nothing, and Go takes them.
            total = total.wrapping_add(value);
            if total > 1 << 63 {
                return Err(invalid());
            }
        }
        if negative {
            return Ok(Self(0i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

/// `time`'s own quoting, simpler than `strconv.Quote`: non-ASCII and control bytes become `\xNN`.
fn quote_bytes(s: &str) -> String {
    let mut out = String::from("\"");
    for b in s.bytes() {
        match b {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(b));
            }
            0x20..=0x7f => out.push(char::from(b)),
            _ => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push('"');
    out
}

fn leading_int(text: &str) -> Option<(u64, usize, &str)> {
    let mut value: u64 = 0;
    let mut used = 0;
    for b in text.bytes().take_while(u8::is_ascii_digit) {
        if value > (1 << 63) / 10 {
            return None;
        }
        value = value * 10 + u64::from(b - b'0');
        if value > 1 << 63 {
            return None;
        }
        used += 1;
    }
    Some((value, used, text.get(used..)?))
}

/// Value, scale and number of digits; digits past what 63 bits hold are dropped.
fn leading_fraction(text: &str) -> (u64, f64, usize) {
    let mut value: u64 = 0;
    let mut scale = 1f64;
    let mut overflow = false;
    let mut used = 0;
    for b in text.bytes().take_while(u8::is_ascii_digit) {
        used += 1;
        if overflow {
            continue;
        }
        if value > ((1 << 63) - 1) / 10 {
            overflow = true;
            continue;
        }
        let next = value * 10 + u64::from(b - b'0');
        if next > 1 << 63 {
            overflow = true;
            continue;
        }
        value = next;
        scale *= 10.0;
    }
    (value, scale, used)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < 1_000_000_000 {
            let (scale, digits, unit) = match nanos {
                n if n < 1_000 => return write!(f, "{n}ns"),
                n if n < 1_000_000 => (1_000, 3, "\u{b5}s"),
                _ => (1_000_000, 6, "ms"),
            };
            write!(f, "{}", nanos / scale)?;
            write_fraction(f, nanos % scale, digits)?;
            return f.write_str(unit);
        }
        let seconds = nanos / 1_000_000_000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}", seconds % 60)?;
        write_fraction(f, nanos % 1_000_000_000, 9)?;
        f.write_str("s")
    }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, part: u64, digits: usize) -> fmt::Result {
    if part == 0 {
        return Ok(());
    }
    let text = format!("{part:0digits$}");
    write!(f, ".{}", text.trim_end_matches('0'))
}

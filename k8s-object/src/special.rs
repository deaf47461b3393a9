//! The types of apimachinery that have a JSON form of their own.

use alloc::format;
use alloc::string::String;

use crate::decode::{WIRE, integer, signed, text};
use crate::emit::Emit;
use crate::render::Unrendered;
use crate::replay;
use crate::wire::{self, Value};

/// Year 1, which Go's `time.Time` counts from.
const GO_ZERO: i64 = -62_135_596_800;

/// `metav1.Timestamp`: 1 seconds, 2 nanoseconds.
fn seconds_and_nanos(message: &[u8]) -> Result<(i64, i64), Unrendered> {
    let (mut seconds, mut nanos) = (0, 0);
    for (number, value) in wire::fields(message).ok_or(WIRE)? {
        match (number, value) {
            (1, Value::Varint(n)) => seconds = signed(n),
            (2, Value::Varint(n)) => nanos = signed(n),
            _ => return Err(WIRE),
        }
    }
    Ok((seconds, nanos))
}

pub(crate) fn is_zero_time(message: &[u8]) -> Result<bool, Unrendered> {
    Ok(message.is_empty() || seconds_and_nanos(message)?.0 == GO_ZERO)
}

/// RFC 3339 in UTC; microseconds are written for `MicroTime` only.
pub(crate) fn time(message: &[u8], micro: bool, out: &mut dyn Emit) -> Result<(), Unrendered> {
    if is_zero_time(message)? {
        return Ok(out.word("null")?);
    }
    let (seconds, nanos) = seconds_and_nanos(message)?;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    if !(0..=9999).contains(&year) || !(0..1_000_000_000).contains(&nanos) {
        return Err(Unrendered::Damaged("a time is beyond what a calendar has"));
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut written = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if micro {
        written += &format!(".{:06}", nanos / 1000);
    }
    written.push('Z');
    Ok(out.text(&written)?)
}

/// The civil date of a day, counted from 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let next = if month <= 2 { 1 } else { 0 };
    (
        year + era * 400 + next,
        month,
        of_year - (153 * shifted + 2) / 5 + 1,
    )
}

/// `metav1.Duration`: 1 nanoseconds. Written as Go's `Duration.String` does.
pub(crate) fn duration(message: &[u8], out: &mut dyn Emit) -> Result<(), Unrendered> {
    let mut nanos = 0;
    for (number, value) in wire::fields(message).ok_or(WIRE)? {
        match (number, value) {
            (1, Value::Varint(n)) => nanos = signed(n),
            _ => return Err(WIRE),
        }
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let written = match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, 3) + "µs",
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, 6) + "ms",
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = fraction(rest, 1_000_000_000, 9) + "s";
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    Ok(out.text(&(String::from(sign) + &written))?)
}

/// A decimal number without zeros at its end.
fn fraction(number: u64, unit: u64, digits: usize) -> String {
    let (whole, part) = (number / unit, number % unit);
    if part == 0 {
        return format!("{whole}");
    }
    let part = format!("{part:0digits$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

/// `resource.Quantity`: 1 its text, which its writer has made canonical.
pub(crate) fn quantity(message: &[u8], out: &mut dyn Emit) -> Result<(), Unrendered> {
    let mut written = "0";
    for (number, value) in wire::fields(message).ok_or(WIRE)? {
        if number != 1 {
            return Err(WIRE);
        }
        written = text(value)?;
    }
    Ok(out.text(if written.is_empty() { "0" } else { written })?)
}

/// `intstr.IntOrString`: 1 which (0 the number), 2 number, 3 text.
pub(crate) fn int_or_string(message: &[u8], out: &mut dyn Emit) -> Result<(), Unrendered> {
    let (mut which, mut number, mut string) = (0, 0, "");
    for (field, value) in wire::fields(message).ok_or(WIRE)? {
        match (field, value) {
            (1, Value::Varint(n)) => which = n,
            (2, Value::Varint(n)) => number = signed(n),
            (3, value) => string = text(value)?,
            _ => return Err(WIRE),
        }
    }
    match which {
        0 => Ok(integer(number, out)?),
        1 => Ok(out.text(string)?),
        _ => Err(WIRE),
    }
}

/// `runtime.RawExtension` and `metav1.FieldsV1`: 1 bytes that are JSON.
pub(crate) fn raw_json(message: &[u8], out: &mut dyn Emit) -> Result<(), Unrendered> {
    let mut raw = [].as_slice();
    for (number, value) in wire::fields(message).ok_or(WIRE)? {
        if number != 1 {
            return Err(WIRE);
        }
        raw = value.bytes().ok_or(WIRE)?;
    }
    if raw.is_empty() {
        return Ok(out.word("null")?);
    }
    replay::replay(raw, out)
}

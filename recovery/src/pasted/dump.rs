//! Dumps: `xxd`, `hexdump` and `od`, in the forms that name every byte.
//!
//! ```text
//! 00000000: 6b38 733a 656e 633a ...  k8s:enc:         xxd, any -g and -c
//! 00000000  6b 38 73 3a 65 6e 63 3a  ...  |k8s:enc:|  hexdump -C
//! 0000000 386b 3a73 6e65 3a63 ...                     hexdump, od -x: words of this machine's order
//! 0000000 034153 035163 067145 ...                    od: the same in octal
//! 000000 6b 38 73 3a 65 6e 63 3a ...  >k8s:enc:<      od -A x -t x1z; offsets octal, decimal or hex
//! *                                                   lines as the one before, up to the next offset
//! 0000020                                             the end
//! ```

use super::{MOST, byte};

/// What a text is to this reader.
pub(super) enum Dump {
    /// No dump.
    None,
    /// A dump, but cut, out of order, or its text does not fit its bytes.
    Broken,
    /// All bytes.
    Whole(Vec<u8>),
}

enum Line<'t> {
    /// The line before goes on.
    Star,
    /// Offset, units, and the column of text.
    Data(&'t [u8], Vec<&'t [u8]>, Option<&'t [u8]>),
    /// The offset after the last byte.
    End(&'t [u8]),
}

/// How the digits of a line are bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// One or more bytes, in order.
    Bytes,
    /// One byte in octal.
    Octal,
    /// A word of so many bytes, the lowest first.
    Word { bytes: usize, octal: bool },
}

pub(super) fn read(data: &[u8]) -> Dump {
    let mut lines = data
        .trim_ascii_end()
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .skip_while(|line| line.is_empty())
        .peekable();
    let first = *lines.peek().unwrap_or(&&b""[..]);
    match parse(first) {
        Some(Line::Data(offset, ..)) if offset.iter().all(|b| *b == b'0') => {}
        _ => return Dump::None,
    }
    // xxd counts in hexadecimal or, told so, in decimal; hexdump -C in hexadecimal; od in octal, or as told, and where it prints
    // the same lines as hexdump the offsets themselves decide.
    let bases: &[u32] = match first.iter().find(|b| !b.is_ascii_hexdigit()) {
        Some(b':') => &[16, 10],
        _ if first.ends_with(b"|") => &[16],
        _ => &[16, 8, 10],
    };
    let Some(lines) = lines.map(parse).collect::<Option<Vec<_>>>() else {
        return Dump::Broken;
    };
    let Some(unit) = unit(&lines) else {
        return Dump::Broken;
    };
    let mut found: Vec<Vec<u8>> = Vec::new();
    for base in bases {
        if let Some(bytes) = assemble(&lines, unit, *base)
            && !found.contains(&bytes)
        {
            found.push(bytes);
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(bytes), true) => Dump::Whole(bytes),
        _ => Dump::Broken,
    }
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    if line == b"*" {
        return Some(Line::Star);
    }
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (offset, rest) = line.split_at_checked(digits)?;
    if !(6..=16).contains(&digits) {
        return None;
    }
    if rest.is_empty() {
        return Some(Line::End(offset));
    }
    let (body, text): (Vec<&[u8]>, _) = if let Some(rest) = rest.strip_prefix(b": ") {
        // xxd sets its text off by two spaces, by more in the last line.
        let end = rest.windows(2).position(|two| two == b"  ");
        let (body, text) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        (units(body).collect(), Some(text))
    } else if rest.first().is_some_and(u8::is_ascii_whitespace) {
        let open = rest.iter().position(|b| matches!(b, b'|' | b'>'));
        match open.and_then(|open| rest.split_at_checked(open)) {
            Some((body, [b'|', text @ .., b'|'] | [b'>', text @ .., b'<'])) => {
                (units(body).collect(), Some(text))
            }
            Some(_) => return None,
            None => (units(rest).collect(), None),
        }
    } else {
        return None;
    };
    let well = !body.is_empty() && body.iter().flat_map(|it| *it).all(u8::is_ascii_hexdigit);
    well.then_some(Line::Data(offset, body, text))
}

fn units(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(u8::is_ascii_whitespace)
        .filter(|unit| !unit.is_empty())
}

/// The unit of all lines: the width of the digits tells.
fn unit(lines: &[Line<'_>]) -> Option<Unit> {
    let mut all = lines.iter().filter_map(|line| match line {
        Line::Data(_, units, text) => Some((units, text)),
        _ => None,
    });
    let (first, text) = all.next()?;
    // Beside a column of text all but od's words are bytes in order, and the column shows whether they are.
    if text.is_some() {
        let even = |units: &[&[u8]]| units.iter().all(|unit| unit.len().is_multiple_of(2));
        return (even(first) && all.all(|(units, text)| even(units) && text.is_some()))
            .then_some(Unit::Bytes);
    }
    let width = first.first()?.len();
    let same = |units: &[&[u8]]| units.iter().all(|unit| unit.len() == width);
    if !same(first) || !all.all(|(units, text)| same(units) && text.is_none()) {
        return None;
    }
    Some(match width {
        2 => Unit::Bytes,
        3 => Unit::Octal,
        4 => Unit::Word {
            bytes: 2,
            octal: false,
        },
        6 => Unit::Word {
            bytes: 2,
            octal: true,
        },
        8 => Unit::Word {
            bytes: 4,
            octal: false,
        },
        _ => return None,
    })
}

/// All bytes, if every offset is right in this base.
fn assemble(lines: &[Line<'_>], unit: Unit, base: u32) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    let (mut starred, mut ended) = (false, false);
    for line in lines {
        let offset = match line {
            _ if ended => return None,
            Line::Star if last.is_empty() => return None,
            Line::Star => {
                starred = true;
                continue;
            }
            Line::Data(offset, ..) | Line::End(offset) => number(offset, base)?,
        };
        if core::mem::take(&mut starred) {
            while out.len() < offset && offset <= MOST {
                out.extend_from_slice(&last);
            }
        }
        match line {
            Line::Data(_, units, text) => {
                if offset != out.len() {
                    return None;
                }
                last = bytes(units, unit)?;
                if text.is_some_and(|text| !fits(&last, text)) {
                    return None;
                }
                out.extend_from_slice(&last);
            }
            _ => {
                ended = true;
                cut(&mut out, offset, unit)?;
            }
        }
    }
    // The last word may be half padding, and only the end tells.
    let open = matches!(unit, Unit::Word { .. }) && !ended && out.last() == Some(&0);
    (!starred && !open).then_some(out)
}

/// Takes the zeros off that fill the last word.
fn cut(out: &mut Vec<u8>, end: usize, unit: Unit) -> Option<()> {
    let spare = match unit {
        Unit::Word { bytes, .. } => bytes - 1,
        _ => 0,
    };
    let padding = out.get(end..)?;
    if padding.len() > spare || padding.iter().any(|b| *b != 0) {
        return None;
    }
    out.truncate(end);
    Some(())
}

fn bytes(units: &[&[u8]], unit: Unit) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(16);
    for digits in units {
        match unit {
            Unit::Bytes => {
                for pair in digits.chunks(2) {
                    let [high, low] = pair else { return None };
                    out.push(byte(*high, *low)?);
                }
            }
            Unit::Octal => out.push(u8::try_from(number(digits, 8)?).ok()?),
            Unit::Word { bytes, octal } => {
                let value = number(digits, if octal { 8 } else { 16 })?;
                let all = u64::try_from(value).ok()?.to_le_bytes();
                let (low, high) = all.split_at_checked(bytes)?;
                if high.iter().any(|b| *b != 0) {
                    return None;
                }
                out.extend_from_slice(low);
            }
        }
    }
    Some(out)
}

fn number(digits: &[u8], base: u32) -> Option<usize> {
    usize::from_str_radix(core::str::from_utf8(digits).ok()?, base).ok()
}

/// Whether the column of text shows these bytes. Spaces at its ends get lost in pasting; what is no ASCII was drawn by another
/// tool's rules.
fn fits(bytes: &[u8], text: &[u8]) -> bool {
    let shown: Vec<u8> = bytes
        .iter()
        .map(|b| if matches!(b, b' '..=b'~') { *b } else { b'.' })
        .collect();
    !text.is_ascii() || shown.trim_ascii() == text.trim_ascii()
}

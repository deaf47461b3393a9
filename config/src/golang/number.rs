//! Numbers: how go-yaml reads a plain scalar and how encoding/json prints what it read.

use zeroize::Zeroizing;

/// A number a plain YAML scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
}

/// What go-yaml v2 makes of a scalar that begins with a digit, a sign or a dot.
pub(crate) fn resolve_number(text: &str) -> Option<Number> {
    // What begins like a number may be a key; the most room is taken at once, so that nothing is left behind by growing.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|c| *c != '_'));
    if text.starts_with('.') {
        // strconv.ParseFloat takes underscores between digits only.
        let between_digits = text
            .split('_')
            .skip(1)
            .all(|part| digit(part.bytes().next()))
            && text
                .rsplit('_')
                .skip(1)
                .all(|part| digit(part.bytes().last()));
        return between_digits
            .then(|| finite(&plain))
            .flatten()
            .map(Number::Float);
    }
    if let Some(n) = parse_int(&plain) {
        return Some(n);
    }
    if is_yaml_float(&plain) {
        return finite(&plain).map(Number::Float);
    }
    // go-yaml's second look at binary lets a second sign through.
    let binary = plain
        .strip_prefix("0b")
        .map(|digits| i64::from_str_radix(digits, 2).ok());
    let negative = plain.strip_prefix("-0b").and_then(|digits| {
        let digits = digits
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(digits)?;
        i64::from_str_radix(&Zeroizing::new(format!("-{digits}")), 2).ok()
    });
    binary.flatten().or(negative).map(Number::Int)
}

fn digit(byte: Option<u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_digit())
}

fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|f| f.is_finite())
}

/// `strconv.ParseInt` and then `ParseUint` with base 0, underscores already gone.
fn parse_int(text: &str) -> Option<Number> {
    let (negative, signed, magnitude) = match text.as_bytes().first() {
        Some(b'-') => (true, true, text.get(1..)?),
        Some(b'+') => (false, true, text.get(1..)?),
        _ => (false, false, text),
    };
    let value = parse_magnitude(magnitude)?;
    if negative {
        return 0i64.checked_sub_unsigned(value).map(Number::Int);
    }
    match i64::try_from(value) {
        Ok(value) => Some(Number::Int(value)),
        Err(_) if signed => None,
        Err(_) => Some(Number::Uint(value)),
    }
}

fn parse_magnitude(text: &str) -> Option<u64> {
    let (radix, digits) = match text.as_bytes() {
        [b'0'] => return Some(0),
        [b'0', b'b' | b'B', _, ..] => (2, text.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, text.get(2..)?),
        [b'0', b'x' | b'X', _, ..] => (16, text.get(2..)?),
        [b'0', ..] => (8, text.get(1..)?),
        _ => (10, text),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_yaml_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa_ok && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

/// A float as encoding/json prints it.
pub(crate) fn json_float(value: f64) -> String {
    let text = to_even(format!("{value:e}"), value, |text| {
        text.parse() == Ok(value)
    });
    let Some((digits, exponent)) = split(&text) else {
        return text;
    };
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return plain(digits, exponent);
    }
    let sign = if exponent < 0 { "" } else { "+" };
    format!("{digits}e{sign}{exponent}")
}

/// A float mapping key as sigs.k8s.io/yaml prints it: `strconv.FormatFloat(f, 'g', -1, 32)`.
pub(crate) fn key_float(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "upstream prints keys as 32-bit floats"
    )]
    let narrow = value as f32;
    if narrow.is_infinite() {
        return if narrow > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    if narrow.is_nan() {
        return ".nan".to_owned();
    }
    shortest_g(to_even(format!("{narrow:e}"), f64::from(narrow), |text| {
        text.parse() == Ok(narrow)
    }))
}

/// A float as `fmt` prints it for `%v`: `strconv.FormatFloat(f, 'g', -1, 64)`.
pub(crate) fn go_float(value: f64) -> String {
    shortest_g(to_even(format!("{value:e}"), value, |text| {
        text.parse() == Ok(value)
    }))
}

/// Scientific text in the form that `%g` gives it.
fn shortest_g(text: String) -> String {
    let Some((digits, exponent)) = split(&text) else {
        return text;
    };
    // Zero has the exponent 0.
    if (-4..6).contains(&exponent) {
        return plain(digits, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The shortest text of a float, in scientific form. Where two of that length lie equally near, Go takes the even one and
/// Rust the larger.
fn to_even(shortest: String, value: f64, is_same: impl Fn(&str) -> bool) -> String {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let even = format!("{value:.*e}", digits.saturating_sub(1));
    if is_same(&even) { even } else { shortest }
}

fn split(scientific: &str) -> Option<(&str, i32)> {
    let (digits, exponent) = scientific.split_once('e')?;
    Some((digits, exponent.parse().ok()?))
}

/// `-1.25` and an exponent, without the exponent.
fn plain(digits: &str, exponent: i32) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let figures = digits.replace('.', "");
    let point = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    if exponent < 0 {
        return format!("{sign}0.{}{figures}", "0".repeat(point.saturating_sub(1)));
    }
    if figures.len() <= point {
        let zeros = "0".repeat(point.saturating_sub(figures.len()).saturating_add(1));
        return format!("{sign}{figures}{zeros}");
    }
    match figures.split_at_checked(point.saturating_add(1)) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{figures}"),
    }
}

/// Reads JSON number text into Go's int32, as encoding/json does: no fraction, no exponent.
pub(crate) fn json_int32(text: &str) -> Option<i32> {
    text.parse().ok()
}

//! `netip.ParseAddr`, for the words with which it refuses what stands in a URL's brackets.

use super::{quote, quote_bytes};

/// Whether an address is IPv4, or Go's text.
pub(super) fn parse_addr(bytes: &[u8]) -> Result<bool, String> {
    let shown = quote_bytes(bytes);
    let text = String::from_utf8_lossy(bytes);
    let refuse = |message: &str| Err(told(&shown, message, ""));
    match bytes.iter().find(|b| matches!(b, b'.' | b':' | b'%')) {
        Some(b'.') => ipv4_fields(&shown, &text).map(|()| true),
        Some(b':') => ipv6(&shown, &text).map(|()| false),
        Some(_) => refuse("missing IPv6 address"),
        None => refuse("unable to parse IP"),
    }
}

fn told(shown: &str, message: &str, at: &str) -> String {
    let place = if at.is_empty() {
        String::new()
    } else {
        format!(" (at {})", quote(at))
    };
    format!("ParseAddr({shown}): {message}{place}")
}

fn ipv4_fields(shown: &str, fields: &str) -> Result<(), String> {
    let refuse = |message: &str, at: &str| Err(told(shown, message, at));
    let (mut value, mut digits, mut dots) = (0u32, 0, 0);
    let mut before = b'.';
    for (i, byte) in fields.bytes().enumerate() {
        let rest = fields.get(i..).unwrap_or("");
        match byte {
            b'0'..=b'9' if digits == 1 && value == 0 => {
                return refuse("IPv4 field has octet with leading zero", "");
            }
            b'0'..=b'9' => {
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return refuse("IPv4 field has value >255", "");
                }
            }
            b'.' if before == b'.' || rest.len() == 1 => {
                return refuse("IPv4 field must have at least one digit", rest);
            }
            b'.' if dots == 3 => return refuse("IPv4 address too long", ""),
            b'.' => {
                dots += 1;
                (value, digits) = (0, 0);
            }
            _ => return refuse("unexpected character", rest),
        }
        before = byte;
    }
    if dots < 3 {
        refuse("IPv4 address too short", "")
    } else {
        Ok(())
    }
}

fn ipv6(shown: &str, whole: &str) -> Result<(), String> {
    let refuse = |message: &str, at: &str| Err(told(shown, message, at));
    let mut rest = match whole.split_once('%') {
        Some((_, "")) => return refuse("zone must be a non-empty string", ""),
        Some((address, _)) => address,
        None => whole,
    };
    let mut ellipsis = false;
    if let Some(after) = rest.strip_prefix("::") {
        ellipsis = true;
        rest = after;
        if rest.is_empty() {
            return Ok(());
        }
    }
    let mut bytes = 0;
    while bytes < 16 {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits > 4 {
            return refuse("each group must have 4 or less digits", rest);
        }
        if digits == 0 {
            return refuse(
                "each colon-separated field must have at least one digit",
                rest,
            );
        }
        let after = rest.get(digits..).unwrap_or("");
        if after.starts_with('.') {
            if !ellipsis && bytes != 12 {
                return refuse(
                    "embedded IPv4 address must replace the final 2 fields of the address",
                    rest,
                );
            }
            if bytes + 4 > 16 {
                return refuse(
                    "too many hex fields to fit an embedded IPv4 at the end of the address",
                    rest,
                );
            }
            ipv4_fields(shown, rest)?;
            bytes += 4;
            rest = "";
            break;
        }
        bytes += 2;
        rest = after;
        if rest.is_empty() {
            break;
        }
        match rest.strip_prefix(':') {
            None => return refuse("unexpected character, want colon", rest),
            Some("") => return refuse("colon must be followed by more characters", rest),
            Some(after) => rest = after,
        }
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis {
                return refuse("multiple :: in address", rest);
            }
            ellipsis = true;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return refuse("trailing garbage after address", rest);
    }
    match (bytes < 16, ellipsis) {
        (true, false) => refuse("address string too short", ""),
        (false, true) => refuse("the :: must expand to at least one field of zeros", ""),
        _ => Ok(()),
    }
}

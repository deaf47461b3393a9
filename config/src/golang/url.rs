//! `net/url.Parse`, as far as an endpoint's verdict needs it: the errors, the scheme and the path.

use super::{quote, quote_bytes};

/// The parts of an accepted URL that decide something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Lower-cased.
    pub scheme: String,
    /// Percent escapes decoded; empty for opaque URLs such as `unix:foo`.
    pub path: Vec<u8>,
    /// What follows the scheme when it does not begin with a slash.
    pub opaque: bool,
    /// Whether an authority such as `host` in `unix://host/path` was given; upstream ignores it.
    pub host: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Other,
}

/// Parses as Go does; the error is Go's text with the `parse "…": ` prefix.
pub(crate) fn parse(raw: &str) -> Result<Url, String> {
    let (before, fragment) = raw.split_once('#').unwrap_or((raw, ""));
    let url = parse_before_fragment(before).map_err(|e| format!("parse {}: {e}", quote(before)))?;
    unescape(fragment, Part::Other).map_err(|e| format!("parse {}: {e}", quote(raw)))?;
    Ok(url)
}

fn parse_before_fragment(raw: &str) -> Result<Url, String> {
    if raw.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if raw == "*" {
        return Ok(Url {
            scheme: String::new(),
            path: b"*".to_vec(),
            opaque: false,
            host: false,
        });
    }
    let (scheme, mut rest) = split_scheme(raw)?;
    let scheme = scheme.to_ascii_lowercase();
    rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(Url {
                scheme,
                path: Vec::new(),
                opaque: true,
                host: false,
            });
        }
        let segment = rest.split('/').next().unwrap_or("");
        if segment.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let mut host = false;
    if (!scheme.is_empty() || !rest.starts_with("///"))
        && let Some(after) = rest.strip_prefix("//")
    {
        let cut = after.find('/').unwrap_or(after.len());
        let (authority, path) = after.split_at_checked(cut).unwrap_or((after, ""));
        check_authority(&scheme, authority)?;
        host = !authority.is_empty();
        rest = path;
    }
    let path = unescape(rest, Part::Other)?;
    Ok(Url {
        scheme,
        path,
        opaque: false,
        host,
    })
}

fn split_scheme(raw: &str) -> Result<(&str, &str), String> {
    for (i, c) in raw.bytes().enumerate() {
        match c {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok(raw.split_once(':').unwrap_or(("", raw))),
            _ => break,
        }
    }
    Ok(("", raw))
}

fn check_authority(scheme: &str, authority: &str) -> Result<(), String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return check_host(scheme, authority);
    };
    check_host(scheme, host)?;
    let valid = user
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c));
    if !valid {
        return Err("net/url: invalid userinfo".to_owned());
    }
    match user.split_once(':') {
        Some((name, password)) => {
            unescape(name, Part::Other)?;
            unescape(password, Part::Other)?;
        }
        None => {
            unescape(user, Part::Other)?;
        }
    }
    Ok(())
}

fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    match host.rfind('[') {
        Some(0) => return check_ip_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    // Elsewhere Go still lets several hosts through, as databases write them.
    let strict = matches!(scheme, "http" | "https");
    let port = if strict {
        host.split_once(':')
    } else {
        host.rsplit_once(':')
    };
    if let Some((_, port)) = port {
        check_port(port)?;
    }
    unescape(host, Part::Host).map(drop)
}

fn check_port(digits: &str) -> Result<(), String> {
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!(
        "invalid port {} after host",
        quote(&format!(":{digits}"))
    ))
}

fn check_ip_literal(host: &str) -> Result<(), String> {
    let Some((inner, after)) = host.rsplit_once(']') else {
        return Err("missing ']' in host".to_owned());
    };
    match after.strip_prefix(':') {
        Some(port) => check_port(port)?,
        None if after.is_empty() => {}
        None => return Err(format!("invalid port {} after host", quote(after))),
    }
    let name = inner.strip_prefix('[').unwrap_or(inner);
    let address = match name.find("%25").and_then(|at| name.split_at_checked(at)) {
        Some((address, zone)) => {
            let mut address = unescape(address, Part::Host)?;
            address.extend(unescape(zone, Part::Zone)?);
            address
        }
        None => unescape(name, Part::Host)?,
    };
    match super::ip::parse_addr(&address) {
        Ok(true) => Err("invalid IP-literal".to_owned()),
        Ok(false) => Ok(()),
        Err(text) => Err(format!("invalid host: {text}")),
    }
}

fn host_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&b)
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            if part != Part::Other && *first < 0x80 && !host_byte(*first) {
                let shown = quote(&char::from(*first).to_string());
                return Err(format!("invalid character {shown} in host name"));
            }
            out.push(*first);
            rest = after;
            continue;
        }
        let refuse = || {
            let shown = rest.get(..3).unwrap_or(rest);
            Err(format!("invalid URL escape {}", quote_bytes(shown)))
        };
        let [high, low, tail @ ..] = after else {
            return refuse();
        };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
            return refuse();
        };
        let byte = high << 4 | low;
        let refused = match part {
            Part::Host => high < 8 && byte != b'%',
            Part::Zone => byte != b'%' && byte != b' ' && !host_byte(byte),
            Part::Other => false,
        };
        if refused {
            return refuse();
        }
        out.push(byte);
        rest = tail;
    }
    Ok(out)
}

fn hex(b: u8) -> Option<u8> {
    char::from(b)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

//! What `etcdctl get` prints.

use core::fmt;
use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use serde::de::{Deserializer, IgnoredAny, Visitor};
use serde::{Deserialize, de};

use super::{Form, Pasted, byte};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'t> {
    #[serde(rename = "header")]
    _header: IgnoredAny,
    #[serde(borrow, default)]
    kvs: Vec<Pair<'t>>,
    #[serde(rename = "count", default)]
    _count: IgnoredAny,
    #[serde(rename = "more", default)]
    _more: IgnoredAny,
}

#[derive(Deserialize)]
struct Pair<'t> {
    #[serde(borrow)]
    key: Cow<'t, str>,
    #[serde(borrow, default)]
    value: Cow<'t, str>,
    #[serde(default)]
    mod_revision: Revision,
}

/// A number in etcdctl's JSON, text in that of etcd's gateway.
#[derive(Default)]
struct Revision(Option<i64>);

impl<'t> Deserialize<'t> for Revision {
    fn deserialize<D: Deserializer<'t>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self(None))
    }
}

impl Visitor<'_> for Revision {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a revision")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self, E> {
        Ok(Self(i64::try_from(number).ok()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self, E> {
        let number = text.parse().map_err(|_| E::custom("no revision"))?;
        Ok(Self(Some(number)))
    }
}

/// `-w json`: keys and values are base64, and `kvs` is absent when nothing was found. A custom resource is JSON too, but has
/// other fields.
pub(super) fn json(data: &[u8]) -> Option<Vec<Pasted>> {
    let data = data.trim_ascii();
    if !data.starts_with(b"{") {
        return None;
    }
    let answer: Answer<'_> = serde_json::from_slice(data).ok()?;
    let pairs = answer.kvs.into_iter().map(|pair| {
        Some(Pasted {
            etcd_key: Some(Base64::decode_vec(&pair.key).ok()?),
            mod_revision: pair.mod_revision.0,
            ..Pasted::new(Base64::decode_vec(&pair.value).ok()?, Form::EtcdctlJson)
        })
    });
    pairs.collect()
}

/// `-w fields`: one field a line, texts quoted as Go quotes them.
pub(super) fn fields(data: &[u8]) -> Option<Vec<Pasted>> {
    let data = data.trim_ascii();
    if !data.starts_with(b"\"ClusterID\" : ") {
        return None;
    }
    let (mut found, mut key, mut revision) = (Vec::new(), None, None);
    for line in data.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end) {
        if let Some(text) = line.strip_prefix(b"\"Key\" : ") {
            key = Some(unquoted(text)?);
        } else if let Some(text) = line.strip_prefix(b"\"ModRevision\" : ") {
            revision = core::str::from_utf8(text).ok()?.parse().ok();
        } else if let Some(text) = line.strip_prefix(b"\"Value\" : ") {
            found.push(Pasted {
                etcd_key: Some(key.take()?),
                mod_revision: revision.take(),
                ..Pasted::new(unquoted(text)?, Form::EtcdctlFields)
            });
        }
    }
    Some(found)
}

/// The bytes of a text in double quotes, by the rules of Go's `strconv.Quote`.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match first {
            b'"' => return None,
            b'\\' => {
                let (kind, more) = rest.split_first()?;
                rest = more;
                let wide = match kind {
                    b'x' => 2,
                    b'u' => 4,
                    b'U' => 8,
                    _ => 0,
                };
                let (digits, more) = rest.split_at_checked(wide)?;
                rest = more;
                match (kind, digits) {
                    (b'x', [high, low]) => out.push(byte(*high, *low)?),
                    (b'u' | b'U', _) => {
                        let code = u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16);
                        let letter = char::from_u32(code.ok()?)?;
                        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    (kind, _) => out.push(escape(*kind)?),
                }
            }
            other => out.push(*other),
        }
    }
    Some(out)
}

const fn escape(kind: u8) -> Option<u8> {
    Some(match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' | b'"' => kind,
        _ => return None,
    })
}

/// `--hex`: lines of `\x6b\x38…`, key and value in turn, or one value alone.
pub(super) fn hex(data: &[u8]) -> Option<Vec<Pasted>> {
    let lines = data
        .split(u8::is_ascii_whitespace)
        .filter(|line| !line.is_empty());
    let parts: Vec<Vec<u8>> = lines.map(escaped).collect::<Option<_>>()?;
    match parts.as_slice() {
        [] => None,
        [value] => Some(vec![Pasted::new(value.clone(), Form::EtcdctlHex)]),
        pairs if pairs.len().is_multiple_of(2) => {
            let pairs = pairs.chunks(2).map(|pair| {
                let [key, value] = pair else { return None };
                Some(Pasted {
                    etcd_key: Some(key.clone()),
                    ..Pasted::new(value.clone(), Form::EtcdctlHex)
                })
            });
            pairs.collect()
        }
        _ => None,
    }
}

fn escaped(line: &[u8]) -> Option<Vec<u8>> {
    let bytes = line.chunks(4).map(|escape| match escape {
        [b'\\', b'x', high, low] => byte(*high, *low),
        _ => None,
    });
    bytes.collect()
}

/// Without options: the key, a line feed, the value, a line feed. No stored value begins with a slash.
pub(super) fn plain(data: &[u8]) -> Option<Pasted> {
    let end = data.iter().position(|b| *b == b'\n')?;
    let (key, value) = data.split_at_checked(end)?;
    let value = value.strip_prefix(b"\n")?.strip_suffix(b"\n")?;
    key.starts_with(b"/").then(|| Pasted {
        etcd_key: Some(key.to_vec()),
        ..Pasted::new(value.to_vec(), Form::Etcdctl)
    })
}

//! JSON objects, as far as type and name.
//!
//! The text is read with serde_json up to the fields that are asked for and no further, so
//! a mebibyte of `data` behind them costs nothing. serde_json bounds its own recursion.

use alloc::borrow::Cow;
use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::form::{Meta, TypeMeta};

/// The text from its `{` on, when the bytes start as kube-apiserver recognises JSON:
/// Unicode white space, then `{`.
pub(crate) fn object_text(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let &first = rest.first()?;
        if first == b'{' {
            return Some(rest);
        }
        let (space, length) = first_char(rest)?;
        if !space.is_whitespace() {
            return None;
        }
        rest = rest.get(length..)?;
    }
}

fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let valid = |n: usize| {
        bytes
            .get(..n)
            .and_then(|head| core::str::from_utf8(head).ok())
    };
    let letter = (1..=4).find_map(valid)?.chars().next()?;
    Some((letter, letter.len_utf8()))
}

pub(crate) fn type_meta(text: &[u8]) -> TypeMeta<'_> {
    let mut found = Found::default();
    let _ = found.read(text, |found| {
        found.api_version.is_some() && found.kind.is_some()
    });
    TypeMeta {
        api_version: found.api_version.unwrap_or_default(),
        kind: found.kind.unwrap_or_default(),
    }
}

/// `None` where the text is damaged before all that was asked for has been read.
pub(crate) fn metadata(text: &[u8]) -> Option<Meta<'_>> {
    let mut found = Found::default();
    let complete = found.read(text, |found| {
        found.api_version.is_some() && found.kind.is_some() && found.metadata.is_some()
    });
    if !complete {
        return None;
    }
    let named = found.metadata.unwrap_or_default();
    Some(Meta {
        api_version: found.api_version.unwrap_or_default(),
        kind: found.kind.unwrap_or_default(),
        namespace: named.namespace.unwrap_or_default().0,
        name: named.name.unwrap_or_default().0,
        created: named.created.and_then(|text| seconds(&text.0)),
    })
}

#[derive(Default)]
struct Found<'a> {
    api_version: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    metadata: Option<Named<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow, rename = "creationTimestamp")]
    created: Option<Text<'a>>,
}

/// Seconds since 1970 of a time as Kubernetes writes it, `2026-10-05T08:15:30Z`.
fn seconds(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let numbers = |text: &str, at: char| -> Option<[i64; 3]> {
        let mut parts = text.split(at).map(|part| part.parse::<i64>().ok());
        let three = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(three)
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let possible = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !possible {
        return None;
    }
    // Years from March on, so that the day that leaps is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// A string that is borrowed where it holds no escape.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Found<'a> {
    /// Reads until `enough`, or to the end of the object. `false` where the text is damaged.
    fn read(&mut self, text: &'a [u8], enough: fn(&Self) -> bool) -> bool {
        let mut reader = serde_json::Deserializer::from_slice(text);
        // Stopping early is an error to serde; `enough` tells it from a real one.
        let read = Reading {
            found: self,
            enough,
        }
        .deserialize(&mut reader);
        read.is_ok() || enough(self)
    }
}

struct Reading<'f, 'a> {
    found: &'f mut Found<'a>,
    enough: fn(&Found<'a>) -> bool,
}

impl<'a> DeserializeSeed<'a> for Reading<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Reading<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(field) = map.next_key::<Text<'a>>()? {
            match field.0.as_ref() {
                "apiVersion" => self.found.api_version = Some(map.next_value::<Text<'a>>()?.0),
                "kind" => self.found.kind = Some(map.next_value::<Text<'a>>()?.0),
                "metadata" => self.found.metadata = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if (self.enough)(self.found) {
                return Err(M::Error::custom("read enough"));
            }
        }
        Ok(())
    }
}

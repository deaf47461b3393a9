//! Kubernetes protobuf, as far as type and name.
//!
//! ```text
//! runtime.Unknown   1 typeMeta {1 apiVersion, 2 kind} | 2 raw | 3 contentEncoding | 4 contentType
//! any object        1 metadata                        | ...
//! metav1.ObjectMeta 1 name | 2 generateName | 3 namespace | 8 creationTimestamp {1 seconds | 2 nanos} | ...
//! ```

use alloc::borrow::Cow;
use core::str;

use crate::form::{Meta, PROTOBUF, TypeMeta};
use crate::wire;

/// The envelope that follows `k8s\0`, its lengths checked to the last byte.
pub(crate) struct Unknown<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
    encoding: &'a [u8],
}

impl<'a> Unknown<'a> {
    pub(crate) fn parse(envelope: &'a [u8]) -> Option<Self> {
        let [mut words, mut raw, mut encoding] = [[].as_slice(); 3];
        each_field(envelope, |number, bytes| match number {
            1 => words = bytes,
            2 => raw = bytes,
            3 => encoding = bytes,
            _ => {}
        })?;
        let (mut api_version, mut kind) = ([].as_slice(), [].as_slice());
        each_field(words, |number, bytes| match number {
            1 => api_version = bytes,
            2 => kind = bytes,
            _ => {}
        })?;
        Some(Self {
            api_version: str::from_utf8(api_version).ok()?,
            kind: str::from_utf8(kind).ok()?,
            raw,
            encoding,
        })
    }

    /// The envelope of a whole plaintext.
    pub(crate) fn of(plaintext: &'a [u8]) -> Option<Self> {
        Self::parse(plaintext.strip_prefix(PROTOBUF)?)
    }

    /// apiVersion and kind.
    pub(crate) const fn words(&self) -> (&'a str, &'a str) {
        (self.api_version, self.kind)
    }

    /// The object's own message.
    pub(crate) const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether `raw` is compressed or otherwise encoded, which no release does.
    pub(crate) const fn is_encoded(&self) -> bool {
        !self.encoding.is_empty()
    }

    pub(crate) fn type_meta(&self) -> TypeMeta<'a> {
        TypeMeta {
            api_version: Cow::Borrowed(self.api_version),
            kind: Cow::Borrowed(self.kind),
        }
    }

    pub(crate) fn metadata(&self) -> Option<Meta<'a>> {
        let mut object_meta = [].as_slice();
        each_field(self.raw, |number, bytes| {
            if number == 1 {
                object_meta = bytes;
            }
        })?;
        let [mut name, mut namespace, mut created] = [[].as_slice(); 3];
        each_field(object_meta, |number, bytes| match number {
            1 => name = bytes,
            3 => namespace = bytes,
            8 => created = bytes,
            _ => {}
        })?;
        Some(Meta {
            api_version: Cow::Borrowed(self.api_version),
            kind: Cow::Borrowed(self.kind),
            namespace: Cow::Borrowed(str::from_utf8(namespace).ok()?),
            name: Cow::Borrowed(str::from_utf8(name).ok()?),
            created: seconds(created),
        })
    }
}

/// The seconds of a `metav1.Time`; zero, which Kubernetes writes for none, is none.
fn seconds(time: &[u8]) -> Option<i64> {
    match wire::field(time)? {
        (1, wire::Value::Varint(seconds), _) => Some(seconds.cast_signed()).filter(|s| *s > 0),
        _ => None,
    }
}

/// Whether a Kubernetes protobuf object begins here: its magic with an apiVersion and a kind behind it. The object itself may
/// be cut.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    let words = bytes.strip_prefix(PROTOBUF).and_then(wire::field);
    let Some((1, wire::Value::Bytes(words), _)) = words else {
        return false;
    };
    let mut complete = [false; 2];
    let well_formed = each_field(words, |number, text| {
        let printable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
        if let (1..=2, true) = (number, printable) {
            complete = [complete[0] || number == 1, complete[1] || number == 2];
        }
    });
    well_formed.is_some() && complete == [true, true]
}

/// Calls `visit` with number and bytes of each length-delimited field; `None` where the
/// message is malformed. Later fields replace earlier ones, as protobuf has it for scalars.
fn each_field<'a>(mut message: &'a [u8], mut visit: impl FnMut(u64, &'a [u8])) -> Option<()> {
    while !message.is_empty() {
        let (number, value, rest) = wire::field(message)?;
        if let wire::Value::Bytes(bytes) = value {
            visit(number, bytes);
        }
        message = rest;
    }
    Some(())
}

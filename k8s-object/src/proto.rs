//! Kubernetes protobuf, as far as type and name.
//!
//! ```text
//! runtime.Unknown   1 typeMeta {1 apiVersion, 2 kind} | 2 raw | 3 contentEncoding | 4 contentType
//! any object        1 metadata                        | ...
//! metav1.ObjectMeta 1 name | 2 generateName | 3 namespace | ...
//! ```

use alloc::borrow::Cow;
use core::str;

use crate::form::{Meta, TypeMeta};

/// The envelope that follows `k8s\0`, its lengths checked to the last byte.
pub(crate) struct Unknown<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
}

impl<'a> Unknown<'a> {
    pub(crate) fn parse(envelope: &'a [u8]) -> Option<Self> {
        let (mut words, mut raw) = ([].as_slice(), [].as_slice());
        each_field(envelope, |number, bytes| match number {
            1 => words = bytes,
            2 => raw = bytes,
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
        })
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
        let (mut name, mut namespace) = ([].as_slice(), [].as_slice());
        each_field(object_meta, |number, bytes| match number {
            1 => name = bytes,
            3 => namespace = bytes,
            _ => {}
        })?;
        Some(Meta {
            api_version: Cow::Borrowed(self.api_version),
            kind: Cow::Borrowed(self.kind),
            namespace: Cow::Borrowed(str::from_utf8(namespace).ok()?),
            name: Cow::Borrowed(str::from_utf8(name).ok()?),
        })
    }
}

/// Calls `visit` with number and bytes of each length-delimited field; `None` where the
/// message is malformed. Later fields replace earlier ones, as protobuf has it for scalars.
fn each_field<'a>(mut message: &'a [u8], mut visit: impl FnMut(u64, &'a [u8])) -> Option<()> {
    while !message.is_empty() {
        let (key, rest) = varint(message)?;
        let number = key >> 3;
        if number == 0 {
            return None;
        }
        message = match key & 7 {
            0 => varint(rest)?.1,
            1 => rest.get(8..)?,
            2 => {
                let (length, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                visit(number, bytes);
                rest
            }
            5 => rest.get(4..)?,
            // Groups: no Kubernetes type has them.
            _ => return None,
        };
    }
    Some(())
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    let mut rest = bytes;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, rest));
        }
    }
    None
}

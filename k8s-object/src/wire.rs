//! Protobuf's wire format, of which Kubernetes uses all but groups.

use alloc::vec::Vec;

/// One field's value, not yet understood.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Four bytes, which no Kubernetes type has.
    Fixed32,
}

impl<'a> Value<'a> {
    pub(crate) const fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// All fields with their numbers, in order; `None` where the message is malformed.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (number, value, rest) = field(message)?;
        fields.push((number, value));
        message = rest;
    }
    Some(fields)
}

/// The first field: its number, its value and what follows.
pub(crate) fn field(message: &[u8]) -> Option<(u64, Value<'_>, &[u8])> {
    let (key, rest) = varint(message)?;
    let number = key >> 3;
    if number == 0 {
        return None;
    }
    let (value, rest) = match key & 7 {
        0 => {
            let (number, rest) = varint(rest)?;
            (Value::Varint(number), rest)
        }
        1 => {
            let (bits, rest) = rest.split_first_chunk()?;
            (Value::Fixed64(u64::from_le_bytes(*bits)), rest)
        }
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(bytes), rest)
        }
        5 => (Value::Fixed32, rest.get(4..)?),
        // Groups: no Kubernetes type has them.
        _ => return None,
    };
    Some((number, value, rest))
}

pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
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

//! `mvccpb.KeyValue`, the value of a row, borrowed from its page.
//!     1 key | 2 create_revision | 3 mod_revision | 4 version | 5 value | 6 lease; zero and empty fields are left out

use core::fmt;

/// One revision of one etcd key. `Debug` prints lengths instead of name and value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyValue<'a> {
    /// The etcd key, here called the name. Bytes of unknown origin: escape before printing.
    pub key: &'a [u8],
    /// Revision (main) that created the key this time.
    pub create_revision: i64,
    /// Revision (main) of this row.
    pub mod_revision: i64,
    /// Writes since creation, 1 for the first.
    pub version: i64,
    /// What the client stored.
    pub value: &'a [u8],
    /// Lease id, 0 for none.
    pub lease: i64,
}

/// The bytes are not a `KeyValue` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValueFault;

impl fmt::Debug for KeyValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue")
            .field("key", &format_args!("{} bytes", self.key.len()))
            .field("create_revision", &self.create_revision)
            .field("mod_revision", &self.mod_revision)
            .field("version", &self.version)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .field("lease", &self.lease)
            .finish()
    }
}

impl<'a> KeyValue<'a> {
    /// Parses as Go's generated code does: any field order, the last duplicate wins, unknown fields are skipped.
    ///
    /// # Errors
    /// A varint of more than 10 bytes, a length beyond the message, field number 0, a known field of the wrong wire
    /// type, or a group.
    pub fn parse(mut message: &'a [u8]) -> Result<Self, KeyValueFault> {
        // The order every etcd writes, straight through; what is left over goes the general way.
        let mut kv = Self {
            key: bytes_field(&mut message, 0x0a).ok_or(KeyValueFault)?,
            create_revision: varint_field(&mut message, 0x10).ok_or(KeyValueFault)?,
            mod_revision: varint_field(&mut message, 0x18).ok_or(KeyValueFault)?,
            version: varint_field(&mut message, 0x20).ok_or(KeyValueFault)?,
            value: bytes_field(&mut message, 0x2a).ok_or(KeyValueFault)?,
            lease: varint_field(&mut message, 0x30).ok_or(KeyValueFault)?,
        };
        while !message.is_empty() {
            let (field, rest) = Field::parse(message).ok_or(KeyValueFault)?;
            message = rest;
            match (field.number, field.data) {
                (1, Data::Bytes(b)) => kv.key = b,
                (2, Data::Varint(v)) => kv.create_revision = v.cast_signed(),
                (3, Data::Varint(v)) => kv.mod_revision = v.cast_signed(),
                (4, Data::Varint(v)) => kv.version = v.cast_signed(),
                (5, Data::Bytes(b)) => kv.value = b,
                (6, Data::Varint(v)) => kv.lease = v.cast_signed(),
                (1..=6, _) => return Err(KeyValueFault),
                _ => {}
            }
        }
        Ok(kv)
    }
}

/// One field of a protobuf message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) data: Data<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Field<'a> {
    #[inline]
    pub(crate) fn parse(message: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (tag, rest) = varint(message)?;
        let number = tag >> 3;
        // Go's generated code takes field numbers as int32 and refuses those that are not positive.
        if number == 0 || number > 0x1fff_ffff {
            return None;
        }
        let (data, rest) = match tag & 7 {
            0 => {
                let (value, rest) = varint(rest)?;
                (Data::Varint(value), rest)
            }
            1 => (Data::Fixed, rest.get(8..)?),
            2 => {
                let (len, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Data::Bytes(bytes), rest)
            }
            5 => (Data::Fixed, rest.get(4..)?),
            _ => return None,
        };
        Some((Self { number, data }, rest))
    }
}

/// The field that `tag` opens, if it comes next; empty or 0 if another does.
#[inline]
fn bytes_field<'a>(message: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let Some(rest) = message.strip_prefix(&[tag]) else {
        return Some(&[]);
    };
    let (len, rest) = varint(rest)?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *message = rest;
    Some(bytes)
}

#[inline]
fn varint_field(message: &mut &[u8], tag: u8) -> Option<i64> {
    let Some(rest) = message.strip_prefix(&[tag]) else {
        return Some(0);
    };
    let (value, rest) = varint(rest)?;
    *message = rest;
    Some(value.cast_signed())
}

#[inline]
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u64::from(first), rest));
    }
    // Lengths and revisions take two to five bytes here and there: one load and no branch on the length.
    if let Some(chunk) = bytes.first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends != 0 {
            let len = ends.trailing_zeros() / 8 + 1;
            let word = word & (u64::MAX >> (64 - 8 * len));
            let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
            let quads = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
            let value = (quads & 0x0fff_ffff) | ((quads & 0x0fff_ffff_0000_0000) >> 4);
            return Some((value, bytes.get(len as usize..)?));
        }
    }
    long_varint(first, rest)
}

#[cold]
fn long_varint(first: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = u64::from(first & 0x7f);
    for (i, &byte) in rest.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f).wrapping_shl(7 * (i as u32 + 1));
        if byte < 0x80 {
            return Some((value, rest.get(i + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{long_varint, varint};

    #[test]
    fn both_ways_of_reading_a_varint_agree() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let (mut bytes, mut left) = ([0_u8; 18], value);
                let mut len = 0;
                while left > 0x7f {
                    bytes[len] = left as u8 | 0x80;
                    left >>= 7;
                    len += 1;
                }
                bytes[len] = left as u8;
                for end in [len + 1, len + 2, 18] {
                    let (read, rest) = varint(&bytes[..end]).unwrap();
                    assert_eq!((read, rest.len()), (value, end - len - 1));
                    let (slow, rest) =
                        long_varint(bytes[0] | 0x80, &bytes[1..end]).unwrap_or((0, &[]));
                    assert!(len == 0 || (slow, rest.len()) == (value, end - len - 1));
                }
                assert_eq!(varint(&bytes[..len]), None);
            }
        }
    }
}

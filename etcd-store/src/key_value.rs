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
        let mut kv = Self::default();
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

#[inline]
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u64::from(first), rest));
    }
    let mut value = u64::from(first & 0x7f);
    for (i, &byte) in rest.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f).wrapping_shl(7 * (i as u32 + 1));
        if byte < 0x80 {
            return Some((value, rest.get(i + 1..)?));
        }
    }
    None
}

//! `v2.EncryptedObject` as protobuf-go reads it: unknown fields and wrong wire types are skipped, the last of a
//! repeated field wins, enums are cut to 32 bits.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{SourceType, check};
use crate::{Error, secret::Filling};

/// Groups nested deeper than this are refused, as protobuf-go does.
const MAX_GROUPS: usize = 10_001;

/// The largest field number.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// The largest field number inside a group that is skipped: protobuf-go looks less closely there.
const MAX_FIELD_IN_GROUP: u64 = (1 << 31) - 1;

/// A KMS v2 value in its parts, not yet judged: [`validate`](Self::validate) does that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptedObject<'a> {
    /// The object, under the DEK or a key derived from the seed.
    pub data: &'a [u8],
    /// Which KEK the plugin said it used.
    pub key_id: &'a str,
    /// What the plugin's Encrypt answered.
    pub encrypted_dek_source: &'a [u8],
    /// What the plugin wants back at Decrypt.
    pub annotations: BTreeMap<&'a str, &'a [u8]>,
    /// Field 5 as it stands; 0 and 1 are known.
    pub source_type: i32,
    /// Fields that kube-apiserver would skip and drop on rewrite.
    pub unknown_fields: usize,
}

impl<'a> TryFrom<&'a [u8]> for EncryptedObject<'a> {
    type Error = Error;

    fn try_from(payload: &'a [u8]) -> Result<Self, Error> {
        let mut object = Self::default();
        let mut at = Cursor(payload);
        while let Some((number, value)) = at.field()? {
            match (number, value) {
                (1, Value::Bytes(data)) => object.data = data,
                (2, Value::Bytes(key_id)) => object.key_id = utf8(key_id)?,
                (3, Value::Bytes(source)) => object.encrypted_dek_source = source,
                (4, Value::Bytes(entry)) => {
                    let (key, value) = annotation(entry)?;
                    object.annotations.insert(key, value);
                }
                // Go converts the 64 bits of the varint to an int32.
                (5, Value::Varint(n)) => object.source_type = i32::from_le_bytes(low_half(n)),
                _ => object.unknown_fields = object.unknown_fields.saturating_add(1),
            }
        }
        Ok(object)
    }
}

impl EncryptedObject<'_> {
    /// kube-apiserver's checks, in its order; what the DEK source is if they pass.
    ///
    /// # Errors
    /// [`Error::KmsV2DekSourceType`], [`Error::KmsV2DataEmpty`] and those of [`check`].
    pub fn validate(&self) -> Result<SourceType, Error> {
        let source_type = match self.source_type {
            0 => SourceType::Key,
            1 => SourceType::Seed,
            n => return Err(Error::KmsV2DekSourceType(n)),
        };
        if self.data.is_empty() {
            return Err(Error::KmsV2DataEmpty);
        }
        check(
            self.encrypted_dek_source,
            self.key_id,
            &self.owned_annotations(),
        )?;
        Ok(source_type)
    }

    pub(crate) fn owned_annotations(&self) -> BTreeMap<String, Vec<u8>> {
        self.annotations
            .iter()
            .map(|(&key, &value)| (key.into(), value.into()))
            .collect()
    }

    /// Appends the message to `out`: fields in ascending order, empty ones absent, annotations sorted by key (Go
    /// writes them in random order).
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (tag, bytes) in [
            (0x0a, self.data),
            (0x12, self.key_id.as_bytes()),
            (0x1a, self.encrypted_dek_source),
        ] {
            if !bytes.is_empty() {
                push_bytes(out, tag, bytes);
            }
        }
        for (key, value) in &self.annotations {
            let mut entry = Vec::new();
            push_bytes(&mut entry, 0x0a, key.as_bytes());
            push_bytes(&mut entry, 0x12, value);
            push_bytes(out, 0x22, &entry);
        }
        if self.source_type != 0 {
            out.push(0x28);
            push_varint(out, i64::from(self.source_type).cast_unsigned());
        }
    }
}

/// Where a field stands in its message.
pub(crate) struct Field {
    pub(crate) number: u64,
    /// First byte of the tag.
    pub(crate) start: usize,
    /// One past the tag.
    pub(crate) tag_end: usize,
    /// First byte of the value, behind the length if there is one.
    pub(crate) value: usize,
    /// One past the value.
    pub(crate) end: usize,
    pub(crate) length_delimited: bool,
    pub(crate) varint: Option<u64>,
}

/// The fields of a message in order, up to the first byte that makes no sense.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Field> {
    let mut at = Cursor(message);
    let offset = |at: &Cursor<'_>| message.len().saturating_sub(at.0.len());
    core::iter::from_fn(move || {
        let start = offset(&at);
        let mut tag = Cursor(at.0);
        let (number, wire_type) = tag.tag(MAX_FIELD).ok()?;
        let tag_end = offset(&tag);
        let (_, value) = at.field().ok()??;
        let end = offset(&at);
        let (varint, bytes) = match value {
            Value::Varint(n) => (Some(n), None),
            Value::Bytes(bytes) => (None, Some(bytes.len())),
            Value::Other => (None, None),
        };
        Some(Field {
            number,
            start,
            tag_end,
            value: bytes.map_or(tag_end, |len| end.saturating_sub(len)),
            end,
            length_delimited: wire_type == 2,
            varint,
        })
    })
}

/// Appends what stands in a message before `len` bytes of encrypted data, which is its first field.
pub(crate) fn start_data(out: &mut Filling<'_>, len: usize) {
    let mut head = Vec::with_capacity(11);
    head.push(0x0a);
    push_varint(&mut head, len as u64);
    out.put(&head);
}

fn annotation(entry: &[u8]) -> Result<(&str, &[u8]), Error> {
    let (mut key, mut value): (&str, &[u8]) = ("", &[]);
    let mut at = Cursor(entry);
    while let Some((number, found)) = at.field()? {
        match (number, found) {
            (1, Value::Bytes(bytes)) => key = utf8(bytes)?,
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((key, value))
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    core::str::from_utf8(bytes).map_err(|_| Error::KmsV2Utf8)
}

fn low_half(n: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = n.to_le_bytes();
    [a, b, c, d]
}

fn push_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut n: u64) {
    loop {
        let [low, ..] = (n & 0x7f).to_le_bytes();
        n >>= 7;
        if n == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// The next field, or `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag(MAX_FIELD)?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            2 => Value::Bytes(self.bytes()?),
            3 => {
                self.group(number)?;
                Value::Other
            }
            _ => {
                self.skip_scalar(wire_type)?;
                Value::Other
            }
        };
        Ok(Some((number, value)))
    }

    fn tag(&mut self, max: u64) -> Result<(u64, u64), Error> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if !(1..=max).contains(&number) {
            return Err(Error::KmsV2Malformed);
        }
        Ok((number, tag & 7))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Error::KmsV2Malformed)?;
            self.0 = rest;
            if shift == 63 && byte > 1 {
                return Err(Error::KmsV2Malformed);
            }
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Error::KmsV2Malformed)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = usize::try_from(self.varint()?).map_err(|_| Error::KmsV2Malformed)?;
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Error::KmsV2Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn skip_scalar(&mut self, wire_type: u64) -> Result<(), Error> {
        match wire_type {
            0 => self.varint().map(drop),
            1 => self.take(8).map(drop),
            2 => self.bytes().map(drop),
            5 => self.take(4).map(drop),
            _ => Err(Error::KmsV2Malformed),
        }
    }

    /// Skips to the end of the group `number`, without recursion.
    fn group(&mut self, number: u64) -> Result<(), Error> {
        let mut open = alloc::vec![number];
        while let Some(&innermost) = open.last() {
            let (number, wire_type) = self.tag(MAX_FIELD_IN_GROUP)?;
            match wire_type {
                3 if open.len() >= MAX_GROUPS => return Err(Error::KmsV2Malformed),
                3 => open.push(number),
                4 if number == innermost => {
                    open.pop();
                }
                other => self.skip_scalar(other)?,
            }
        }
        Ok(())
    }
}

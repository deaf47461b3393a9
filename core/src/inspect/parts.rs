//! The map of a stored value: what each of its bytes is, as far as that shows without a key.

use alloc::vec::Vec;

use super::Format;
use crate::wire::{kmsv1, kmsv2};

/// What a stretch of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PartKind {
    /// The object itself: nothing is encrypted.
    Plaintext,
    /// The provider's prefix, its last colon included.
    Prefix,
    /// Name of a key or KMS provider.
    Name,
    /// The colon behind the name.
    Separator,
    /// What CBC starts with (16).
    Iv,
    /// What GCM (12) or secretbox (24) starts with.
    Nonce,
    /// The object, encrypted.
    Ciphertext,
    /// What authenticates it (16).
    Tag,
    /// KMS v1: length of the encrypted DEK (2).
    DekLength,
    /// KMS v1: the DEK as the plugin encrypted it.
    EncryptedDek,
    /// KMS v2: a protobuf field, which the parts behind it, one deeper, make up. `number` is the field's.
    Field,
    /// KMS v2: number and wire type of a field.
    FieldTag,
    /// KMS v2: how many bytes the field has.
    FieldLength,
    /// KMS v2, seed form: what the key of this value is derived with (32).
    Info,
    /// KMS v2: which KEK the plugin said it used.
    KeyId,
    /// KMS v2: the DEK or seed as the plugin encrypted it.
    EncryptedDekSource,
    /// KMS v2: name of an annotation.
    AnnotationName,
    /// KMS v2: value of an annotation.
    AnnotationValue,
    /// KMS v2: `number` is 0 for a key, 1 for a seed.
    SourceType,
    /// A field or wire type that kube-apiserver skips.
    Skipped,
    /// Not what this place should hold: cut short or damaged.
    Broken,
}

impl PartKind {
    /// A stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Prefix => "prefix",
            Self::Name => "name",
            Self::Separator => "separator",
            Self::Iv => "iv",
            Self::Nonce => "nonce",
            Self::Ciphertext => "ciphertext",
            Self::Tag => "tag",
            Self::DekLength => "dek-length",
            Self::EncryptedDek => "encrypted-dek",
            Self::Field => "field",
            Self::FieldTag => "field-tag",
            Self::FieldLength => "field-length",
            Self::Info => "info",
            Self::KeyId => "key-id",
            Self::EncryptedDekSource => "encrypted-dek-source",
            Self::AnnotationName => "annotation-name",
            Self::AnnotationValue => "annotation-value",
            Self::SourceType => "source-type",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
        }
    }

    /// Whether the bytes are text for people (of hostile origin all the same).
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Self::Prefix | Self::Name | Self::KeyId | Self::AnnotationName
        )
    }
}

/// A stretch of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// First byte.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// 0, or one more than the [`PartKind::Field`] that it belongs to.
    pub depth: usize,
    /// What the bytes count: a length, a field number, a source type.
    pub number: Option<u64>,
    /// Another reading is possible: key names may hold colons, and nothing in a KMS v1 body says GCM or CBC.
    pub guessed: bool,
}

impl Part {
    /// The bytes of a part that is text.
    pub fn text<'a>(&self, stored: &'a [u8]) -> Option<&'a [u8]> {
        stored
            .get(self.start..self.end)
            .filter(|_| self.kind.is_text())
    }
}

/// Maps every byte of `stored`. The parts but [`PartKind::Field`] follow one another without a gap; parts of no bytes are
/// left out. `name` is the key's or provider's name where it is known, which settles where it ends.
pub fn parts(stored: &[u8], name: Option<&[u8]>) -> Vec<Part> {
    let (format, rest) = Format::of(stored);
    let mut map = Map {
        parts: Vec::new(),
        at: 0,
        depth: 0,
        guessed: false,
    };
    match format {
        Format::Empty => return map.parts,
        Format::Plain => {
            map.leaf(PartKind::Plaintext, stored.len());
            return map.parts;
        }
        Format::Unknown => {
            map.leaf(PartKind::Broken, stored.len());
            return map.parts;
        }
        _ => {}
    }
    map.leaf(PartKind::Prefix, stored.len().saturating_sub(rest.len()));
    let known = name.filter(|name| {
        rest.strip_prefix(*name)
            .is_some_and(|rest| rest.starts_with(b":"))
    });
    let colon = rest.iter().position(|&byte| byte == b':');
    let Some(name_len) = known.map(<[u8]>::len).or(colon) else {
        map.leaf(PartKind::Broken, rest.len());
        return map.parts;
    };
    map.guessed = known.is_none() && format != Format::KmsV2;
    map.leaf(PartKind::Name, name_len);
    map.leaf(PartKind::Separator, 1);
    let body = rest.get(name_len.saturating_add(1)..).unwrap_or_default();
    match format {
        Format::AesCbc => map.cbc(body.len()),
        Format::AesGcm => map.gcm(body.len()),
        Format::Secretbox => map.sized(
            body.len(),
            &[(PartKind::Nonce, 24), (PartKind::Tag, 16)],
            PartKind::Ciphertext,
        ),
        Format::KmsV1 => map.kmsv1(body),
        _ => map.kmsv2(body),
    }
    map.parts
}

struct Map {
    parts: Vec<Part>,
    at: usize,
    depth: usize,
    guessed: bool,
}

impl Map {
    fn numbered(&mut self, kind: PartKind, len: usize, number: Option<u64>) {
        let start = self.at;
        self.at = start.saturating_add(len);
        if len > 0 {
            self.parts.push(Part {
                kind,
                start,
                end: self.at,
                depth: self.depth,
                number,
                guessed: self.guessed,
            });
        }
    }

    fn leaf(&mut self, kind: PartKind, len: usize) {
        self.numbered(kind, len, None);
    }

    /// Heads of fixed lengths, then all the rest. What is cut short is broken.
    fn sized(&mut self, len: usize, heads: &[(PartKind, usize)], rest: PartKind) {
        let mut left = len;
        for &(kind, need) in heads {
            if left < need {
                self.leaf(PartKind::Broken, left);
                return;
            }
            self.leaf(kind, need);
            left = left.saturating_sub(need);
        }
        self.leaf(rest, left);
    }

    fn cbc(&mut self, len: usize) {
        self.sized(len, &[(PartKind::Iv, 16)], PartKind::Ciphertext);
    }

    fn gcm(&mut self, len: usize) {
        let Some(ciphertext) = len.checked_sub(28) else {
            self.sized(len, &[(PartKind::Nonce, 12)], PartKind::Broken);
            return;
        };
        let heads = [(PartKind::Nonce, 12), (PartKind::Ciphertext, ciphertext)];
        self.sized(len, &heads, PartKind::Tag);
    }

    fn kmsv1(&mut self, body: &[u8]) {
        let Ok(sealed) = kmsv1::Sealed::try_from(body) else {
            self.leaf(PartKind::Broken, body.len());
            return;
        };
        let dek = sealed.encrypted_dek.len();
        self.numbered(PartKind::DekLength, 2, Some(dek as u64));
        self.leaf(PartKind::EncryptedDek, dek);
        let len = sealed.body.len();
        // CBC is whole blocks, GCM may be: then nothing tells.
        self.guessed |= len % 16 == 0;
        self.gcm(len);
    }

    fn kmsv2(&mut self, body: &[u8]) {
        // A message that upstream refuses is shown as far as its fields can be told.
        let seed = kmsv2::EncryptedObject::try_from(body).is_ok_and(|it| it.source_type == 1);
        let from = self.at;
        for field in kmsv2::fields(body) {
            self.depth = 0;
            self.at = from.saturating_add(field.start);
            self.numbered(
                PartKind::Field,
                field.end.saturating_sub(field.start),
                Some(field.number),
            );
            self.at = from.saturating_add(field.start);
            self.depth = 1;
            self.field(body, &field, seed);
        }
        self.depth = 0;
        let told = self.at.saturating_sub(from);
        self.leaf(PartKind::Broken, body.len().saturating_sub(told));
    }

    fn field(&mut self, body: &[u8], field: &kmsv2::Field, seed: bool) {
        let tag = field.tag_end.saturating_sub(field.start);
        self.numbered(PartKind::FieldTag, tag, Some(field.number));
        let len = field.end.saturating_sub(field.value);
        if field.length_delimited {
            let length = field.value.saturating_sub(field.tag_end);
            self.numbered(PartKind::FieldLength, length, Some(len as u64));
        }
        match (field.number, field.length_delimited) {
            (1, true) if seed => match len.checked_sub(32) {
                Some(rest) => {
                    self.leaf(PartKind::Info, 32);
                    self.gcm(rest);
                }
                None => self.leaf(PartKind::Broken, len),
            },
            (1, true) => self.gcm(len),
            (2, true) => self.leaf(PartKind::KeyId, len),
            (3, true) => self.leaf(PartKind::EncryptedDekSource, len),
            (4, true) => self.annotation(body.get(field.value..field.end).unwrap_or_default()),
            (5, false) => self.numbered(
                match field.varint {
                    Some(_) => PartKind::SourceType,
                    None => PartKind::Skipped,
                },
                len,
                field.varint,
            ),
            _ => self.leaf(PartKind::Skipped, len),
        }
    }

    fn annotation(&mut self, entry: &[u8]) {
        let from = self.at;
        for field in kmsv2::fields(entry) {
            self.at = from.saturating_add(field.start);
            let tag = field.tag_end.saturating_sub(field.start);
            self.numbered(PartKind::FieldTag, tag, Some(field.number));
            let len = field.end.saturating_sub(field.value);
            if field.length_delimited {
                let length = field.value.saturating_sub(field.tag_end);
                self.numbered(PartKind::FieldLength, length, Some(len as u64));
            }
            self.leaf(
                match (field.number, field.length_delimited) {
                    (1, true) => PartKind::AnnotationName,
                    (2, true) => PartKind::AnnotationValue,
                    _ => PartKind::Skipped,
                },
                len,
            );
        }
        let told = self.at.saturating_sub(from);
        self.leaf(PartKind::Broken, entry.len().saturating_sub(told));
    }
}

//! What a stored value says of itself, without any key.

mod parts;

pub use parts::{Part, PartKind, parts};

use crate::{
    Error,
    wire::{kmsv1, kmsv2::EncryptedObject, prefix},
};

/// The stored format, by its prefix alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// No byte at all.
    Empty,
    /// Not encrypted: what identity writes.
    Plain,
    /// aescbc.
    AesCbc,
    /// aesgcm.
    AesGcm,
    /// secretbox.
    Secretbox,
    /// KMS v1.
    KmsV1,
    /// KMS v2.
    KmsV2,
    /// Starts with `k8s:enc:` and goes on in no way known here: identity refuses it, no provider reads it.
    Unknown,
}

impl Format {
    /// `empty`, `identity`, `aescbc`, `aesgcm`, `secretbox`, `kms-v1`, `kms-v2` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Plain => "identity",
            Self::AesCbc => "aescbc",
            Self::AesGcm => "aesgcm",
            Self::Secretbox => "secretbox",
            Self::KmsV1 => "kms-v1",
            Self::KmsV2 => "kms-v2",
            Self::Unknown => "unknown",
        }
    }

    /// The format of `stored`, and what follows its prefix (all of it for plaintext and the unknown).
    pub fn of(stored: &[u8]) -> (Self, &[u8]) {
        if stored.is_empty() {
            return (Self::Empty, stored);
        }
        for (format, start) in [
            (Self::AesCbc, prefix::AESCBC),
            (Self::AesGcm, prefix::AESGCM),
            (Self::Secretbox, prefix::SECRETBOX),
            (Self::KmsV1, prefix::KMSV1),
            (Self::KmsV2, prefix::KMSV2),
        ] {
            if let Some(rest) = stored.strip_prefix(start) {
                return (format, rest);
            }
        }
        (
            if stored.starts_with(prefix::RESERVED) {
                Self::Unknown
            } else {
                Self::Plain
            },
            stored,
        )
    }
}

/// What [`inspect`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection<'a> {
    /// The format.
    pub format: Format,
    /// Key or provider name: what stands before the first colon. Key names may hold colons themselves, so it is a guess
    /// unless [`name_is_exact`](Self::name_is_exact).
    pub name: Option<&'a [u8]>,
    /// True for KMS v2, whose provider names hold no colon, and where no second colon follows.
    pub name_is_exact: bool,
    /// What follows that name and colon, or the whole value.
    pub body: &'a [u8],
    /// The parts of a KMS v1 value.
    pub kmsv1: Option<kmsv1::Sealed<'a>>,
    /// The parts of a KMS v2 value.
    pub kmsv2: Option<EncryptedObject<'a>>,
    /// Why the parts cannot be told, or would be refused.
    pub problem: Option<Error>,
}

impl<'a> Inspection<'a> {
    /// Every name this value may carry: each prefix of it that ends before a colon, shortest first. The bytes behind
    /// are ciphertext, so candidates beyond the real name are chance; at most 16 are given.
    pub fn candidates(stored: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let (format, rest) = Format::of(stored);
        let named = matches!(
            format,
            Format::AesCbc | Format::AesGcm | Format::Secretbox | Format::KmsV1 | Format::KmsV2
        );
        rest.iter()
            .enumerate()
            .filter(move |&(at, &byte)| named && byte == b':' && at > 0)
            .filter_map(move |(at, _)| rest.get(..at))
            .take(16)
    }
}

/// Reads what needs no key.
pub fn inspect(stored: &[u8]) -> Inspection<'_> {
    let (format, rest) = Format::of(stored);
    let mut found = Inspection {
        format,
        name: None,
        name_is_exact: false,
        body: rest,
        kmsv1: None,
        kmsv2: None,
        problem: None,
    };
    if matches!(format, Format::Empty | Format::Plain | Format::Unknown) {
        return found;
    }
    let Some((name, body)) = rest.iter().position(|&b| b == b':').and_then(|at| {
        let (name, rest) = rest.split_at_checked(at)?;
        Some((name, rest.get(1..)?))
    }) else {
        found.problem = Some(Error::NoMatchingPrefix);
        return found;
    };
    found.name = Some(name);
    found.body = body;
    match format {
        Format::KmsV1 => match kmsv1::Sealed::try_from(body) {
            Ok(sealed) => found.kmsv1 = Some(sealed),
            Err(error) => found.problem = Some(error),
        },
        Format::KmsV2 => {
            found.name_is_exact = true;
            match EncryptedObject::try_from(body) {
                Ok(object) => {
                    found.problem = object.validate().err();
                    found.kmsv2 = Some(object);
                }
                Err(error) => found.problem = Some(error),
            }
        }
        _ => {}
    }
    found
}

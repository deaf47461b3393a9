//! trousseau's lines: `name ":-:" payload LF` for each provider, in any order. Any one opens, nothing binds them together.

use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};

use crate::secret::SecretBytes;

/// What one provider made of the DEK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Name of the provider.
    pub provider: &'a str,
    /// Its ciphertext.
    pub payload: Payload<'a>,
}

/// A line's ciphertext, decoded as far as the provider's name tells. The inner bytes go to
/// [`recognise`](super::recognise) as [`Stored::bare`](super::Stored::bare).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// `vault`: a Transit ciphertext.
    Transit(Vec<u8>),
    /// `awskms`: an AWS blob without a leading `1`.
    Aws(Vec<u8>),
    /// `azurekms`: Key Vault's text, made with RSA1_5.
    Azure(&'a str),
    /// `debug`: base64 of the DEK itself. The value is as good as plaintext; [`Clear::dek`] gives the DEK.
    Clear(Clear<'a>),
    /// A provider not known here, or a payload that is not what it writes; as stored.
    Other(&'a str),
}

/// A DEK stored in the clear. `Debug` says only its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Clear<'a>(&'a str);

impl Clear<'_> {
    /// The DEK, or nothing if the payload is no base64.
    pub fn dek(&self) -> Option<SecretBytes> {
        Base64::decode_vec(self.0).ok().map(SecretBytes::new)
    }
}

impl core::fmt::Debug for Clear<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Clear({} characters, redacted)", self.0.len())
    }
}

const SEPARATOR: &str = ":-:";

pub(super) fn parse(ciphertext: &[u8]) -> Option<Vec<Line<'_>>> {
    let text = core::str::from_utf8(ciphertext).ok()?;
    let lines: Option<Vec<Line<'_>>> = text
        .split('\n')
        .filter(|line| !line.is_empty())
        .map(parse_line)
        .collect();
    lines.filter(|lines| !lines.is_empty())
}

fn parse_line(line: &str) -> Option<Line<'_>> {
    let (provider, payload) = line.split_once(SEPARATOR)?;
    if payload.contains(SEPARATOR) {
        return None;
    }
    let decoded = || Base64::decode_vec(payload).ok();
    let payload = match provider {
        "vault" => decoded().map_or(Payload::Other(payload), Payload::Transit),
        "awskms" => decoded().map_or(Payload::Other(payload), Payload::Aws),
        "azurekms" => Payload::Azure(payload),
        "debug" => Payload::Clear(Clear(payload)),
        _ => Payload::Other(payload),
    };
    Some(Line { provider, payload })
}

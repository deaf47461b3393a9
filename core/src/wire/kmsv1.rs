//! KMS v1 values: what follows `k8s:enc:kms:v1:<provider>:`.
//!
//! ```text
//! length (2, big-endian) | encrypted DEK (length) | body
//! ```
//!
//! The body is an [`aesgcm`] body since 1.25 and an [`aescbc`] body before; nothing says which.

use super::{aescbc, aesgcm};
use crate::{
    Error,
    crypto::{Cbc, Gcm},
    secret::{Filling, Target},
};

/// Random bytes a write draws: the DEK (32), then the nonce of the body (12).
pub const RANDOM_LEN: usize = 44;

/// A KMS v1 value in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// What the plugin's Encrypt answered.
    pub encrypted_dek: &'a [u8],
    /// The object, under the DEK.
    pub body: &'a [u8],
}

impl<'a> TryFrom<&'a [u8]> for Sealed<'a> {
    type Error = Error;

    fn try_from(payload: &'a [u8]) -> Result<Self, Error> {
        let (len, rest) = payload.split_first_chunk().ok_or(Error::KmsV1Length)?;
        let (encrypted_dek, body) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*len)))
            .ok_or(Error::KmsV1Length)?;
        Ok(Self {
            encrypted_dek,
            body,
        })
    }
}

/// Reads into `plain`, GCM first, then CBC as 1.24 and older wrote. True if it was CBC, which makes the value stale
/// and which nothing authenticates.
///
/// # Errors
/// Both attempts' errors, aggregated.
pub fn open(
    gcm: &dyn Gcm,
    cbc: impl FnOnce() -> Option<alloc::boxed::Box<dyn Cbc>>,
    body: &[u8],
    aad: &[u8],
    plain: &mut dyn Target,
) -> Result<bool, Error> {
    let Err(first) = aesgcm::open(gcm, body, aad, plain) else {
        return Ok(false);
    };
    let Some(cbc) = cbc() else { return Err(first) };
    match aescbc::open(&*cbc, body, plain) {
        Ok(()) => Ok(true),
        Err(second) => Err(Error::aggregate(alloc::vec![first.clone(), second]).unwrap_or(first)),
    }
}

/// Appends length and encrypted DEK to `out`; the body follows by [`aesgcm::seal_to`].
///
/// # Errors
/// [`Error::KmsV1DekTooLong`] if the encrypted DEK is over 65,535 bytes.
pub(crate) fn start(encrypted_dek: &[u8], out: &mut Filling<'_>) -> Result<(), Error> {
    let len = u16::try_from(encrypted_dek.len()).map_err(|_| Error::KmsV1DekTooLong {
        got: encrypted_dek.len(),
    })?;
    out.put(&len.to_be_bytes());
    out.put(encrypted_dek);
    Ok(())
}

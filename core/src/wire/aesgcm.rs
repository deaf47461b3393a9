//! `aesgcm` values: what follows `k8s:enc:aesgcm:v1:<key name>:`. Also the body of KMS v1 and of KMS v2 in key form.
//!
//! ```text
//! nonce (12) | ciphertext (n) | tag (16)        associated data: the etcd key
//! ```

use alloc::vec::Vec;

use crate::{
    Error,
    crypto::Gcm,
    secret::{Filling, Target, append},
};

const NONCE: usize = 12;
/// Random bytes a write draws: the nonce.
pub const RANDOM_LEN: usize = NONCE;
/// Bytes a body has more than its plaintext: nonce and tag.
pub(crate) const OVERHEAD: usize = NONCE + 16;

/// Nonce, ciphertext, tag.
type Parts<'a> = (&'a [u8; NONCE], &'a [u8], &'a [u8; 16]);

/// The parts of a body. Only the nonce is measured, as upstream does: what is shorter than the tag fails as
/// [`Error::Authentication`], not as [`Error::StoredTooShort`].
pub(crate) fn split(body: &[u8]) -> Result<Parts<'_>, Error> {
    let (nonce, rest) = body.split_first_chunk().ok_or(Error::StoredTooShort {
        need: NONCE,
        got: body.len(),
    })?;
    let (ciphertext, tag) = rest
        .split_last_chunk()
        .ok_or(Error::Authentication { secretbox: false })?;
    Ok((nonce, ciphertext, tag))
}

/// Reads into `plain`.
///
/// # Errors
/// [`Error::StoredTooShort`] without a whole nonce, [`Error::Authentication`] for everything else.
pub fn open(
    cipher: &dyn Gcm,
    body: &[u8],
    aad: &[u8],
    plain: &mut dyn Target,
) -> Result<(), Error> {
    let (nonce, ciphertext, tag) = split(body)?;
    cipher
        .open(nonce, aad, ciphertext, tag, plain.sized(ciphertext.len()))
        .map_err(|_| {
            plain.refuse();
            Error::Authentication { secretbox: false }
        })
}

/// Appends the body to `out`.
pub fn seal(cipher: &dyn Gcm, plain: &[u8], aad: &[u8], nonce: &[u8; NONCE], out: &mut Vec<u8>) {
    append(out, OVERHEAD.saturating_add(plain.len()), |out| {
        seal_to(cipher, plain, aad, nonce, out);
    });
}

/// As [`seal`], behind what `out` has.
pub(crate) fn seal_to(
    cipher: &dyn Gcm,
    plain: &[u8],
    aad: &[u8],
    nonce: &[u8; NONCE],
    out: &mut Filling<'_>,
) {
    out.put(nonce);
    let tag = cipher.seal(nonce, aad, plain, out.room(plain.len()));
    out.put(&tag);
}

//! `secretbox` values: what follows `k8s:enc:secretbox:v1:<key name>:`.
//!
//! ```text
//! nonce (24) | tag (16) | ciphertext (n)        XSalsa20-Poly1305, no associated data
//! ```

use alloc::vec::Vec;

use crate::{Error, crypto::Secretbox, secret::Plaintext};

const NONCE: usize = 24;
const SHORTEST: usize = NONCE + 16;
/// Random bytes a write draws: the nonce.
pub const RANDOM_LEN: usize = NONCE;
/// Bytes a body has more than its plaintext: nonce and tag.
pub(crate) const OVERHEAD: usize = SHORTEST;

/// Reads into `plain`.
///
/// # Errors
/// [`Error::StoredTooShort`] without a whole nonce and tag, else [`Error::Authentication`].
pub fn open(cipher: &dyn Secretbox, body: &[u8], plain: &mut Plaintext) -> Result<(), Error> {
    let short = Error::StoredTooShort {
        need: SHORTEST,
        got: body.len(),
    };
    let Some((nonce, rest)) = body.split_first_chunk() else {
        return Err(short);
    };
    let Some((tag, ciphertext)) = rest.split_first_chunk() else {
        return Err(short);
    };
    cipher
        .open(nonce, ciphertext, tag, plain.sized(ciphertext.len()))
        .map_err(|_| {
            plain.wipe();
            Error::Authentication { secretbox: true }
        })
}

/// Appends the body to `out`.
pub fn seal(cipher: &dyn Secretbox, plain: &[u8], nonce: &[u8; NONCE], out: &mut Vec<u8>) {
    out.reserve_exact(SHORTEST.saturating_add(plain.len()));
    out.extend_from_slice(nonce);
    let tag_at = out.len();
    out.extend_from_slice(&[0; 16]);
    let start = out.len();
    out.resize(start.saturating_add(plain.len()), 0);
    if let Some(sealed) = out.get_mut(start..) {
        let tag = cipher.seal(nonce, plain, sealed);
        if let Some(place) = out.get_mut(tag_at..start) {
            place.copy_from_slice(&tag);
        }
    }
}

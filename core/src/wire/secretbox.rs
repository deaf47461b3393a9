//! `secretbox` values: what follows `k8s:enc:secretbox:v1:<key name>:`.
//!
//! ```text
//! nonce (24) | tag (16) | ciphertext (n)        XSalsa20-Poly1305, no associated data
//! ```

use alloc::vec::Vec;

use crate::{
    Error,
    crypto::Secretbox,
    secret::{Filling, Target, append},
};

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
pub fn open(cipher: &dyn Secretbox, body: &[u8], plain: &mut dyn Target) -> Result<(), Error> {
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
            plain.refuse();
            Error::Authentication { secretbox: true }
        })
}

/// Appends the body to `out`.
pub fn seal(cipher: &dyn Secretbox, plain: &[u8], nonce: &[u8; NONCE], out: &mut Vec<u8>) {
    append(out, OVERHEAD.saturating_add(plain.len()), |out| {
        seal_to(cipher, plain, nonce, out);
    });
}

/// As [`seal`], behind what `out` has.
pub(crate) fn seal_to(
    cipher: &dyn Secretbox,
    plain: &[u8],
    nonce: &[u8; NONCE],
    out: &mut Filling<'_>,
) {
    out.put(nonce);
    let room = out.room(plain.len().saturating_add(16));
    if let Some((place, sealed)) = room.split_first_chunk_mut() {
        *place = cipher.seal(nonce, plain, sealed);
    }
}

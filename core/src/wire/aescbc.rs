//! `aescbc` values: what follows `k8s:enc:aescbc:v1:<key name>:`.
//!
//! ```text
//! IV (16) | ciphertext (16 x n)        no tag, no associated data: nothing is authenticated
//! ```

use alloc::vec::Vec;

use crate::{
    Error,
    constant_time::{Pad, pad},
    crypto::Cbc,
    secret::Plaintext,
};

const BLOCK: usize = 16;
/// Random bytes a write draws: the IV.
pub const RANDOM_LEN: usize = BLOCK;
/// Bytes a body has more than its plaintext, at most: the IV and a whole block of padding.
pub(crate) const OVERHEAD: usize = 2 * BLOCK;

/// Reads into `plain`. The checks and their order are upstream's; any pad length up to 255 is taken.
///
/// # Errors
/// [`Error::StoredTooShort`], [`Error::NotBlockAligned`], [`Error::CbcIvOnly`], [`Error::PaddingLength`], [`Error::PaddingBytes`].
pub fn open(cipher: &dyn Cbc, body: &[u8], plain: &mut Plaintext) -> Result<(), Error> {
    let (iv, ciphertext) = body.split_first_chunk().ok_or(Error::StoredTooShort {
        need: BLOCK,
        got: body.len(),
    })?;
    if ciphertext.len() % BLOCK != 0 {
        return Err(Error::NotBlockAligned {
            got: ciphertext.len(),
        });
    }
    if ciphertext.is_empty() {
        return Err(Error::CbcIvOnly);
    }
    let buf = plain.sized(ciphertext.len());
    cipher.decrypt(iv, ciphertext, buf);
    let found = pad(buf);
    let len = buf.len();
    match found {
        Pad::Good(padding) => {
            plain.truncate(len.saturating_sub(padding));
            Ok(())
        }
        Pad::Length => {
            plain.wipe();
            Err(Error::PaddingLength)
        }
        Pad::Bytes => {
            plain.wipe();
            Err(Error::PaddingBytes)
        }
    }
}

/// Appends the body to `out`.
pub fn seal(cipher: &dyn Cbc, plain: &[u8], iv: &[u8; RANDOM_LEN], out: &mut Vec<u8>) {
    let start = start(plain, iv, out);
    if let Some(buf) = out.get_mut(start..) {
        cipher.encrypt(iv, buf);
    }
}

/// Appends IV and padded plaintext to `out`, and says from where on it has to be encrypted in place.
pub(crate) fn start(plain: &[u8], iv: &[u8; RANDOM_LEN], out: &mut Vec<u8>) -> usize {
    let padding = BLOCK.saturating_sub(plain.len() % BLOCK);
    // Reserved at once: growing would leave plaintext behind in freed memory.
    out.reserve_exact(BLOCK.saturating_add(plain.len()).saturating_add(padding));
    out.extend_from_slice(iv);
    let start = out.len();
    out.extend_from_slice(plain);
    out.extend(core::iter::repeat_n(
        u8::try_from(padding).unwrap_or(0),
        padding,
    ));
    start
}

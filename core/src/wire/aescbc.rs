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
    secret::{Filling, Target, append},
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
pub fn open(cipher: &dyn Cbc, body: &[u8], plain: &mut dyn Target) -> Result<(), Error> {
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
            plain.refuse();
            Err(Error::PaddingLength)
        }
        Pad::Bytes => {
            plain.refuse();
            Err(Error::PaddingBytes)
        }
    }
}

/// Appends the body to `out`.
pub fn seal(cipher: &dyn Cbc, plain: &[u8], iv: &[u8; RANDOM_LEN], out: &mut Vec<u8>) {
    append(out, OVERHEAD.saturating_add(plain.len()), |out| {
        seal_to(cipher, plain, iv, out);
    });
}

/// As [`seal`], behind what `out` has.
pub(crate) fn seal_to(
    cipher: &dyn Cbc,
    plain: &[u8],
    iv: &[u8; RANDOM_LEN],
    out: &mut Filling<'_>,
) {
    out.put(iv);
    let buf = out.room(padded(plain));
    pad_into(buf, plain);
    cipher.encrypt(iv, buf);
}

/// Length of the padded plaintext.
pub(crate) fn padded(plain: &[u8]) -> usize {
    plain.len().saturating_add(padding(plain))
}

/// Writes the padded plaintext into `buf`, which is as long as [`padded`] says; in place it is to be encrypted then.
pub(crate) fn pad_into(buf: &mut [u8], plain: &[u8]) {
    if let Some((head, tail)) = buf.split_at_mut_checked(plain.len()) {
        head.copy_from_slice(plain);
        tail.fill(u8::try_from(padding(plain)).unwrap_or(0));
    }
}

fn padding(plain: &[u8]) -> usize {
    BLOCK.saturating_sub(plain.len() % BLOCK)
}

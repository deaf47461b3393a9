//! A KEK one holds oneself: 32 bytes from a file or a smart card's answer.
//!
//! ```text
//! nonce (12) | wrap key, encrypted (32) | tag (16)      AES-256-GCM under HKDF-Expand(KEK, "kw1 local wrap")
//! identity: HKDF-Expand(KEK, "kw1 local identity")
//! ```

use super::{Identity, Member, WrapKey, WrapKind, expand};
use crate::{
    Error,
    crypto::Backend,
    secret::{Plaintext, SecretBytes, Target as _},
};

/// A local KEK. Wrapping key and identity are derived from it apart, so that what is stored tells nothing of either.
#[derive(Debug)]
pub struct LocalKek(SecretBytes);

impl LocalKek {
    /// Bytes of a wrap.
    pub const WRAP_LEN: usize = 60;

    /// Takes 32 random bytes; a passphrase is none.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`] for any other length.
    pub fn new(kek: SecretBytes) -> Result<Self, Error> {
        if kek.len() != 32 {
            return Err(Error::KeysetRefused("a local KEK of other than 32 bytes"));
        }
        Ok(Self(kek))
    }

    /// As a member of a set.
    pub fn member(&self, slot: u8) -> Member {
        let identity = expand(self.0.expose(), b"kw1 local identity");
        Member {
            kind: WrapKind::Local,
            slot,
            identity: Identity::of_parts(&[&*identity]),
            wrap_len: Self::WRAP_LEN,
        }
    }

    /// Wraps. `context` is the set's for this slot, `nonce` 12 fresh random bytes.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`] for a wrap key of other than 32 bytes.
    pub fn wrap(
        &self,
        backend: &dyn Backend,
        key: &WrapKey,
        context: &str,
        nonce: &[u8; 12],
    ) -> Result<[u8; Self::WRAP_LEN], Error> {
        let mut out = [0; Self::WRAP_LEN];
        let refused = Error::KeysetRefused("a seed or wrap key of other than 32 bytes");
        let (head, rest) = out.split_first_chunk_mut().ok_or(refused.clone())?;
        let (buf, tail) = rest.split_last_chunk_mut().ok_or(refused.clone())?;
        if key.expose().len() != buf.len() {
            return Err(refused);
        }
        *head = *nonce;
        *tail = backend.gcm256_seal_once(&self.key(), nonce, context.as_bytes(), key.expose(), buf);
        Ok(out)
    }

    /// Unwraps.
    ///
    /// # Errors
    /// [`Error::KeysetIntegrity`], which is final: a KEK that is there and does not fit is no outage.
    pub fn unwrap(
        &self,
        backend: &dyn Backend,
        blob: &[u8],
        context: &str,
    ) -> Result<WrapKey, Error> {
        let (nonce, rest) = blob.split_first_chunk().ok_or(Error::KeysetIntegrity)?;
        let (sealed, tag) = rest.split_last_chunk().ok_or(Error::KeysetIntegrity)?;
        let mut plain = Plaintext::new();
        backend
            .gcm256_open_once(
                &self.key(),
                nonce,
                context.as_bytes(),
                sealed,
                tag,
                plain.sized(sealed.len()),
            )
            .map_err(|_| Error::KeysetIntegrity)?;
        Ok(WrapKey::unwrapped(SecretBytes::from_slice(plain.reveal())))
    }

    fn key(&self) -> zeroize::Zeroizing<[u8; 32]> {
        expand(self.0.expose(), b"kw1 local wrap")
    }
}

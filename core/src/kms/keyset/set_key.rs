//! The key of a set's MAC.
//!
//! ```text
//! A: 32 random bytes for one set      MAC key: HKDF-Expand(A, "kw1 set mac")      identity: HKDF-Expand(A, "kw1 set identity")
//! ```

use zeroize::Zeroizing;

use super::{Beside, expand, hmac};
use crate::{Error, secret::SecretBytes};

/// Bytes of the MAC in a record.
pub(super) const MAC_LEN: usize = 16;

/// What all servers of a cluster share and nobody who can merely write to etcd has. It proves who made a record where the
/// wraps do not, because anyone has the public key of an RSA KEK.
///
/// It opens nothing, and it belongs beside the plugin's configuration, wrapped by the KEKs of the set
/// ([`set_key_context`](super::ClusterLabel::set_key_context)). Another set key is another set: its identity is in the key_id.
#[derive(Debug)]
pub struct SetKey(SecretBytes);

impl SetKey {
    /// Takes 32 random bytes.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`] for any other length.
    pub fn new(key: SecretBytes) -> Result<Self, Error> {
        if key.len() != 32 {
            return Err(Error::KeysetRefused("a set key of other than 32 bytes"));
        }
        Ok(Self(key))
    }

    /// The bytes that the KEKs wrap once, by a call that stands out.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    pub(super) fn identity(&self) -> Zeroizing<[u8; 32]> {
        expand(self.0.expose(), b"kw1 set identity")
    }

    /// Over the bytes of the record before it, key_id and label.
    pub(super) fn mac(&self, record: &[u8], beside: &Beside<'_>) -> [u8; MAC_LEN] {
        let [key_id, label] = beside.parts();
        let key = expand(self.0.expose(), b"kw1 set mac");
        let tag = hmac(&*key, &[record, key_id, label]);
        tag.first_chunk().copied().unwrap_or_default()
    }
}

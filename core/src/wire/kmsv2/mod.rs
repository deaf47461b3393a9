//! KMS v2 values: what follows `k8s:enc:kms:v2:<provider>:` is one protobuf message, `v2.EncryptedObject`.
//!
//! ```text
//! field  tag  what
//! 1      0a   encrypted data: an aesgcm body (key form), or info (32) | aesgcm body (seed form)
//! 2      12   key_id
//! 3      1a   encrypted DEK source, what the plugin's Encrypt answered
//! 4      22   annotation: { 1: key, 2: value }, repeated
//! 5      28   source type: 0 key (absent), 1 seed
//! ```

mod annotations;
mod message;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

pub use message::EncryptedObject;
pub(crate) use message::{Field, fields, start_data};
use zeroize::Zeroizing;

use super::aesgcm;
use crate::{
    Error,
    crypto::{Backend, Expander},
    secret::{Filling, Target, append},
};

/// Bytes of key_id and of encrypted DEK source that kube-apiserver takes at most, each.
pub const MAX_SIZE: usize = 1024;
/// Bytes of annotation keys and values that kube-apiserver takes at most, together.
pub const MAX_ANNOTATIONS: usize = 32 * 1024;
/// Random bytes a write in seed form draws: info (32), then nonce (12).
pub const SEED_RANDOM_LEN: usize = 44;
/// Random bytes a write in key form draws: the first 4 bytes of the nonce; a counter follows.
pub const KEY_RANDOM_LEN: usize = 4;

/// What the plugin's plaintext is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceType {
    /// `AES_GCM_KEY`: the key of the data.
    Key,
    /// `HKDF_SHA256_XNONCE_AES_GCM_SEED`: a key per value is derived from it.
    Seed,
}

/// kube-apiserver's checks of what a plugin's Encrypt answers and of what it reads from etcd, in its order.
///
/// # Errors
/// [`Error::KmsV2DekSourceSize`], [`Error::KmsV2KeyIdSize`], [`Error::KmsV2Annotations`].
pub fn check(
    encrypted_dek_source: &[u8],
    key_id: &str,
    annotations: &BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    if !(1..=MAX_SIZE).contains(&encrypted_dek_source.len()) {
        return Err(Error::KmsV2DekSourceSize {
            got: encrypted_dek_source.len(),
        });
    }
    check_key_id(key_id)?;
    annotations::check(annotations)
}

/// kube-apiserver's check of a key_id, from Status too.
///
/// # Errors
/// [`Error::KmsV2KeyIdSize`].
pub fn check_key_id(key_id: &str) -> Result<(), Error> {
    if (1..=MAX_SIZE).contains(&key_id.len()) {
        Ok(())
    } else {
        Err(Error::KmsV2KeyIdSize { got: key_id.len() })
    }
}

/// Reads encrypted data in seed form into `plain`.
///
/// # Errors
/// [`Error::AadEmpty`] (kube-apiserver panics), [`Error::StoredTooShort`], [`Error::Authentication`].
pub fn open_seed(
    backend: &dyn Backend,
    seed: &dyn Expander,
    data: &[u8],
    aad: &[u8],
    plain: &mut dyn Target,
) -> Result<(), Error> {
    let (info, body) = data.split_first_chunk().ok_or(Error::StoredTooShort {
        need: 32,
        got: data.len(),
    })?;
    if aad.is_empty() {
        return Err(Error::AadEmpty);
    }
    let (nonce, ciphertext, tag) = aesgcm::split(body)?;
    let mut key = Zeroizing::new([0u8; 32]);
    seed.derive(info, &mut key);
    backend
        .gcm256_open_once(
            &key,
            nonce,
            aad,
            ciphertext,
            tag,
            plain.sized(ciphertext.len()),
        )
        .map_err(|_| {
            plain.refuse();
            Error::Authentication { secretbox: false }
        })
}

/// Bytes that encrypted data in seed form has more than the plaintext: info, nonce and tag.
pub(crate) const SEED_OVERHEAD: usize = SEED_RANDOM_LEN + 16;

/// Appends encrypted data in seed form to `out`.
///
/// # Errors
/// [`Error::AadEmpty`] (kube-apiserver panics).
pub fn seal_seed(
    backend: &dyn Backend,
    seed: &dyn Expander,
    plain: &[u8],
    aad: &[u8],
    random: (&[u8; 32], &[u8; 12]),
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut sealed = Ok(());
    append(out, SEED_OVERHEAD.saturating_add(plain.len()), |out| {
        sealed = seal_seed_to(backend, seed, plain, aad, random, out);
    });
    sealed
}

/// As [`seal_seed`], behind what `out` has.
pub(crate) fn seal_seed_to(
    backend: &dyn Backend,
    seed: &dyn Expander,
    plain: &[u8],
    aad: &[u8],
    (info, nonce): (&[u8; 32], &[u8; 12]),
    out: &mut Filling<'_>,
) -> Result<(), Error> {
    if aad.is_empty() {
        return Err(Error::AadEmpty);
    }
    let mut key = Zeroizing::new([0u8; 32]);
    seed.derive(info, &mut key);
    out.put(info);
    out.put(nonce);
    let tag = backend.gcm256_seal_once(&key, nonce, aad, plain, out.room(plain.len()));
    out.put(&tag);
    Ok(())
}

/// Where the counter of a new DEK starts; the first nonce holds one more.
pub const COUNTER_START: u64 = 1_000_000_000;

/// The nonce of the next write in key form: 4 random bytes, then the counter, little-endian. Counts up `counter` first.
///
/// # Errors
/// [`Error::CounterOverflow`] once the counter has been round; kube-apiserver ends its process there.
pub fn next_nonce(counter: &mut u64, random: &[u8; KEY_RANDOM_LEN]) -> Result<[u8; 12], Error> {
    *counter = counter.wrapping_add(1);
    if *counter <= COUNTER_START {
        return Err(Error::CounterOverflow);
    }
    let mut nonce = [0; 12];
    let (head, tail) = nonce.split_at_mut(KEY_RANDOM_LEN);
    head.copy_from_slice(random);
    tail.copy_from_slice(&counter.to_le_bytes());
    Ok(nonce)
}

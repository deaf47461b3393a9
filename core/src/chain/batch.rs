//! Writing many values at once, which is faster where they can go through the cipher side by side.

use alloc::vec::Vec;

use super::{Chain, Provider, WriteKey, write::first};
use crate::{
    Error,
    crypto::CbcMessage,
    wire::{aescbc, prefix},
};

/// A value of a batch.
#[derive(Clone, Copy)]
pub struct Unsealed<'a> {
    /// The object.
    pub plaintext: &'a [u8],
    /// The whole etcd key, as it will be stored.
    pub etcd_key: &'a [u8],
}

impl Chain {
    /// The stored values for `values`, in their order: byte for byte what as many calls of [`seal`](Self::seal) make with
    /// the same random bytes. `random` has [`random_len`](Self::random_len) bytes for each value, one after the other.
    ///
    /// aescbc writes eight values or more some six times as fast as one by one, best when they are of about the same
    /// length; the other formats gain nothing. All sealed values are in memory together.
    ///
    /// # Errors
    /// Those of [`seal`](Self::seal), and then there are no values at all; KMS v2 in key form may have counted up.
    /// [`Error::NoWriteKey`] for KMS v1, which draws and encrypts a DEK for each value.
    pub fn seal_batch(
        &self,
        values: &[Unsealed<'_>],
        random: &[u8],
        mut key: WriteKey<'_>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let each = self.random_len(&key);
        let need = each.saturating_mul(values.len());
        if random.len() < need {
            return Err(Error::RandomTooShort {
                need,
                got: random.len(),
            });
        }
        if let Some(Provider::AesCbc(keys)) = self.providers.first() {
            let (name, cipher) = first(keys)?;
            let mut rows = Vec::with_capacity(values.len());
            for (value, iv) in values.iter().zip(random.as_chunks().0) {
                let mut out = prefix::start(
                    prefix::AESCBC,
                    name,
                    value.plaintext.len().saturating_add(aescbc::OVERHEAD),
                );
                let at = aescbc::start(value.plaintext, iv, &mut out);
                rows.push((out, at, *iv));
            }
            let mut messages: Vec<_> = rows
                .iter_mut()
                .filter_map(|(out, at, iv)| {
                    let buf = out.get_mut(*at..)?;
                    Some(CbcMessage { iv: *iv, buf })
                })
                .collect();
            cipher.encrypt_batch(&mut messages);
            return Ok(rows.into_iter().map(|(out, _, _)| out).collect());
        }
        let mut random = random;
        values
            .iter()
            .map(|value| {
                let (now, later) = random.split_at_checked(each).unwrap_or_default();
                random = later;
                let key = match &mut key {
                    WriteKey::None => WriteKey::None,
                    WriteKey::KmsV1 { .. } => return Err(Error::NoWriteKey),
                    WriteKey::KmsV2(source) => WriteKey::KmsV2(source),
                };
                self.seal(value.plaintext, value.etcd_key, now, key)
            })
            .collect()
    }
}

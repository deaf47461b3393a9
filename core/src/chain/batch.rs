//! Writing many values at once, which is faster where they can go through the cipher side by side.

use alloc::vec::Vec;

use super::{Chain, Provider, WriteKey, write::first};
use crate::{
    Error,
    crypto::{Cbc, CbcMessage},
    secret::Filling,
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
    /// Writes the stored values for `values` to `out`, end to end and in their order: byte for byte what as many calls of
    /// [`seal`](Self::seal) make with the same random bytes. `random` has [`random_len`](Self::random_len) bytes for each value,
    /// one after the other. The answer is the offset in `out` behind each value; `None`, and nothing is used up, if `out` has not
    /// room for all plaintexts and as many times the [overhead](Self::overhead).
    ///
    /// aescbc writes eight values or more some six times as fast as one by one, best when they are of about the same
    /// length; the other formats gain nothing.
    ///
    /// # Errors
    /// Those of [`seal`](Self::seal), and then there are no values at all; KMS v2 in key form may have counted up.
    /// [`Error::NoWriteKey`] for KMS v1, which draws and encrypts a DEK for each value.
    pub fn seal_batch(
        &self,
        values: &[Unsealed<'_>],
        random: &[u8],
        mut key: WriteKey<'_>,
        out: &mut [u8],
    ) -> Result<Option<Vec<usize>>, Error> {
        let each = self.random_len(&key);
        let need = each.saturating_mul(values.len());
        if random.len() < need {
            return Err(Error::RandomTooShort {
                need,
                got: random.len(),
            });
        }
        let overhead = self.overhead(&key).saturating_mul(values.len());
        let lengths = values.iter().map(|value| value.plaintext.len());
        if out.len() < lengths.fold(overhead, usize::saturating_add) {
            return Ok(None);
        }
        if let Some(Provider::AesCbc(keys)) = self.providers.first() {
            let (name, cipher) = first(keys)?;
            return Ok(Some(lockstep(name, cipher, values, random, out)));
        }
        let mut out = Filling::new(out);
        let mut ends = Vec::with_capacity(values.len());
        let mut random = random;
        for value in values {
            let (now, later) = random.split_at_checked(each).unwrap_or_default();
            random = later;
            let key = match &mut key {
                WriteKey::None => WriteKey::None,
                WriteKey::KmsV1 { .. } => return Err(Error::NoWriteKey),
                WriteKey::KmsV2(source) => WriteKey::KmsV2(source),
            };
            self.seal_with(value.plaintext, value.etcd_key, now, key, &mut out)?;
            ends.push(out.len());
        }
        Ok(out.done().map(|_| ends))
    }
}

/// aescbc values: laid out one by one, encrypted together.
fn lockstep(
    name: &str,
    cipher: &dyn Cbc,
    values: &[Unsealed<'_>],
    random: &[u8],
    out: &mut [u8],
) -> Vec<usize> {
    let mut ends = Vec::with_capacity(values.len());
    let mut messages = Vec::with_capacity(values.len());
    let (mut end, mut rest) = (0usize, out);
    for (value, iv) in values.iter().zip(random.as_chunks().0) {
        let head = prefix::AESCBC.len().saturating_add(name.len());
        let head = head.saturating_add(1).saturating_add(iv.len());
        let padded = aescbc::padded(value.plaintext);
        // There is room: it was measured before.
        let (before, behind) = rest.split_at_mut_checked(head).unwrap_or_default();
        let (buf, behind) = behind.split_at_mut_checked(padded).unwrap_or_default();
        rest = behind;
        let mut before = Filling::new(before);
        prefix::start(prefix::AESCBC, name, &mut before);
        before.put(iv);
        before.done();
        aescbc::pad_into(buf, value.plaintext);
        messages.push(CbcMessage { iv: *iv, buf });
        end = end.saturating_add(head).saturating_add(padded);
        ends.push(end);
    }
    cipher.encrypt_batch(&mut messages);
    ends
}

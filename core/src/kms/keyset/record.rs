//! The stored record, `KW1`.
//!
//! ```text
//! 00 4b 57 31 | flags (1) = 0 | set id (8) | commitment (16) | n (1), 1 to 6
//! n times, by ascending slot:  kind (1) | slot (1) | length (2, big endian) | wrap
//! sealed seed (32) | tag (16)
//! commitment: the first 16 bytes of HKDF-Expand(W, "kw1 commit"), W being the wrap key
//! seal:       AES-256-GCM under HKDF-Expand(W, "kw1 seal"), nonce 12 zero bytes, associated data: all before it | key_id
//! ```

use alloc::vec::Vec;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    ClusterLabel, MAX_RECORD, MAX_WRAPS, Origin, SEED_LEN, SetId, WrapKey, WrapKind, expand,
};
use crate::{
    Error,
    crypto::Backend,
    secret::{Plaintext, SecretBytes},
};

pub(super) const MAGIC: [u8; 4] = *b"\0KW1";
pub(super) const FLAGS: u8 = 0;
pub(super) const SEAL_LEN: usize = SEED_LEN + 16;
pub(super) const WRAP_HEAD: usize = 4;
/// Everything but the wraps: 78 bytes.
pub(super) const FIXED_LEN: usize = MAGIC.len() + 1 + 8 + 16 + 1 + SEAL_LEN;

pub(super) fn seal_key(wrap_key: &[u8]) -> Zeroizing<[u8; 32]> {
    expand(wrap_key, b"kw1 seal")
}

/// GCM opens under more than one key if its maker wants it to: without the commitment two wraps of one record could give
/// two seeds.
pub(super) fn commitment(wrap_key: &[u8]) -> [u8; 16] {
    let block = expand(wrap_key, b"kw1 commit");
    block.first_chunk().copied().unwrap_or_default()
}

/// One wrap of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrap<'a> {
    /// What made it.
    pub kind: WrapKind,
    /// Which KEK of the set.
    pub slot: u8,
    /// What the KEK made of the wrap key.
    pub blob: &'a [u8],
}

/// What an offline opening proves about who wrote the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Written by someone who may encrypt under the symmetric KEK.
    SymmetricKek,
    /// **Nothing.** Whoever has the recipient's public key, which is no secret, and write access to etcd can have made the
    /// whole record. Compare what comes out with something else before it is trusted.
    Unproven,
}

/// A seed opened offline.
#[derive(Debug)]
pub struct Recovered {
    /// The seed.
    pub seed: SecretBytes,
    /// What its opening proves.
    pub provenance: Provenance,
}

/// A parsed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    set_id: SetId,
    commitment: [u8; 16],
    wraps: Vec<Wrap<'a>>,
    head: &'a [u8],
    seal: &'a [u8; SEAL_LEN],
}

impl<'a> TryFrom<&'a [u8]> for Record<'a> {
    type Error = Error;

    fn try_from(stored: &'a [u8]) -> Result<Self, Error> {
        if stored.len() > MAX_RECORD {
            return Err(Error::KeysetMalformed("more than 1023 bytes"));
        }
        let (head, seal) = stored
            .split_last_chunk()
            .ok_or(Error::KeysetMalformed("cut short"))?;
        let mut rest = Reader(head);
        if rest.take()? != MAGIC {
            return Err(Error::KeysetMalformed("it does not start with 00 4b 57 31"));
        }
        if rest.take()? != [FLAGS] {
            return Err(Error::KeysetMalformed(
                "flags that this version does not know",
            ));
        }
        let set_id = SetId(rest.take()?);
        let commitment = rest.take()?;
        let [count] = rest.take()?;
        if count == 0 || usize::from(count) > MAX_WRAPS {
            return Err(Error::KeysetMalformed("not 1 to 6 wraps"));
        }
        let mut wraps: Vec<Wrap<'a>> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let [kind, slot, len @ ..] = rest.take::<WRAP_HEAD>()?;
            let blob = rest.slice(usize::from(u16::from_be_bytes(len)))?;
            let kind = WrapKind::from_number(kind)
                .filter(|kind| kind.takes(blob.len()))
                .ok_or(Error::KeysetMalformed(
                    "a wrap of unknown kind or of a length its kind does not have",
                ))?;
            if wraps.last().is_some_and(|before| before.slot >= slot) {
                return Err(Error::KeysetMalformed("slots that do not ascend"));
            }
            wraps.push(Wrap { kind, slot, blob });
        }
        if !rest.0.is_empty() {
            return Err(Error::KeysetMalformed(
                "bytes between the last wrap and the seal",
            ));
        }
        Ok(Self {
            set_id,
            commitment,
            wraps,
            head,
            seal,
        })
    }
}

impl<'a> Record<'a> {
    /// The set it was written by.
    pub const fn set_id(&self) -> SetId {
        self.set_id
    }

    /// The wraps, by slot.
    pub fn wraps(&self) -> &[Wrap<'a>] {
        &self.wraps
    }

    /// The wraps that may be opened online.
    pub fn online(&self) -> impl Iterator<Item = &Wrap<'a>> {
        self.wraps.iter().filter(|wrap| wrap.kind.is_symmetric())
    }

    /// What the wrap in `slot` is bound to.
    pub fn wrap_context(&self, label: &ClusterLabel, slot: u8) -> alloc::string::String {
        label.wrap_context(self.set_id, slot)
    }

    /// Opens with what a *symmetric* KEK gave for the wrap in `slot`. `key_id` is the one stored beside the record.
    ///
    /// [`Error::KeysetIntegrity`] is final for the record: only a KEK that cannot be reached is a reason to try another.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`] if there is no such wrap or it is not symmetric, [`Error::KeysetMalformed`] if the key_id is
    /// no keyset's, [`Error::KeysetIntegrity`] if record, key_id and wrap key do not belong together.
    pub fn open(
        &self,
        backend: &dyn Backend,
        slot: u8,
        key: &WrapKey,
        key_id: &str,
    ) -> Result<SecretBytes, Error> {
        if self.provenance(slot, key)? == Provenance::Unproven {
            return Err(Error::KeysetRefused(
                "the wrap proves nothing about its maker, so it is not opened online",
            ));
        }
        self.unseal(backend, key, key_id)
    }

    /// Opens offline with any wrap, and says what that proves.
    ///
    /// # Errors
    /// As [`open`](Self::open), but no kind is refused.
    pub fn recover(
        &self,
        backend: &dyn Backend,
        slot: u8,
        key: &WrapKey,
        key_id: &str,
    ) -> Result<Recovered, Error> {
        let provenance = self.provenance(slot, key)?;
        let seed = self.unseal(backend, key, key_id)?;
        Ok(Recovered { seed, provenance })
    }

    /// Both the wrap's kind and the key's origin have to vouch for the maker.
    fn provenance(&self, slot: u8, key: &WrapKey) -> Result<Provenance, Error> {
        let symmetric = self.wrap(slot)?.kind.is_symmetric();
        Ok(if symmetric && key.origin != Origin::Recovery {
            Provenance::SymmetricKek
        } else {
            Provenance::Unproven
        })
    }

    /// The wrap in `slot`.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`].
    pub fn wrap(&self, slot: u8) -> Result<&Wrap<'a>, Error> {
        self.wraps
            .iter()
            .find(|wrap| wrap.slot == slot)
            .ok_or(Error::KeysetRefused("the record has no wrap in this slot"))
    }

    fn unseal(
        &self,
        backend: &dyn Backend,
        key: &WrapKey,
        key_id: &str,
    ) -> Result<SecretBytes, Error> {
        if SetId::of_key_id(key_id)? != self.set_id || key.expose().len() != 32 {
            return Err(Error::KeysetIntegrity);
        }
        if !bool::from(commitment(key.expose()).ct_eq(&self.commitment)) {
            return Err(Error::KeysetIntegrity);
        }
        let mut aad = Vec::with_capacity(self.head.len().saturating_add(key_id.len()));
        aad.extend_from_slice(self.head);
        aad.extend_from_slice(key_id.as_bytes());
        let (sealed, tag) = self.seal.split_last_chunk().ok_or(Error::KeysetIntegrity)?;
        let mut seed = Plaintext::new();
        backend
            .gcm256_open_once(
                &seal_key(key.expose()),
                &[0; 12],
                &aad,
                sealed,
                tag,
                seed.sized(SEED_LEN),
            )
            .map_err(|_| Error::KeysetIntegrity)?;
        Ok(SecretBytes::from_slice(seed.reveal()))
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Error::KeysetMalformed("cut short"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (first, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(Error::KeysetMalformed("a wrap that goes beyond the record"))?;
        self.0 = rest;
        Ok(first)
    }
}

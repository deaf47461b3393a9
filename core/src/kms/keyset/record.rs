//! The stored record, `KW1`.
//!
//! ```text
//! 00 4b 57 31 | flags (1) | set id (8) | commitment (16) | n (1), 1 to 6
//! n times, by ascending slot:  kind (1) | slot (1) | length (2, big endian) | wrap
//! sealed seed (32) | tag (16)
//! set MAC (16), if bit 0 of the flags says so; the other bits are 0
//! commitment: the first 16 bytes of HKDF-Expand(W, "kw1 commit"), W being the wrap key
//! seal:       AES-256-GCM under HKDF-Expand(W, "kw1 seal"), nonce 12 zero bytes, associated data:
//!             all before it | key_id | cluster label
//! set MAC:    the first 16 bytes of HMAC-SHA256 under HKDF-Expand(A, "kw1 set mac"), A being the set key, over
//!             all before it | key_id | cluster label
//! ```
//!
//! What stands before seal and MAC tells its own length and a key_id has 47 bytes, so nothing can move from one part into
//! the next.

use alloc::vec::Vec;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    ClusterLabel, MAX_RECORD, MAX_WRAPS, Origin, SEED_LEN, SetId, SetKey, WrapKey, WrapKind,
    expand, set_key::MAC_LEN,
};
use crate::{
    Error,
    crypto::Backend,
    secret::{Plaintext, SecretBytes, Target as _},
};

pub(super) const MAGIC: [u8; 4] = *b"\0KW1";
/// Bit 0: there is a set MAC.
pub(super) const FLAG_MAC: u8 = 1;
pub(super) const SEAL_LEN: usize = SEED_LEN + 16;
pub(super) const WRAP_HEAD: usize = 4;
/// Everything but the wraps and the set MAC: 78 bytes.
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
    /// Written by someone who has the set key: worth as much as the place that the set key came from.
    SetKey,
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

/// What a reader has to know besides the record.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// The key_id that is stored next to the record.
    pub key_id: &'a str,
    /// The cluster whose record it is.
    pub label: &'a ClusterLabel,
    /// The set key, if the set has one. With it every record has to have a MAC that fits; without it no MAC is looked at,
    /// and only symmetric wraps open online.
    pub set_key: Option<&'a SetKey>,
}

impl Beside<'_> {
    /// What seal and MAC cover after the record's own bytes.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        [self.key_id.as_bytes(), self.label.as_bytes()]
    }
}

/// A parsed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    set_id: SetId,
    commitment: [u8; 16],
    wraps: Vec<Wrap<'a>>,
    head: &'a [u8],
    seal: &'a [u8; SEAL_LEN],
    /// All that the MAC covers of the record, and the MAC.
    mac: Option<(&'a [u8], &'a [u8; MAC_LEN])>,
}

impl<'a> TryFrom<&'a [u8]> for Record<'a> {
    type Error = Error;

    fn try_from(stored: &'a [u8]) -> Result<Self, Error> {
        if stored.len() > MAX_RECORD {
            return Err(Error::KeysetMalformed("more than 1023 bytes"));
        }
        let cut = Error::KeysetMalformed("cut short");
        let mut rest = Reader(stored);
        if rest.take()? != MAGIC {
            return Err(Error::KeysetMalformed("it does not start with 00 4b 57 31"));
        }
        let [flags] = rest.take()?;
        if flags & !FLAG_MAC != 0 {
            return Err(Error::KeysetMalformed(
                "flags that this version does not know",
            ));
        }
        let mac = if flags & FLAG_MAC == 0 {
            None
        } else {
            Some(stored.split_last_chunk().ok_or(cut.clone())?)
        };
        let covered = mac.map_or(stored, |(covered, _)| covered);
        let (head, seal) = covered.split_last_chunk().ok_or(cut.clone())?;
        let mut rest = Reader(head.get(MAGIC.len().saturating_add(1)..).ok_or(cut)?);
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
            mac,
        })
    }
}

impl<'a> Record<'a> {
    /// Whether `stored` begins as a record does, and as no other plugin's ciphertext.
    pub fn begins(stored: &[u8]) -> bool {
        stored.starts_with(&MAGIC)
    }

    /// The set it was written by.
    pub const fn set_id(&self) -> SetId {
        self.set_id
    }

    /// The wraps, by slot.
    pub fn wraps(&self) -> &[Wrap<'a>] {
        &self.wraps
    }

    /// The wraps that may be opened online: the symmetric ones, and where the set MAC proves the maker all but HPKE, whose
    /// private key belongs on no machine of the cluster.
    pub fn online(&self, with_set_key: bool) -> impl Iterator<Item = &Wrap<'a>> {
        let proven = with_set_key && self.mac.is_some();
        self.wraps
            .iter()
            .filter(move |wrap| wrap.kind.opens_online(proven))
    }

    /// Whether there is a set MAC.
    pub const fn has_mac(&self) -> bool {
        self.mac.is_some()
    }

    /// What the wrap in `slot` is bound to.
    pub fn wrap_context(&self, label: &ClusterLabel, slot: u8) -> alloc::string::String {
        label.wrap_context(self.set_id, slot)
    }

    /// Whether key_id, label and set key fit, without any KEK: a plugin asks this before it calls a KMS, so that what
    /// somebody put into etcd makes no call.
    ///
    /// # Errors
    /// [`Error::KeysetMalformed`] if the key_id is no keyset's, [`Error::KeysetIntegrity`] if it is that of another set, or
    /// if a set key was given and the MAC is missing or does not fit.
    pub fn check(&self, beside: &Beside<'_>) -> Result<(), Error> {
        if SetId::of_key_id(beside.key_id)? != self.set_id {
            return Err(Error::KeysetIntegrity);
        }
        let Some(set_key) = beside.set_key else {
            return Ok(());
        };
        let (covered, mac) = self.mac.ok_or(Error::KeysetIntegrity)?;
        if !bool::from(set_key.mac(covered, beside).ct_eq(mac)) {
            return Err(Error::KeysetIntegrity);
        }
        Ok(())
    }

    /// Opens online, with what a KEK gave for the wrap in `slot`.
    ///
    /// [`Error::KeysetIntegrity`] is final for the record: only a KEK that cannot be reached is a reason to try another.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); [`Error::KeysetRefused`] if there is no such wrap or nothing proves its maker;
    /// [`Error::KeysetIntegrity`] if record, key_id, label and wrap key do not belong together.
    pub fn open(
        &self,
        backend: &dyn Backend,
        slot: u8,
        key: &WrapKey,
        beside: &Beside<'_>,
    ) -> Result<SecretBytes, Error> {
        if key.origin == Origin::Recovery || self.wrap(slot)?.kind == WrapKind::Hpke {
            return Err(Error::KeysetRefused(
                "a recovery key belongs on no machine that opens records online",
            ));
        }
        if self.provenance(slot, key, beside)? == Provenance::Unproven {
            return Err(Error::KeysetRefused(
                "the wrap proves nothing about its maker, so it is not opened online",
            ));
        }
        self.unseal(backend, key, beside)
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
        beside: &Beside<'_>,
    ) -> Result<Recovered, Error> {
        let provenance = self.provenance(slot, key, beside)?;
        let seed = self.unseal(backend, key, beside)?;
        Ok(Recovered { seed, provenance })
    }

    /// Both the wrap's kind and the key's origin have to vouch for the maker, or else the set MAC.
    fn provenance(
        &self,
        slot: u8,
        key: &WrapKey,
        beside: &Beside<'_>,
    ) -> Result<Provenance, Error> {
        let symmetric = self.wrap(slot)?.kind.is_symmetric();
        self.check(beside)?;
        Ok(if symmetric && key.origin != Origin::Recovery {
            Provenance::SymmetricKek
        } else if beside.set_key.is_some() {
            Provenance::SetKey
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
        beside: &Beside<'_>,
    ) -> Result<SecretBytes, Error> {
        if key.expose().len() != 32 || !bool::from(commitment(key.expose()).ct_eq(&self.commitment))
        {
            return Err(Error::KeysetIntegrity);
        }
        let aad = [&[self.head], beside.parts().as_slice()].concat().concat();
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

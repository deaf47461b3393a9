//! The operator's set of KEKs, its key_id, and the writing of records.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};

use super::{
    Beside, Identity, MAX_RECORD, MAX_WRAPS, Origin, SEED_LEN, SetKey, WrapKey, WrapKind,
    identity::push_part,
    record::{FIXED_LEN, FLAG_MAC, MAGIC, SEAL_LEN, WRAP_HEAD, commitment, seal_key},
    set_key::MAC_LEN,
};
use crate::{Error, crypto::Backend};

const KEY_ID_PREFIX: &str = "kc1.";
const KEY_ID_DOMAIN: &[u8] = b"k8senc keyset key_id v1";

/// The first 8 bytes of the hash that is the key_id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub [u8; 8]);

impl SetId {
    /// The set that a key_id names.
    ///
    /// # Errors
    /// [`Error::KeysetMalformed`] if it is no key_id of a keyset.
    pub fn of_key_id(key_id: &str) -> Result<Self, Error> {
        let malformed =
            Error::KeysetMalformed("the key_id is not kc1. and 43 base64url characters");
        let mut hash = [0u8; 32];
        let decoded = key_id
            .strip_prefix(KEY_ID_PREFIX)
            .and_then(|text| Base64UrlUnpadded::decode(text, &mut hash).ok())
            .filter(|bytes| bytes.len() == 32)
            .and_then(|bytes| bytes.first_chunk().copied());
        decoded.map(Self).ok_or(malformed)
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The one name an operator has to know to open records offline: it is part of what every wrap is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLabel(String);

impl ClusterLabel {
    /// 1 to 63 letters, digits, `.`, `_` or `-`.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`].
    pub fn new(label: &str) -> Result<Self, Error> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if label.is_empty() || label.len() > 63 || !label.bytes().all(good) {
            return Err(Error::KeysetRefused(
                "a cluster label has 1 to 63 letters, digits, dots, underscores or hyphens",
            ));
        }
        Ok(Self(label.into()))
    }

    /// What the wrap in `slot` of a record of `set` is bound to: the AWS encryption context (under the name `kw1`), Vault's
    /// `associated_data`, Google's `additionalAuthenticatedData`, the GCM associated data, HPKE's `info`.
    pub fn wrap_context(&self, set: SetId, slot: u8) -> String {
        format!("kw1|{}|{set}|{slot}", self.0)
    }

    /// What a health probe binds its random bytes to, so that its output never passes for a wrap.
    pub fn probe_context(&self, slot: u8) -> String {
        format!("kw1-probe|{}|{slot}", self.0)
    }

    /// What the KEK in `slot` binds the [`SetKey`] to when it wraps it for the configuration.
    pub fn set_key_context(&self, slot: u8) -> String {
        format!("kw1-set|{}|{slot}", self.0)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// One KEK of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What makes the wrap.
    pub kind: WrapKind,
    /// Where the wrap stands in the record, and what the operator calls the KEK.
    pub slot: u8,
    /// Which key, in which version.
    pub identity: Identity,
    /// Bytes of a wrap, as far as they are known: 184 for AWS, 113 for Google, the RSA key's size for Azure.
    pub wrap_len: usize,
}

/// A set of KEKs that wrap side by side.
#[derive(Debug)]
pub struct Keyset {
    label: ClusterLabel,
    /// Sorted by slot.
    members: Vec<Member>,
    set_key: Option<SetKey>,
    key_id: String,
    set_id: SetId,
}

impl Keyset {
    /// `generation` is raised when a set that was left is taken up again: a key_id must never come back. With a `set_key`
    /// every record carries a MAC (16 bytes), and RSA and TPM wraps open online too.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`]: no member or more than 6, none that opens online, a slot or a key twice, a wrap length its
    /// kind does not have, or records that could grow beyond [`MAX_RECORD`].
    pub fn new(
        label: ClusterLabel,
        generation: u64,
        mut members: Vec<Member>,
        set_key: Option<SetKey>,
    ) -> Result<Self, Error> {
        members.sort_by(|a, b| (a.kind.number(), &a.identity).cmp(&(b.kind.number(), &b.identity)));
        if members.is_empty() || members.len() > MAX_WRAPS {
            return Err(Error::KeysetRefused("a set has 1 to 6 keys"));
        }
        if !members
            .iter()
            .any(|m| m.kind.opens_online(set_key.is_some()))
        {
            return Err(Error::KeysetRefused(
                "no key of the set may be used online: a symmetric one is needed, or a set key beside RSA",
            ));
        }
        if !members.iter().all(|m| m.kind.takes(m.wrap_len)) {
            return Err(Error::KeysetRefused(
                "a wrap length that its kind does not have",
            ));
        }
        let twins = |pair: &[Member]| matches!(pair, [a, b] if a.kind == b.kind && a.identity == b.identity);
        if members.windows(2).any(twins) {
            return Err(Error::KeysetRefused("the same key is in the set twice"));
        }
        let hash = key_id_hash(generation, &members, set_key.as_ref());
        members.sort_by_key(|m| m.slot);
        if members
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.slot == b.slot))
        {
            return Err(Error::KeysetRefused("two keys of the set have one slot"));
        }
        let mut set_id = SetId([0; 8]);
        set_id
            .0
            .iter_mut()
            .zip(hash)
            .for_each(|(to, from)| *to = from);
        let key_id = format!("{KEY_ID_PREFIX}{}", Base64UrlUnpadded::encode_string(&hash));
        let set = Self {
            label,
            members,
            set_key,
            key_id,
            set_id,
        };
        if set.max_record_len() > MAX_RECORD {
            return Err(Error::KeysetRefused(
                "records of this set could have more than 1023 bytes: leave a key out",
            ));
        }
        Ok(set)
    }

    /// What Status and Encrypt report: `kc1.` and 43 characters, without a name of any key in it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What records of this set carry.
    pub const fn set_id(&self) -> SetId {
        self.set_id
    }

    /// The KEKs, by slot.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What opens the set's own records besides a KEK.
    pub fn beside(&self) -> Beside<'_> {
        Beside {
            key_id: &self.key_id,
            label: &self.label,
            set_key: self.set_key.as_ref(),
        }
    }

    /// Bytes of a set MAC, if the set has one.
    const fn mac_len(&self) -> usize {
        if self.set_key.is_some() { MAC_LEN } else { 0 }
    }

    /// What the wrap in `slot` is bound to.
    pub fn wrap_context(&self, slot: u8) -> String {
        self.label.wrap_context(self.set_id, slot)
    }

    /// The most bytes a record can have, with room for clouds whose ciphertexts grow.
    pub fn max_record_len(&self) -> usize {
        self.members
            .iter()
            .map(|m| {
                m.wrap_len
                    .saturating_add(m.kind.slack())
                    .saturating_add(WRAP_HEAD)
            })
            .fold(
                FIXED_LEN.saturating_add(self.mac_len()),
                usize::saturating_add,
            )
    }

    /// Writes a record. `wraps` holds what each KEK made of `key`, with its slot, in any order; a missing one is an error,
    /// never a record with fewer ways to open it.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`]: not exactly one wrap for each slot, a wrap of a length its kind does not have, a record of
    /// more than [`MAX_RECORD`] bytes, a seed or wrap key of other than 32 bytes, a wrap key that is not
    /// [fresh](WrapKey::fresh).
    pub fn seal(
        &self,
        backend: &dyn Backend,
        key: WrapKey,
        seed: &[u8],
        wraps: &[(u8, &[u8])],
    ) -> Result<Vec<u8>, Error> {
        if key.origin != Origin::Fresh {
            return Err(Error::KeysetRefused(
                "a wrap key that was used before seals nothing",
            ));
        }
        if key.expose().len() != 32 || seed.len() != SEED_LEN {
            return Err(Error::KeysetRefused(
                "a seed or wrap key of other than 32 bytes",
            ));
        }
        if wraps.len() != self.members.len() {
            return Err(Error::KeysetRefused("not one wrap for each key of the set"));
        }
        let mut record = Vec::with_capacity(MAX_RECORD);
        record.extend_from_slice(&MAGIC);
        record.push(self.set_key.as_ref().map_or(0, |_| FLAG_MAC));
        record.extend_from_slice(&self.set_id.0);
        record.extend_from_slice(&commitment(key.expose()));
        record.push(u8::try_from(wraps.len()).unwrap_or(u8::MAX));
        for member in &self.members {
            let blob = wraps
                .iter()
                .find(|(slot, _)| *slot == member.slot)
                .map(|(_, blob)| *blob)
                .ok_or(Error::KeysetRefused("a key of the set has made no wrap"))?;
            let len = u16::try_from(blob.len())
                .ok()
                .filter(|_| member.kind.takes(blob.len()))
                .ok_or(Error::KeysetRefused(
                    "a wrap of a length its kind does not have",
                ))?;
            record.extend_from_slice(&[member.kind.number(), member.slot]);
            record.extend_from_slice(&len.to_be_bytes());
            record.extend_from_slice(blob);
        }
        let end = SEAL_LEN.saturating_add(self.mac_len());
        if record.len().saturating_add(end) > MAX_RECORD {
            return Err(Error::KeysetRefused("the record has more than 1023 bytes"));
        }
        let beside = self.beside();
        let aad = [&[record.as_slice()], beside.parts().as_slice()]
            .concat()
            .concat();
        let start = record.len();
        record.resize(start.saturating_add(seed.len()), 0);
        if let Some(sealed) = record.get_mut(start..) {
            let key = seal_key(key.expose());
            let tag = backend.gcm256_seal_once(&key, &[0; 12], &aad, seed, sealed);
            record.extend_from_slice(&tag);
        }
        if let Some(set_key) = &self.set_key {
            let mac = set_key.mac(&record, &beside);
            record.extend_from_slice(&mac);
        }
        Ok(record)
    }
}

impl fmt::Display for Keyset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self
            .members
            .iter()
            .map(|m| format!("{}:{}", m.slot, m.kind.name()))
            .collect();
        write!(f, "{} ({})", self.key_id, kinds.join(", "))
    }
}

/// `members` sorted by kind and identity; slots are not part of it. Without a set key its part is empty.
fn key_id_hash(generation: u64, members: &[Member], set_key: Option<&SetKey>) -> [u8; 32] {
    let mut input = Vec::new();
    push_part(&mut input, KEY_ID_DOMAIN);
    push_part(&mut input, &generation.to_be_bytes());
    push_part(&mut input, &(members.len() as u64).to_be_bytes());
    for member in members {
        push_part(&mut input, &[member.kind.number()]);
        push_part(&mut input, member.identity.as_bytes());
    }
    match set_key {
        Some(set_key) => push_part(&mut input, &*set_key.identity()),
        None => push_part(&mut input, &[]),
    }
    Sha256::digest(&input).into()
}

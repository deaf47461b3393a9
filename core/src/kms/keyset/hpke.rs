//! Recovery recipients: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//!
//! ```text
//! encapsulated key (32) | wrap key, encrypted (32) | tag (16)      info: the wrap's context, no associated data
//! ```

use alloc::vec::Vec;
use core::convert::Infallible;

use hpke::{
    Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _, aead::AesGcm256,
    kdf::HkdfSha256, kem::X25519HkdfSha256, rand_core,
};
use zeroize::Zeroizing;

use super::{Identity, Member, WrapKey, WrapKind};
use crate::{
    Error,
    secret::{SecretBytes, scrubbed},
};

type X25519 = X25519HkdfSha256;
const ENC_LEN: usize = 32;

/// The public key of someone who can open every record offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    public: [u8; 32],
}

impl Recipient {
    /// Bytes of a wrap.
    pub const WRAP_LEN: usize = 80;

    /// Takes an X25519 public key.
    pub const fn new(public: [u8; 32]) -> Self {
        Self { public }
    }

    /// The X25519 public key.
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// As a member of a set. It is in a set only where the operator asked for it.
    pub fn member(&self, slot: u8) -> Member {
        Member {
            kind: WrapKind::Hpke,
            slot,
            identity: Identity::of_public_key(&self.public),
            wrap_len: Self::WRAP_LEN,
        }
    }

    /// Wraps. `context` is the set's for this slot, `random` 32 fresh random bytes, from which the ephemeral key is made.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`] if the public key is one with which nothing is secret.
    pub fn wrap(&self, key: &WrapKey, context: &str, random: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let out = seal(&self.public, context.as_bytes(), b"", key.expose(), random)?;
        if out.len() == Self::WRAP_LEN {
            Ok(out)
        } else {
            Err(Error::KeysetRefused(
                "a seed or wrap key of other than 32 bytes",
            ))
        }
    }
}

/// The private key of a recovery recipient. It belongs on no machine of the cluster.
#[derive(Debug)]
pub struct RecoveryKey(SecretBytes);

impl RecoveryKey {
    /// Takes an X25519 private key of 32 bytes.
    ///
    /// # Errors
    /// [`Error::KeysetRefused`] for any other length.
    pub fn new(private: SecretBytes) -> Result<Self, Error> {
        if private.len() != 32 {
            return Err(Error::KeysetRefused(
                "a recovery key of other than 32 bytes",
            ));
        }
        Ok(Self(private))
    }

    /// Its public key.
    ///
    /// # Errors
    /// None that a key made by [`new`](Self::new) meets.
    pub fn recipient(&self) -> Result<Recipient, Error> {
        let public: [u8; 32] = X25519::sk_to_pk(&self.private()?).to_bytes().into();
        Ok(Recipient { public })
    }

    /// Unwraps. That it does proves nothing about who wrapped: the key goes to
    /// [`Record::recover`](super::Record::recover), which says so.
    ///
    /// # Errors
    /// [`Error::KeysetIntegrity`].
    pub fn unwrap(&self, blob: &[u8], context: &str) -> Result<WrapKey, Error> {
        open(&self.private()?, context.as_bytes(), b"", blob).map(WrapKey::recovered)
    }

    pub(super) fn private(&self) -> Result<<X25519 as Kem>::PrivateKey, Error> {
        <X25519 as Kem>::PrivateKey::from_bytes(self.0.expose())
            .map_err(|_| Error::KeysetRefused("a recovery key of other than 32 bytes"))
    }
}

pub(super) fn seal(
    public: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
    random: &[u8; 32],
) -> Result<Vec<u8>, Error> {
    let refused = |_| Error::KeysetRefused("a public key with which nothing is secret");
    let public = <X25519 as Kem>::PublicKey::from_bytes(public).map_err(refused)?;
    let mut given = Given(Zeroizing::new(*random));
    let (enc, sealed) = scrubbed(|| {
        hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519>(
            &OpModeS::Base,
            &public,
            info,
            plain,
            aad,
            &mut given,
        )
    })
    .map_err(refused)?;
    let mut out = Vec::with_capacity(ENC_LEN.saturating_add(sealed.len()));
    out.extend_from_slice(&enc.to_bytes());
    out.extend_from_slice(&sealed);
    Ok(out)
}

pub(super) fn open(
    private: &<X25519 as Kem>::PrivateKey,
    info: &[u8],
    aad: &[u8],
    blob: &[u8],
) -> Result<SecretBytes, Error> {
    let (enc, sealed) = blob
        .split_at_checked(ENC_LEN)
        .ok_or(Error::KeysetIntegrity)?;
    let enc = <X25519 as Kem>::EncappedKey::from_bytes(enc).map_err(|_| Error::KeysetIntegrity)?;
    scrubbed(|| {
        hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519>(
            &OpModeR::Base,
            private,
            &enc,
            info,
            sealed,
            aad,
        )
    })
    .map(SecretBytes::new)
    .map_err(|_| Error::KeysetIntegrity)
}

/// The caller's 32 random bytes as a generator. The key encapsulation draws exactly these, once; whoever drew again would
/// get the same, so nothing but this module uses it.
struct Given(Zeroizing<[u8; 32]>);

impl rand_core::TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for (to, from) in dst.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Given {}

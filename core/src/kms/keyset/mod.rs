//! Keysets: one seed that several KEKs can open, side by side, in one stored record.
//!
//! A [`Keyset`] is the operator's choice of KEKs. For each new seed a fresh [`WrapKey`] is drawn, every KEK of the set wraps
//! it, and [`Keyset::seal`] puts the wraps and the seed, sealed once under the wrap key, into a record ([`Record`]). Any one
//! *symmetric* wrap opens it online; RSA wraps do where a [`SetKey`] proves who wrote the record. Recovery recipients (HPKE)
//! open it offline only, where the answer says what that proves. `docs/keyset.md` has the layout and the rules.

mod hpke;
mod identity;
mod local;
mod record;
mod set;
mod set_key;
#[cfg(test)]
mod tests;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use self::{
    hpke::{Recipient, RecoveryKey},
    identity::Identity,
    local::LocalKek,
    record::{Beside, Provenance, Record, Recovered, Wrap},
    set::{ClusterLabel, Keyset, Member, SetId},
    set_key::SetKey,
};
use crate::secret::{SecretBytes, scrubbed};

/// A record never has more bytes: kube-apiserver takes 1,024 for an encrypted seed, one stays free.
pub const MAX_RECORD: usize = 1023;
/// The most wraps in a record.
pub const MAX_WRAPS: usize = 6;
/// Bytes of a seed.
pub const SEED_LEN: usize = 32;

/// What made a wrap. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum WrapKind {
    /// An AWS KMS blob, opaque.
    Aws = 1,
    /// Vault or OpenBao Transit: key version (2, big endian) | nonce (12) | ciphertext (32) | tag (16).
    Transit = 2,
    /// A Google Cloud KMS ciphertext, opaque.
    Gcp = 3,
    /// Azure Key Vault, RSA-OAEP-256, not base64: 256, 384 or 512 bytes.
    AzureRsa = 4,
    /// HPKE to a recovery recipient: encapsulated key (32) | ciphertext (32) | tag (16).
    Hpke = 5,
    /// AES-GCM in a PKCS#11 token: nonce (12) | ciphertext (32) | tag (16).
    Pkcs11 = 6,
    /// Sealed by a TPM 2.0: length of the public part (2, big endian) | public | private.
    Tpm2 = 7,
    /// AES-256 key wrap, RFC 3394: 40 bytes.
    AesKeyWrap = 8,
    /// A [`LocalKek`]: nonce (12) | ciphertext (32) | tag (16), as a token's, under a key derived from the KEK.
    Local = 9,
}

impl WrapKind {
    const ALL: [Self; 9] = [
        Self::Aws,
        Self::Transit,
        Self::Gcp,
        Self::AzureRsa,
        Self::Hpke,
        Self::Pkcs11,
        Self::Tpm2,
        Self::AesKeyWrap,
        Self::Local,
    ];

    /// The stored number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// `aws`, `transit`, `gcp`, `azure-rsa`, `hpke`, `pkcs11`, `tpm2`, `aes-key-wrap` or `local`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Transit => "transit",
            Self::Gcp => "gcp",
            Self::AzureRsa => "azure-rsa",
            Self::Hpke => "hpke",
            Self::Pkcs11 => "pkcs11",
            Self::Tpm2 => "tpm2",
            Self::AesKeyWrap => "aes-key-wrap",
            Self::Local => "local",
        }
    }

    /// Whether only someone allowed to encrypt under the KEK can have made such a wrap. Without it whoever writes to etcd
    /// can wrap a key of their own, and then forge whole objects. False for RSA and HPKE (anyone has the public key); a TPM
    /// wrap counts as one of these until its proof is reviewed.
    pub const fn is_symmetric(self) -> bool {
        match self {
            Self::Aws
            | Self::Transit
            | Self::Gcp
            | Self::Pkcs11
            | Self::AesKeyWrap
            | Self::Local => true,
            Self::AzureRsa | Self::Hpke | Self::Tpm2 => false,
        }
    }

    /// Whether such a wrap is opened online; `proven` says that a set MAC vouches for its maker.
    const fn opens_online(self, proven: bool) -> bool {
        self.is_symmetric() || (proven && !matches!(self, Self::Hpke))
    }

    /// Whether a wrap of this kind may have `len` bytes.
    pub const fn takes(self, len: usize) -> bool {
        match self {
            Self::Aws | Self::Gcp | Self::Tpm2 => len >= SEED_LEN,
            Self::Transit => len == 62,
            Self::AzureRsa => matches!(len, 256 | 384 | 512),
            Self::Hpke => len == 80,
            Self::Pkcs11 | Self::Local => len == 60,
            Self::AesKeyWrap => len == 40,
        }
    }

    /// Bytes to spare for clouds that promise no size.
    const fn slack(self) -> usize {
        match self {
            Self::Aws | Self::Gcp => 32,
            _ => 0,
        }
    }
}

/// The key between the KEKs and the seed: drawn for one record, wrapped by every KEK of the set, used for one seal.
#[derive(Debug)]
pub struct WrapKey {
    bytes: SecretBytes,
    origin: Origin,
}

/// Where a wrap key came from, which decides what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Drawn just now: it may seal.
    Fresh,
    /// A KMS or a symmetric KEK gave it for a wrap.
    Kek,
    /// A recovery key gave it: it proves nothing, whichever slot it is offered for.
    Recovery,
}

impl WrapKey {
    /// Takes 32 fresh random bytes. [`Keyset::seal`] consumes the wrap key and takes no other, because its nonce is
    /// constant: a second record under the same key would give both seeds away.
    pub fn fresh(random: &[u8; 32]) -> Self {
        Self {
            bytes: SecretBytes::from_slice(random),
            origin: Origin::Fresh,
        }
    }

    /// What a KMS answered to Decrypt of a wrap.
    pub fn unwrapped(answer: SecretBytes) -> Self {
        Self {
            bytes: answer,
            origin: Origin::Kek,
        }
    }

    fn recovered(bytes: SecretBytes) -> Self {
        Self {
            bytes,
            origin: Origin::Recovery,
        }
    }

    /// The bytes that the KEKs wrap, by a call that stands out.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

/// `HKDF-Expand(key, info, 32)` with SHA-256: one block of it.
fn expand(key: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    hmac(key, &[info, &[1]])
}

/// HMAC-SHA256 over the parts, one behind the other.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    scrubbed(|| {
        // A key of any length is taken, so there is no other arm.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
            parts.iter().for_each(|part| mac.update(part));
            out.copy_from_slice(&mac.finalize().into_bytes());
        }
    });
    out
}

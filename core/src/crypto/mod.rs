//! One small trait per primitive, and the portable backend that is always there and is the reference for all others.

use alloc::boxed::Box;

mod aes_cbc;
mod portable;

pub use portable::{PORTABLE, RustCrypto};

/// The tag does not fit. Carries nothing: why it failed is not for the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Makes keyed ciphers. Which backend it is changes speed and nothing else.
pub trait Backend: Send + Sync {
    /// For humans: `portable`, `aws-lc-rs`, ...
    fn name(&self) -> &'static str;
    /// AES-GCM with a key of 16, 24 or 32 bytes; `None` for any other length.
    fn gcm(&self, key: &[u8]) -> Option<Box<dyn Gcm>>;
    /// AES-CBC with a key of 16, 24 or 32 bytes; `None` for any other length.
    fn cbc(&self, key: &[u8]) -> Option<Box<dyn Cbc>>;
    /// XSalsa20-Poly1305.
    fn secretbox(&self, key: &[u8; 32]) -> Box<dyn Secretbox>;
    /// HKDF-Expand with SHA-256 under a seed that is used many times.
    fn expander(&self, seed: &[u8]) -> Box<dyn Expander>;
    /// Opens one message under a key used for nothing else.
    fn gcm256_open_once(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused>;
    /// Seals `plain` into `sealed`, which is as long, under a key used for nothing else; the tag is returned.
    fn gcm256_seal_once(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> [u8; 16];
}

/// AES-GCM with a 12-byte nonce and a 16-byte tag.
pub trait Gcm: Send + Sync {
    /// Decrypts `ciphertext` into `plain`, which is as long. When refused, what `plain` holds means nothing and must not
    /// be used.
    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused>;
    /// Encrypts `plain` into `sealed`, which is as long, and returns the tag.
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], plain: &[u8], sealed: &mut [u8]) -> [u8; 16];
}

/// AES-CBC over whole blocks, no padding. A tail shorter than a block is not written.
pub trait Cbc: Send + Sync {
    /// Decrypts `ciphertext` into `plain`, which is as long.
    fn decrypt(&self, iv: &[u8; 16], ciphertext: &[u8], plain: &mut [u8]);
    /// Encrypts `buf` in place.
    fn encrypt(&self, iv: &[u8; 16], buf: &mut [u8]);
    /// Encrypts messages that have nothing to do with each other, each as [`encrypt`](Self::encrypt) would. Eight or more
    /// are several times faster than one by one, best when they are about as long as each other.
    fn encrypt_batch(&self, messages: &mut [CbcMessage<'_>]) {
        for message in messages {
            self.encrypt(&message.iv, message.buf);
        }
    }
}

/// One message of a batch.
pub struct CbcMessage<'a> {
    /// Its IV.
    pub iv: [u8; 16],
    /// What is encrypted in place.
    pub buf: &'a mut [u8],
}

/// NaCl secretbox, tag apart.
pub trait Secretbox: Send + Sync {
    /// As [`Gcm::open`], without associated data.
    fn open(
        &self,
        nonce: &[u8; 24],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused>;
    /// As [`Gcm::seal`], without associated data.
    fn seal(&self, nonce: &[u8; 24], plain: &[u8], sealed: &mut [u8]) -> [u8; 16];
}

/// `HMAC-SHA256(seed, info ‖ 01)`: HKDF-Expand for one block, as KMS v2 derives a key per value.
pub trait Expander: Send + Sync {
    /// Fills `key`, which the caller wipes.
    fn derive(&self, info: &[u8; 32], key: &mut [u8; 32]);
}

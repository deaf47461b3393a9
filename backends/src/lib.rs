//! Faster implementations of core's crypto traits, for native targets.
//!
//! Per primitive the fastest sound choice that was measured: AES-GCM by `aws-lc-rs` (twice Go's speed at 64 KiB), secretbox
//! by `dryoc` (three times Go's), AES-CBC and HKDF by RustCrypto (4.5 times Go's decrypting CBC; the keyed HMAC state is
//! kept per seed). The choice is invisible in results: a test compares every backend with the reference.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use dryoc::classic::crypto_secretbox::{crypto_secretbox_detached, crypto_secretbox_open_detached};
use k8senc::crypto::{Backend, Cbc, Expander, Gcm, PORTABLE, Refused, Secretbox};
use k8senc::secret::scrubbed;
use zeroize::Zeroizing;

/// The fast backend.
pub struct Native;

/// The one value of [`Native`] anyone needs.
pub static NATIVE: Native = Native;

impl Backend for Native {
    fn name(&self) -> &'static str {
        "native (aws-lc-rs, dryoc, RustCrypto)"
    }

    fn gcm(&self, key: &[u8]) -> Option<Box<dyn Gcm>> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        Some(Box::new(AwsLcGcm(LessSafeKey::new(
            UnboundKey::new(algorithm, key).ok()?,
        ))))
    }

    fn cbc(&self, key: &[u8]) -> Option<Box<dyn Cbc>> {
        PORTABLE.cbc(key)
    }

    fn secretbox(&self, key: &[u8; 32]) -> Box<dyn Secretbox> {
        Box::new(Dryoc(Zeroizing::new(*key)))
    }

    fn expander(&self, seed: &[u8]) -> Box<dyn Expander> {
        PORTABLE.expander(seed)
    }

    fn gcm256_open_once(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Refused)?;
        AwsLcGcm(LessSafeKey::new(key)).open(nonce, aad, ciphertext, tag, plain)
    }

    fn gcm256_seal_once(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> [u8; 16] {
        match UnboundKey::new(&AES_256_GCM, key) {
            Ok(key) => AwsLcGcm(LessSafeKey::new(key)).seal(nonce, aad, plain, sealed),
            // No memory for the key schedule: the reference needs none.
            Err(_) => PORTABLE.gcm256_seal_once(key, nonce, aad, plain, sealed),
        }
    }
}

/// What stands for a tag where nothing was sealed: the lengths differ, or are above 2^36 bytes. It opens nothing.
const NO_TAG: [u8; 16] = [0; 16];

struct AwsLcGcm(LessSafeKey);

impl Gcm for AwsLcGcm {
    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plain)
            .map_err(|_| Refused)
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], plain: &[u8], sealed: &mut [u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut tag = NO_TAG;
        let done =
            self.0
                .seal_out_of_place_scatter(nonce, Aad::from(aad), plain, sealed, &[], &mut tag);
        if done.is_ok() { tag } else { NO_TAG }
    }
}

struct Dryoc(Zeroizing<[u8; 32]>);

impl Secretbox for Dryoc {
    fn open(
        &self,
        nonce: &[u8; 24],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused> {
        if plain.len() != ciphertext.len() {
            return Err(Refused);
        }
        scrubbed(|| crypto_secretbox_open_detached(plain, ciphertext, tag, nonce, &self.0))
            .map_err(|_| Refused)
    }

    fn seal(&self, nonce: &[u8; 24], plain: &[u8], sealed: &mut [u8]) -> [u8; 16] {
        let mut tag = NO_TAG;
        if plain.len() != sealed.len() {
            return tag;
        }
        let done = scrubbed(|| crypto_secretbox_detached(sealed, &mut tag, plain, nonce, &self.0));
        match done {
            Ok(()) => tag,
            // A message longer than dryoc takes; the reference takes it.
            Err(_) => PORTABLE.secretbox(&self.0).seal(nonce, plain, sealed),
        }
    }
}

//! RustCrypto, on every target, without an operating system.

use alloc::boxed::Box;

use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, InOutBuf, KeyInit as BlockKeyInit,
    consts::U16,
};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, aead::AeadInOut, aes::cipher::consts::U12};
use hmac::{Hmac, Mac as _};
use poly1305::Poly1305;
use salsa20::{
    XSalsa20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Backend, Cbc, CbcMessage, Expander, Gcm, Refused, Secretbox, aes_cbc};
use crate::secret::scrubbed;

/// The portable backend.
pub struct RustCrypto;

/// The one value of [`RustCrypto`] anyone needs.
pub static PORTABLE: RustCrypto = RustCrypto;

impl Backend for RustCrypto {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn gcm(&self, key: &[u8]) -> Option<Box<dyn Gcm>> {
        scrubbed(|| -> Option<Box<dyn Gcm>> {
            Some(match key.len() {
                16 => Box::new(GcmOf(AesGcm::<Aes128, U12>::new_from_slice(key).ok()?)),
                24 => Box::new(GcmOf(AesGcm::<Aes192, U12>::new_from_slice(key).ok()?)),
                32 => Box::new(GcmOf(AesGcm::<Aes256, U12>::new_from_slice(key).ok()?)),
                _ => return None,
            })
        })
    }

    fn cbc(&self, key: &[u8]) -> Option<Box<dyn Cbc>> {
        scrubbed(|| -> Option<Box<dyn Cbc>> {
            Some(match key.len() {
                16 => Box::new(CbcOf(<Aes128 as BlockKeyInit>::new_from_slice(key).ok()?)),
                24 => Box::new(CbcOf(<Aes192 as BlockKeyInit>::new_from_slice(key).ok()?)),
                32 => Box::new(CbcOf(<Aes256 as BlockKeyInit>::new_from_slice(key).ok()?)),
                _ => return None,
            })
        })
    }

    fn secretbox(&self, key: &[u8; 32]) -> Box<dyn Secretbox> {
        scrubbed(|| -> Box<dyn Secretbox> { Box::new(XSalsa20Poly1305(Zeroizing::new(*key))) })
    }

    fn expander(&self, seed: &[u8]) -> Box<dyn Expander> {
        scrubbed(|| -> Box<dyn Expander> { Box::new(Midstate(keyed_hmac(seed))) })
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
        scrubbed(|| {
            GcmOf(AesGcm::<Aes256, U12>::new(key.into())).open(nonce, aad, ciphertext, tag, plain)
        })
    }

    fn gcm256_seal_once(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> [u8; 16] {
        scrubbed(|| GcmOf(AesGcm::<Aes256, U12>::new(key.into())).seal(nonce, aad, plain, sealed))
    }
}

struct GcmOf<C>(C);

impl<C> Gcm for GcmOf<C>
where
    C: AeadInOut<NonceSize = U12, TagSize = U16> + Send + Sync,
{
    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused> {
        let buf = InOutBuf::new(ciphertext, plain).map_err(|_| Refused)?;
        self.0
            .decrypt_inout_detached(nonce.into(), aad, buf, tag.into())
            .map_err(|_| Refused)
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], plain: &[u8], sealed: &mut [u8]) -> [u8; 16] {
        InOutBuf::new(plain, sealed).map_or(NO_TAG, |buf| {
            tag_of(self.0.encrypt_inout_detached(nonce.into(), aad, buf))
        })
    }
}

/// What stands for a tag where nothing was sealed: no output was given for the input, or it is above 2^36 bytes, which no
/// slice that was read from etcd is.
const NO_TAG: [u8; 16] = [0; 16];

fn tag_of<E>(sealed: Result<aes_gcm::Tag, E>) -> [u8; 16] {
    sealed.map_or(NO_TAG, Into::into)
}

struct CbcOf<C>(C);

impl<C> Cbc for CbcOf<C>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn decrypt(&self, iv: &[u8; 16], ciphertext: &[u8], plain: &mut [u8]) {
        aes_cbc::decrypt(&self.0, iv, ciphertext, plain);
    }

    fn encrypt(&self, iv: &[u8; 16], buf: &mut [u8]) {
        aes_cbc::encrypt_one(&self.0, iv, buf);
    }

    fn encrypt_batch(&self, messages: &mut [CbcMessage<'_>]) {
        aes_cbc::encrypt(&self.0, messages);
    }
}

struct XSalsa20Poly1305(Zeroizing<[u8; 32]>);

impl XSalsa20Poly1305 {
    /// The first 32 bytes of the key stream are the Poly1305 key, the message starts behind them.
    fn start(&self, nonce: &[u8; 24]) -> (XSalsa20, Poly1305) {
        let mut stream = XSalsa20::new((&*self.0).into(), nonce.into());
        let mut mac_key = Zeroizing::new([0u8; 32]);
        stream.apply_keystream(&mut *mac_key);
        let mac = Poly1305::new((&*mac_key).into());
        (stream, mac)
    }
}

impl Secretbox for XSalsa20Poly1305 {
    fn open(
        &self,
        nonce: &[u8; 24],
        ciphertext: &[u8],
        tag: &[u8; 16],
        plain: &mut [u8],
    ) -> Result<(), Refused> {
        scrubbed(|| {
            let (mut stream, mac) = self.start(nonce);
            let ours: [u8; 16] = mac.compute_unpadded(ciphertext).into();
            let buf = InOutBuf::new(ciphertext, plain).map_err(|_| Refused)?;
            if !bool::from(ours.ct_eq(tag)) {
                return Err(Refused);
            }
            stream.apply_keystream_inout(buf);
            Ok(())
        })
    }

    fn seal(&self, nonce: &[u8; 24], plain: &[u8], sealed: &mut [u8]) -> [u8; 16] {
        scrubbed(|| {
            let (mut stream, mac) = self.start(nonce);
            let Ok(buf) = InOutBuf::new(plain, &mut *sealed) else {
                return NO_TAG;
            };
            stream.apply_keystream_inout(buf);
            mac.compute_unpadded(sealed).into()
        })
    }
}

/// HMAC with the key already hashed in. It *is* the seed to whoever reads it; `zeroize` of `hmac` and `sha2` wipes it.
struct Midstate(Hmac<Sha256>);

fn keyed_hmac(seed: &[u8]) -> Hmac<Sha256> {
    // A key of any length is taken, so the other arm is never used.
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(seed)
        .unwrap_or_else(|_| <Hmac<Sha256> as hmac::KeyInit>::new(&Default::default()))
}

impl Expander for Midstate {
    fn derive(&self, info: &[u8; 32], key: &mut [u8; 32]) {
        scrubbed(|| {
            let mut mac = self.0.clone();
            mac.update(info);
            mac.update(&[1]);
            key.copy_from_slice(&mac.finalize().into_bytes());
        });
    }
}

//! Secrets that are never given back themselves, and everything that gives them away.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use k8senc_secret_proof::{aes, watch};
use sha2::Sha256;

/// `len` bytes that look random and that no other call gave.
pub fn random(name: &str, len: usize) -> &'static [u8] {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.push((state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8);
    }
    bytes.leak()
}

/// Watched as it is.
pub fn plain(name: &str, len: usize) -> &'static [u8] {
    let secret = random(name, len);
    watch(secret);
    secret
}

/// Watched with its round keys in both directions.
pub fn aes_key(name: &str, len: usize) -> &'static [u8] {
    let key = plain(name, len);
    for round in [aes::round_keys(key), aes::inverse_round_keys(key)].concat() {
        watch(&round);
    }
    key
}

/// Watched with the states that HMAC-SHA256 keeps of it, which are as good as the seed.
pub fn seed(name: &str, len: usize) -> &'static [u8] {
    let seed = plain(name, len);
    for pad in [0x36u8, 0x5c] {
        let mut block = [pad; 64];
        block.iter_mut().zip(seed).for_each(|(b, s)| *b ^= s);
        watch(&block);
        let mut state: [u32; 8] = [
            0x6a09_e667,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ];
        sha2::block_api::compress256(&mut state, &[block]);
        watch(&state.map(u32::to_ne_bytes).concat());
        // The order in which the CPU's instructions keep it.
        let [a, b, c, d, e, f, g, h] = state;
        watch(&[f, e, b, a, h, g, d, c].map(u32::to_ne_bytes).concat());
    }
    seed
}

/// What kube-apiserver derives from a seed for one value.
pub fn derived(seed: &[u8], info: &[u8]) {
    let mut mac = Hmac::<Sha256>::new_from_slice(seed).unwrap();
    mac.update(info);
    mac.update(&[1]);
    aes_schedule(&mac.finalize().into_bytes());
}

fn aes_schedule(key: &[u8]) {
    watch(key);
    for round in aes::round_keys(key) {
        watch(&round);
    }
}

/// The base64 text of a key, watched too, as a configuration holds it.
pub fn text(key: &[u8]) -> &'static str {
    let text = Base64::encode_string(key).leak();
    watch(text.as_bytes());
    text
}

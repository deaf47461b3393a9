//! The native backend against the portable reference: every length around block borders, every key size.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8senc::crypto::{Backend, PORTABLE};
use k8senc_backends::NATIVE;

/// Every length to 300, and the neighbourhood of larger powers of two.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=300).chain(
        [512usize, 1024, 4096, 65_536]
            .into_iter()
            .flat_map(|n| n - 17..=n + 17),
    )
}

/// Bytes without a pattern that a cipher could hide behind.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

fn array<const N: usize>(seed: u64) -> [u8; N] {
    bytes(N, seed).try_into().unwrap()
}

#[test]
fn gcm() {
    let mut ran = 0;
    for key_len in [16, 24, 32] {
        let key = bytes(key_len, key_len as u64);
        let (ours, reference) = (NATIVE.gcm(&key).unwrap(), PORTABLE.gcm(&key).unwrap());
        for len in lengths() {
            let (nonce, aad, plain) = (array(len as u64), bytes(len % 67, 5), bytes(len, 9));
            let (mut a, mut b) = (plain.clone(), plain.clone());
            let (tag_a, tag_b) = (
                ours.seal(&nonce, &aad, &mut a),
                reference.seal(&nonce, &aad, &mut b),
            );
            assert_eq!((&a, tag_a), (&b, tag_b), "key {key_len} len {len}");
            let mut opened = vec![0; len];
            ours.open(&nonce, &aad, &a, &tag_a, &mut opened).unwrap();
            assert_eq!(opened, plain);
            reference
                .open(&nonce, &aad, &a, &tag_a, &mut opened)
                .unwrap();
            assert_eq!(opened, plain);
            let mut bad = tag_a;
            bad[len % 16] ^= 1;
            assert!(ours.open(&nonce, &aad, &a, &bad, &mut opened).is_err());
            assert!(reference.open(&nonce, &aad, &a, &bad, &mut opened).is_err());
            ran += 1;
        }
    }
    assert_eq!(ran, 3 * lengths().count());
    for len in (0..=64).filter(|n| ![16, 24, 32].contains(n)) {
        assert!(NATIVE.gcm(&bytes(len, 1)).is_none() && PORTABLE.gcm(&bytes(len, 1)).is_none());
        assert!(NATIVE.cbc(&bytes(len, 1)).is_none() && PORTABLE.cbc(&bytes(len, 1)).is_none());
    }
}

#[test]
fn gcm_once() {
    for len in lengths() {
        let (key, nonce, aad, plain) =
            (array(3 + len as u64), array(7), bytes(40, 1), bytes(len, 2));
        let (mut a, mut b) = (plain.clone(), plain.clone());
        let tag = NATIVE.gcm256_seal_once(&key, &nonce, &aad, &mut a);
        assert_eq!(
            tag,
            PORTABLE.gcm256_seal_once(&key, &nonce, &aad, &mut b),
            "len {len}"
        );
        assert_eq!(a, b);
        let mut opened = vec![0; len];
        NATIVE
            .gcm256_open_once(&key, &nonce, &aad, &a, &tag, &mut opened)
            .unwrap();
        assert_eq!(opened, plain);
        assert!(
            NATIVE
                .gcm256_open_once(&key, &nonce, b"other", &a, &tag, &mut opened)
                .is_err()
        );
    }
}

#[test]
fn secretbox() {
    let key = array(11);
    let (ours, reference) = (NATIVE.secretbox(&key), PORTABLE.secretbox(&key));
    for len in lengths() {
        let (nonce, plain) = (array(len as u64), bytes(len, 3));
        let (mut a, mut b) = (plain.clone(), plain.clone());
        let (tag_a, tag_b) = (ours.seal(&nonce, &mut a), reference.seal(&nonce, &mut b));
        assert_eq!((&a, tag_a), (&b, tag_b), "len {len}");
        let mut opened = vec![0; len];
        ours.open(&nonce, &a, &tag_a, &mut opened).unwrap();
        assert_eq!(opened, plain);
        reference.open(&nonce, &a, &tag_a, &mut opened).unwrap();
        assert_eq!(opened, plain);
        let mut bad = tag_a;
        bad[len % 16] ^= 0x80;
        assert!(ours.open(&nonce, &a, &bad, &mut opened).is_err());
        assert!(reference.open(&nonce, &a, &bad, &mut opened).is_err());
    }
}

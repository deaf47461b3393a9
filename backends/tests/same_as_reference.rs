//! The native backend against the portable reference: every length around block and page borders, every key size, any
//! alignment. Where both share code, an independent implementation is the third.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod inputs;

use aws_lc_rs::hmac;
use inputs::{LENGTHS, array, bytes, lengths};
use k8senc::crypto::{Backend, PORTABLE, Refused};
use k8senc_backends::NATIVE;

const BOTH: [&dyn Backend; 2] = [&NATIVE, &PORTABLE];

#[test]
fn gcm() {
    let mut ran = 0;
    for key_len in [16, 24, 32] {
        let key = bytes(key_len, key_len as u64);
        let ciphers = BOTH.map(|backend| backend.gcm(&key).unwrap());
        for len in lengths() {
            // Starts where `len` says, so that no alignment is special.
            let shift = len % 5;
            let (nonce, aad) = (array(len as u64), bytes(len % 67, 5));
            let room = bytes(shift + len, 9);
            let plain = &room[shift..];
            let sealed = ciphers.each_ref().map(|cipher| {
                let mut out = vec![0; shift + len];
                let tag = cipher.seal(&nonce, &aad, plain, &mut out[shift..]);
                (out[shift..].to_vec(), tag)
            });
            assert_eq!(sealed[0], sealed[1], "key {key_len} len {len}");
            let (body, tag) = &sealed[0];
            assert!(len < 16 || body != plain, "key {key_len} len {len}");
            for cipher in &ciphers {
                let mut opened = vec![0xaa; shift + len];
                let out = &mut opened[shift..];
                cipher.open(&nonce, &aad, body, tag, out).unwrap();
                assert_eq!(out, plain, "key {key_len} len {len}");
                let mut bad = *tag;
                bad[len % 16] ^= 1 << (len % 8);
                assert_eq!(cipher.open(&nonce, &aad, body, &bad, out), Err(Refused));
                assert_eq!(cipher.open(&nonce, b"?", body, tag, out), Err(Refused));
                if let Some((last, shorter)) = body.split_last() {
                    let out = &mut opened[shift + 1..];
                    assert_eq!(cipher.open(&nonce, &aad, shorter, tag, out), Err(Refused));
                    let mut bad = body.clone();
                    bad[len - 1] = last ^ 1;
                    let out = &mut opened[shift..];
                    assert_eq!(cipher.open(&nonce, &aad, &bad, tag, out), Err(Refused));
                }
            }
            ran += 1;
        }
    }
    assert_eq!(ran, 3 * LENGTHS);
}

#[test]
fn no_other_key_size() {
    for len in (0..=64).filter(|n| ![16, 24, 32].contains(n)) {
        for backend in BOTH {
            assert!(backend.gcm(&bytes(len, 1)).is_none(), "{len}");
            assert!(backend.cbc(&bytes(len, 1)).is_none(), "{len}");
        }
    }
}

#[test]
fn output_of_another_length_is_refused() {
    for backend in BOTH {
        let gcm = backend.gcm(&[1; 32]).unwrap();
        let secretbox = backend.secretbox(&[1; 32]);
        let (plain, mut body) = ([7; 40], [0; 40]);
        let tag = gcm.seal(&[2; 12], b"", &plain, &mut body);
        for len in [0, 39, 41] {
            let mut out = vec![0; len];
            let opened = gcm.open(&[2; 12], b"", &body, &tag, &mut out);
            assert_eq!(opened, Err(Refused), "{} {len}", backend.name());
            let tag = gcm.seal(&[2; 12], b"", &plain, &mut out);
            assert_eq!((tag, &out), ([0; 16], &vec![0; len]));
            let opened = secretbox.open(&[2; 24], &body, &tag, &mut out);
            assert_eq!(opened, Err(Refused), "{} {len}", backend.name());
            let tag = secretbox.seal(&[2; 24], &plain, &mut out);
            assert_eq!((tag, &out), ([0; 16], &vec![0; len]));
        }
    }
}

#[test]
fn gcm_once() {
    let mut ran = 0;
    for len in lengths() {
        let (key, nonce) = (array(3 + len as u64), array(7));
        let (aad, plain) = (bytes(40, 1), bytes(len, 2));
        let sealed = BOTH.map(|backend| {
            let mut buf = vec![0; len];
            let tag = backend.gcm256_seal_once(&key, &nonce, &aad, &plain, &mut buf);
            (buf, tag)
        });
        assert_eq!(sealed[0], sealed[1], "len {len}");
        let (body, tag) = &sealed[0];
        // The same as with a key that is kept.
        let mut kept = vec![0; len];
        let cipher = PORTABLE.gcm(&key).unwrap();
        assert_eq!(cipher.seal(&nonce, &aad, &plain, &mut kept), *tag);
        assert_eq!(kept, *body);
        for backend in BOTH {
            let mut out = vec![0; len];
            let mut open =
                |aad: &[u8], tag| backend.gcm256_open_once(&key, &nonce, aad, body, tag, &mut out);
            assert_eq!(open(b"other", tag), Err(Refused));
            assert_eq!(open(&aad, &[0; 16]), Err(Refused));
            open(&aad, tag).unwrap();
            assert_eq!(out, plain);
        }
        ran += 1;
    }
    assert_eq!(ran, LENGTHS);
}

#[test]
fn secretbox() {
    let key = array(11);
    let ciphers = BOTH.map(|backend| backend.secretbox(&key));
    let mut ran = 0;
    for len in lengths() {
        let shift = len % 5;
        let nonce = array(len as u64);
        let room = bytes(shift + len, 3);
        let plain = &room[shift..];
        let sealed = ciphers.each_ref().map(|cipher| {
            let mut out = vec![0; shift + len];
            let tag = cipher.seal(&nonce, plain, &mut out[shift..]);
            (out[shift..].to_vec(), tag)
        });
        assert_eq!(sealed[0], sealed[1], "len {len}");
        let (body, tag) = &sealed[0];
        for cipher in &ciphers {
            let mut opened = vec![0xaa; shift + len];
            let out = &mut opened[shift..];
            cipher.open(&nonce, body, tag, out).unwrap();
            assert_eq!(out, plain, "len {len}");
            let mut bad = *tag;
            bad[len % 16] ^= 1 << (len % 8);
            assert_eq!(cipher.open(&nonce, body, &bad, out), Err(Refused));
            assert_eq!(cipher.open(&array(1 << 40), body, tag, out), Err(Refused));
            if let Some((last, _)) = body.split_last() {
                let mut bad = body.clone();
                bad[len - 1] = last ^ 0x80;
                assert_eq!(cipher.open(&nonce, &bad, tag, out), Err(Refused));
            }
        }
        ran += 1;
    }
    assert_eq!(ran, LENGTHS);
}

/// One expander, used again and again in any order, against HMAC from the start by another library.
#[test]
fn expander_keeps_its_state() {
    for seed_len in (0..=80).chain([127, 128, 129]) {
        let seed = bytes(seed_len, 1 + seed_len as u64);
        let expanders = BOTH.map(|backend| backend.expander(&seed));
        let derive = |at: usize, info: &[u8; 32]| {
            let mut key = [0x55; 32];
            expanders[at].derive(info, &mut key);
            key
        };
        let first = array(1);
        let want = derive(0, &first);
        for round in 0..5 {
            let info = array(100 + round);
            let mut block = info.to_vec();
            block.push(1);
            let other = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &seed), &block);
            let other: [u8; 32] = other.as_ref().try_into().unwrap();
            assert_eq!(derive(0, &info), other, "seed {seed_len}");
            assert_eq!(derive(1, &info), other, "seed {seed_len}");
            assert_eq!(derive(0, &first), want, "state moved, seed {seed_len}");
        }
    }
}

//! AES-CBC of every backend against an independent implementation, and messages side by side against one by one.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod inputs;

use aws_lc_rs::{
    cipher::{
        AES_128, AES_192, AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
};
use inputs::{LENGTHS, array, bytes, lengths};
use k8senc::crypto::{Backend, CbcMessage, PORTABLE};
use k8senc::secret::Plaintext;
use k8senc::{Error, wire::aescbc};
use k8senc_backends::NATIVE;

const BOTH: [&'static dyn Backend; 2] = [&NATIVE, &PORTABLE];

/// AES-CBC with PKCS#7 padding by a library that no backend uses for it.
fn other(key: &[u8], iv: [u8; 16], plain: &[u8]) -> Vec<u8> {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let key = UnboundCipherKey::new(algorithm, key).unwrap();
    let mut out = plain.to_vec();
    PaddedBlockEncryptingKey::cbc_pkcs7(key)
        .unwrap()
        .less_safe_encrypt(&mut out, EncryptionContext::Iv128(FixedLength::from(iv)))
        .unwrap();
    out
}

#[test]
fn every_length_and_key_size() {
    let mut ran = 0;
    for key_len in [16, 24, 32] {
        let key = bytes(key_len, key_len as u64);
        let ciphers = BOTH.map(|backend| backend.cbc(&key).unwrap());
        for len in lengths() {
            let (iv, plain) = (array(len as u64), bytes(len, 4));
            let want = other(&key, iv, &plain);
            for cipher in &ciphers {
                let mut body = vec![1, 2, 3];
                aescbc::seal(&**cipher, &plain, &iv, &mut body);
                assert_eq!(body[3..19], iv, "key {key_len} len {len}");
                assert_eq!(body[19..], want, "key {key_len} len {len}");
                let mut opened = Plaintext::new();
                aescbc::open(&**cipher, &body[3..], &mut opened).unwrap();
                assert_eq!(opened.reveal(), plain, "key {key_len} len {len}");
            }
            ran += 1;
        }
    }
    assert_eq!(ran, 3 * LENGTHS);
}

/// kube-apiserver takes a pad as long as the value, up to 255 bytes.
#[test]
fn any_pad_up_to_the_whole_value() {
    let key = [9; 32];
    for backend in BOTH {
        let cipher = backend.cbc(&key).unwrap();
        let open = |plain: &[u8]| {
            let mut body = vec![5; 16];
            body.extend_from_slice(plain);
            cipher.encrypt(&[5; 16], &mut body[16..]);
            let mut opened = Plaintext::new();
            aescbc::open(&*cipher, &body, &mut opened).map(|()| opened.reveal().to_vec())
        };
        for len in [16, 32, 48, 256, 272, 1024] {
            for pad in 0..=255u8 {
                let mut plain = bytes(len, 6);
                let size = usize::from(pad);
                let from = len.saturating_sub(size);
                plain[from..].fill(pad);
                plain[len - 1] = pad;
                if size == 0 || size > len {
                    assert_eq!(open(&plain), Err(Error::PaddingLength), "{len} {pad}");
                    continue;
                }
                assert_eq!(open(&plain).unwrap(), plain[..from], "{len} {pad}");
                if size > 1 {
                    plain[from] ^= 0x10;
                    assert_eq!(open(&plain), Err(Error::PaddingBytes), "{len} {pad}");
                }
            }
        }
    }
}

#[test]
fn a_tail_is_left_alone() {
    for backend in BOTH {
        let cipher = backend.cbc(&[3; 16]).unwrap();
        for len in 0..=80 {
            let whole = len / 16 * 16;
            let plain = bytes(len, 8);
            let mut buf = plain.clone();
            cipher.encrypt(&[1; 16], &mut buf);
            assert_eq!(buf[whole..], plain[whole..]);
            assert_eq!(
                buf[..whole],
                other(&[3; 16], [1; 16], &plain[..whole])[..whole]
            );
            let mut back = vec![0xee; len];
            cipher.decrypt(&[1; 16], &buf, &mut back);
            assert_eq!(back[..whole], plain[..whole]);
            assert!(back[whole..].iter().all(|&byte| byte == 0xee));
        }
    }
}

/// Batches of any size, of messages of any length, empty ones and tails among them.
#[test]
fn side_by_side_is_one_by_one() {
    let mut ran = 0;
    for backend in BOTH {
        for count in 0..=40u64 {
            let key = bytes([16, 24, 32][count as usize % 3], count + 1);
            let cipher = backend.cbc(&key).unwrap();
            for spread in [0, 1, 3, 700] {
                let mut one_by_one: Vec<([u8; 16], Vec<u8>)> = (0..count)
                    .map(|i| {
                        let at = bytes(2, 1 + i * 31 + spread);
                        let len = usize::from(u16::from_le_bytes([at[0], at[1]]));
                        let len = 64 + len % (16 * spread as usize + 1);
                        let len = if i % 7 == 5 { 0 } else { len };
                        (array(i + 2), bytes(len, i + 3))
                    })
                    .collect();
                let mut side_by_side = one_by_one.clone();
                for (iv, buf) in &mut one_by_one {
                    cipher.encrypt(iv, buf);
                }
                let mut messages: Vec<_> = side_by_side
                    .iter_mut()
                    .map(|(iv, buf)| CbcMessage { iv: *iv, buf })
                    .collect();
                cipher.encrypt_batch(&mut messages);
                assert!(one_by_one == side_by_side, "{count} spread {spread}");
                ran += 1;
            }
        }
    }
    assert_eq!(ran, 2 * 41 * 4);
}

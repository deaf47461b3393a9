//! What KMS plugins store as an encrypted DEK: ours, and the known ones.

use k8senc::{
    crypto::PORTABLE,
    kms::{
        keyset::Record,
        plugins::{Stored, Wrapped, recognise},
    },
};

/// A record that is understood answers for each of its wraps.
pub fn keyset_record(data: &[u8]) {
    let Ok(record) = Record::try_from(data) else {
        return;
    };
    assert!(!record.wraps().is_empty());
    for wrap in record.wraps() {
        assert_eq!(record.wrap(wrap.slot).ok(), Some(wrap));
    }
    assert!(record.online(true).count() <= record.wraps().len());
    let _ = format!("{record:?}");
}

/// Up to three zero bytes part the ciphertext from a key_id, an annotation's name and its value.
pub fn plugin_ciphertext(data: &[u8]) {
    let mut pieces = data.splitn(4, |&byte| byte == 0);
    let mut next = || pieces.next().unwrap_or_default();
    let ciphertext = next();
    let key_id = str::from_utf8(next()).unwrap_or_default();
    let name = str::from_utf8(next()).unwrap_or_default();
    let annotations = match name {
        "" => Vec::new(),
        name => vec![(name, next())],
    };
    // The whole input too, for plugins whose ciphertexts hold zero bytes.
    for stored in [
        Stored {
            ciphertext,
            key_id,
            annotations,
        },
        Stored::bare(data),
    ] {
        for wrapped in recognise(&stored) {
            let _ = (
                wrapped.name(),
                wrapped.needs(),
                wrapped.is_authenticated(),
                format!("{wrapped:?}"),
            );
            for key in [&[7; 16][..], &[7; 32], &[7; 5]] {
                try_open(&wrapped, key);
            }
        }
    }
}

fn try_open(wrapped: &Wrapped<'_>, key: &[u8]) {
    match wrapped {
        Wrapped::PkcsGcm(record) => {
            let _ = (record.open(key), record.open_iv12(&PORTABLE, key));
        }
        Wrapped::BarbicanCbc(record) => {
            let _ = record.open(&PORTABLE, key);
        }
        Wrapped::LocalKek(record) => {
            let _ = record.open(&PORTABLE, key);
        }
        Wrapped::Transit(record) => {
            let _ = record.open(&PORTABLE, key, b"");
        }
        _ => {}
    }
}

/// Records of one to three wraps, good in form: magic, flags, and what follows.
pub fn keyset_seeds() -> Vec<Vec<u8>> {
    let golden = include_str!("../seeds/keyset.hex");
    golden.lines().map(unhex).collect()
}

/// One of each plugin.
pub fn ciphertext_seeds() -> Vec<Vec<u8>> {
    vec![
        [&b"1"[..], &[1, 2, 2, 0, 0x78], &[9; 180]].concat(),
        [&[0x0a, 0x24, 0][..], &[9; 80]].concat(),
        [
            b"A".repeat(342).as_slice(),
            b"\0kid\0version.azure.akv.io\x001",
        ]
        .concat(),
        b"vault:v1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v".to_vec(),
        vec![9; 64],
        b"vault:-:dmF1bHQ6djE6QUFBQQ==\nawskms:-:AQID\nazurekms:-:AAAA\ndebug:-:AAAA\n".to_vec(),
        [
            &[9; 60][..],
            b"\0k\0encrypted-kek.reference.encryption.k8s.io\0kek",
        ]
        .concat(),
    ]
}

fn unhex(line: &str) -> Vec<u8> {
    line.as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

//! Whole values in the caller's memory, and many at once, against one value in memory of its own.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

mod inputs;

use inputs::{LENGTHS, array, bytes, lengths};
use k8senc::chain::{Answer, Chain, NamedKey, Outcome, ProviderSpec, Unsealed, WriteKey};
use k8senc::crypto::{Backend, PORTABLE};
use k8senc::kms::{DekTable, EncryptAnswer, KmsApi, WriteSource};
use k8senc::secret::SecretBytes;
use k8senc::{Error, kms::DekRequest};
use k8senc_backends::NATIVE;

const BOTH: [&'static dyn Backend; 2] = [&NATIVE, &PORTABLE];
const KINDS: [&str; 6] = [
    "identity",
    "aescbc",
    "aesgcm",
    "secretbox",
    "kms-v2-seed",
    "kms-v2-key",
];
const ETCD_KEY: &[u8] = b"/registry/secrets/default/a";
const ENCRYPTED: [u8; 40] = [1; 40];

fn chain(kind: &str, backend: &'static dyn Backend) -> Chain {
    let keys = |len| {
        ["key1", "old"].map(|name| NamedKey {
            name: name.into(),
            secret: SecretBytes::new(bytes(len, name.len() as u64)),
        })
    };
    let spec = match kind {
        "identity" => ProviderSpec::Identity,
        "aescbc" => ProviderSpec::AesCbc(keys(24).into()),
        "aesgcm" => ProviderSpec::AesGcm(keys(32).into()),
        "secretbox" => ProviderSpec::Secretbox(keys(32).into()),
        "kms-v1" => ProviderSpec::KmsV1 { name: "p".into() },
        _ => ProviderSpec::KmsV2 { name: "p".into() },
    };
    Chain::new(vec![spec], backend).unwrap()
}

fn source(kind: &str, backend: &dyn Backend) -> Option<WriteSource> {
    let secret = SecretBytes::from_slice(&[4; 32]);
    let answer = EncryptAnswer {
        ciphertext: ENCRYPTED.to_vec(),
        key_id: "1".into(),
        ..EncryptAnswer::default()
    };
    match kind {
        "kms-v2-seed" => Some(WriteSource::seed(backend, &secret, answer).unwrap()),
        "kms-v2-key" => Some(WriteSource::key(backend, &secret, 1_000_000_000, answer).unwrap()),
        _ => None,
    }
}

fn key(source: &mut Option<WriteSource>) -> WriteKey<'_> {
    source.as_mut().map_or(WriteKey::None, WriteKey::KmsV2)
}

/// What the plugin of [`source`] answers.
fn deks(backend: &'static dyn Backend) -> DekTable {
    let mut deks = DekTable::with_backend(backend);
    let request = DekRequest {
        api: KmsApi::V2,
        provider: "p".into(),
        ciphertext: ENCRYPTED.to_vec(),
        key_id: "1".into(),
        annotations: [].into(),
    };
    deks.supply(&request, SecretBytes::from_slice(&[4; 32]));
    deks
}

/// What stands in memory that nobody should have written to.
const UNTOUCHED: u8 = 0xa5;

#[test]
fn in_the_callers_memory() {
    let mut ran = 0;
    for kind in KINDS {
        for backend in BOTH {
            let (chain, deks) = (chain(kind, backend), deks(backend));
            let (mut one, mut other) = (source(kind, backend), source(kind, backend));
            for len in lengths() {
                let plaintext = bytes(len, 3);
                let random: [u8; 44] = array(len as u64 + 1);
                let sealed = chain
                    .seal(&plaintext, ETCD_KEY, &random, key(&mut one))
                    .unwrap();
                let room = len + chain.overhead(&key(&mut other));
                let mut out = vec![UNTOUCHED; room + 9];
                // Too short by one: nothing is used up, so the counter of the key form stays where it is.
                if room > 0 {
                    let short = &mut out[..room - 1];
                    let refused =
                        chain.seal_to(&plaintext, ETCD_KEY, &random, key(&mut other), short);
                    assert_eq!(refused, Ok(None));
                }
                assert!(out.iter().all(|byte| *byte == UNTOUCHED));
                let written = chain
                    .seal_to(&plaintext, ETCD_KEY, &random, key(&mut other), &mut out)
                    .unwrap()
                    .unwrap();
                assert_eq!(out[..written], sealed, "{kind} {len}");
                assert!(out[written..].iter().all(|byte| *byte == UNTOUCHED));

                let mut plain = vec![UNTOUCHED; sealed.len() + 9];
                let padding = if kind == "aescbc" { 16 - len % 16 } else { 0 };
                if len + padding > 0 {
                    let short = &mut plain[..len + padding - 1];
                    let answer = chain.open_to(&sealed, ETCD_KEY, &deks, short).unwrap();
                    assert!(answer.is_none());
                    assert!(plain.iter().all(|byte| *byte == UNTOUCHED));
                }
                let exact = &mut plain[..len + padding];
                let answer = chain.open_to(&sealed, ETCD_KEY, &deks, exact).unwrap();
                assert!(matches!(answer, Some((Outcome::Opened(_), l)) if l == len));
                plain.fill(UNTOUCHED);
                let Some((Outcome::Opened(how), opened)) =
                    chain.open_to(&sealed, ETCD_KEY, &deks, &mut plain).unwrap()
                else {
                    panic!("{kind} {len} asks for a DEK")
                };
                assert_eq!(plain[..opened], plaintext, "{kind} {len}");
                // Behind it stands what stood there, or zeros: no padding, no rest of the value.
                let behind = plain[opened..].iter();
                assert!(
                    behind.clone().all(|byte| [0, UNTOUCHED].contains(byte)),
                    "{kind} {len}"
                );
                assert!(
                    behind
                        .skip(sealed.len() - opened)
                        .all(|byte| *byte == UNTOUCHED)
                );
                let Answer::Opened(alone) = chain.open(&sealed, ETCD_KEY, &deks).unwrap() else {
                    panic!("{kind} {len} asks for a DEK")
                };
                assert_eq!(alone.how, how);
                assert_eq!(alone.plaintext.reveal(), &plain[..opened]);
                ran += 1;
            }
        }
    }
    assert_eq!(ran, KINDS.len() * 2 * LENGTHS);
}

/// Values are decrypted before they are found wrong.
#[test]
fn a_refused_value_leaves_nothing_behind() {
    for kind in ["aescbc", "aesgcm", "secretbox", "kms-v2-seed", "kms-v2-key"] {
        for backend in BOTH {
            let (chain, deks) = (chain(kind, backend), deks(backend));
            for len in [1usize, 64, 1000, 70_000] {
                let mut source = source(kind, backend);
                let random = bytes(44, 7);
                let mut bad = chain
                    .seal(&vec![0x5a; len], ETCD_KEY, &random, key(&mut source))
                    .unwrap();
                // The last byte of the ciphertext or tag; key_id, encrypted DEK and source type stand behind it.
                let tail = match kind {
                    "kms-v2-seed" => 3 + 2 + ENCRYPTED.len() + 2,
                    "kms-v2-key" => 3 + 2 + ENCRYPTED.len(),
                    _ => 0,
                };
                let at = bad.len() - tail - 1;
                bad[at] ^= 0x40;
                let mut out = vec![UNTOUCHED; bad.len()];
                let refused = chain.open_to(&bad, ETCD_KEY, &deks, &mut out);
                assert!(refused.is_err(), "{kind} {len}");
                assert!(
                    out.iter().all(|byte| [0, UNTOUCHED].contains(byte)),
                    "{kind} {len}"
                );
                // Nothing of a plaintext that is all alike is there, not even once; zeros show that it was.
                let wiped = out.iter().filter(|byte| **byte == 0).count();
                assert!(wiped == 0 || wiped >= len, "{kind} {len}: {wiped} zeros");
            }
        }
    }
}

#[test]
fn a_batch_of_values_is_one_value_after_another() {
    for kind in KINDS {
        for backend in BOTH {
            let chain = chain(kind, backend);
            for count in [0, 1, 7, 8, 9, 30] {
                let rows: Vec<_> = (0..count)
                    .map(|i| (bytes(i * 37 % 500, 3), format!("/registry/secrets/a/{i}")))
                    .collect();
                let values: Vec<_> = rows
                    .iter()
                    .map(|(plaintext, etcd_key)| Unsealed {
                        plaintext,
                        etcd_key: etcd_key.as_bytes(),
                    })
                    .collect();
                let (mut one, mut many) = (source(kind, backend), source(kind, backend));
                let each = chain.random_len(&key(&mut one));
                let random = bytes(each * count, 5);
                let all: usize = rows.iter().map(|(plaintext, _)| plaintext.len()).sum();
                let mut out = vec![0; all + count * chain.overhead(&key(&mut many))];
                if let Some(less) = out.len().checked_sub(1) {
                    let short = &mut out[..less];
                    let refused = chain.seal_batch(&values, &random, key(&mut many), short);
                    assert_eq!(refused, Ok(None), "{kind}");
                }
                let ends = chain.seal_batch(&values, &random, key(&mut many), &mut out);
                let ends = ends.unwrap().unwrap();
                assert_eq!(ends.len(), count, "{kind}");
                let starts = [0].into_iter().chain(ends.clone());
                let sealed = starts.zip(ends).map(|(start, end)| &out[start..end]);
                for (at, (value, sealed)) in values.iter().zip(sealed).enumerate() {
                    let random = &random[at * each..];
                    let alone = chain.seal(value.plaintext, value.etcd_key, random, key(&mut one));
                    assert_eq!(sealed, alone.unwrap(), "{kind} {at} of {count}");
                }
                if each > 0 && count > 0 {
                    let short = &random[1..];
                    let error = chain.seal_batch(&values, short, key(&mut many), &mut out);
                    let (need, got) = (each * count, short.len());
                    assert_eq!(error, Err(Error::RandomTooShort { need, got }), "{kind}");
                }
            }
        }
    }
}

#[test]
fn kms_v1_has_no_batch() {
    let value = Unsealed {
        plaintext: b"{}",
        etcd_key: b"/k",
    };
    let encrypted_dek = &[1][..];
    assert_eq!(
        chain("kms-v1", &NATIVE).seal_batch(
            &[value],
            &[0; 44],
            WriteKey::KmsV1 { encrypted_dek },
            &mut [0; 99]
        ),
        Err(Error::NoWriteKey)
    );
}

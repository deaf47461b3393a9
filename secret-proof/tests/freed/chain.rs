//! Providers, DEK table and KMS states, with every backend, when they work and when they fail.

use k8senc::{
    chain::{Answer, Chain, NamedKey, ProviderSpec, WriteKey},
    crypto::{Backend, PORTABLE},
    kms::{DekTable, EncryptAnswer, KmsState, KmsV2, StatusAnswer, WriteSource, state::Step},
    secret::{Plaintext, SecretBytes},
    wire::kmsv2::COUNTER_START,
};
use k8senc_backends::NATIVE;

use crate::{clean, secrets};

const KEY: &[u8] = b"/registry/secrets/default/a";
const BACKENDS: [&dyn Backend; 2] = [&PORTABLE, &NATIVE];
type Spec = fn(Vec<NamedKey>) -> ProviderSpec;

fn named(key: &[u8]) -> NamedKey {
    let secret = SecretBytes::from_slice(key);
    NamedKey {
        name: "key1".into(),
        secret,
    }
}

/// Opens, then fails to open the same with each of a few bytes changed, into the same scratch space.
fn open_all(chain: &Chain, stored: &[u8], plain: &[u8], deks: &DekTable) {
    match chain.open(stored, KEY, deks).unwrap() {
        Answer::Opened(opened) => assert_eq!(opened.plaintext.reveal(), plain),
        Answer::Needs(request) => panic!("{request:?}"),
    }
    let mut scratch = Plaintext::new();
    let last = stored.len() - 1;
    for at in [last, last - 20, last - 40] {
        let mut bad = stored.to_vec();
        bad[at] ^= 1;
        let _ = chain.open_in(&bad, KEY, deks, &mut scratch);
        let _ = chain.open_in(stored, KEY, deks, &mut scratch);
        let _ = chain.open_in(&bad, b"/other", deks, &mut scratch);
    }
    for len in [0, 20, 30, last] {
        let _ = chain.open(&stored[..len], KEY, deks);
    }
}

#[test]
fn static_providers_leave_nothing() {
    let providers: [(&str, Spec, &[usize]); 3] = [
        ("aescbc", ProviderSpec::AesCbc, &[16, 24, 32]),
        ("aesgcm", ProviderSpec::AesGcm, &[16, 24, 32]),
        ("secretbox", ProviderSpec::Secretbox, &[32]),
    ];
    for (name, spec, sizes) in providers {
        for &size in sizes {
            let key = secrets::aes_key(&format!("{name}{size}"), size);
            let old = secrets::aes_key(&format!("{name}{size}old"), size);
            for len in [64, 1000, 70_000] {
                let plain = secrets::plain(&format!("{name}{size}/{len}"), len.min(4096));
                let random = secrets::random("iv", 44);
                for backend in BACKENDS {
                    let backend: &'static dyn Backend = backend;
                    clean(&format!("{name} {size} {}", backend.name()), || {
                        let chain =
                            Chain::new(vec![spec(vec![named(key), named(old)])], backend).unwrap();
                        let stored = chain.seal(plain, KEY, random, WriteKey::None).unwrap();
                        open_all(&chain, &stored, plain, &DekTable::with_backend(backend));
                        let none = chain.seal(plain, KEY, &[], WriteKey::None);
                        assert!(none.is_err());
                    });
                }
            }
        }
    }
}

#[test]
fn keys_of_no_use_leave_nothing() {
    for (name, spec) in [
        ("aescbc-bad", ProviderSpec::AesCbc as Spec),
        ("aesgcm-bad", ProviderSpec::AesGcm),
        ("secretbox-bad", ProviderSpec::Secretbox),
    ] {
        let (good, bad) = (secrets::aes_key(name, 32), secrets::plain(name, 31));
        clean(name, || {
            assert!(Chain::new(vec![spec(vec![named(good), named(bad)])], &NATIVE).is_err());
            // Spare capacity of a Vec that becomes a secret.
            let mut roomy = Vec::with_capacity(100);
            roomy.extend_from_slice(bad);
            drop(SecretBytes::new(roomy));
        });
    }
}

fn answer() -> EncryptAnswer {
    EncryptAnswer {
        ciphertext: b"encrypted".to_vec(),
        key_id: "1".into(),
        ..EncryptAnswer::default()
    }
}

#[test]
fn kms_providers_leave_nothing() {
    let dek = secrets::aes_key("dek", 32);
    let seed = secrets::seed("seed", 32);
    let long = secrets::seed("long seed", 100);
    let plain = secrets::plain("kms plain", 3000);
    let random = secrets::random("info and nonce", 44);
    let v1_random: &'static [u8] = [dek, &random[..12]].concat().leak();
    secrets::derived(seed, &random[..32]);
    secrets::derived(long, &random[..32]);
    for backend in BACKENDS {
        let backend: &'static dyn Backend = backend;
        let name = || "p".to_owned();
        clean(&format!("KMS v1 {}", backend.name()), || {
            let chain = Chain::new(vec![ProviderSpec::KmsV1 { name: name() }], backend).unwrap();
            let encrypted_dek = b"encrypted";
            let stored = chain
                .seal(plain, KEY, v1_random, WriteKey::KmsV1 { encrypted_dek })
                .unwrap();
            let mut deks = DekTable::with_backend(backend);
            supply(&chain, &stored, &mut deks, dek);
            open_all(&chain, &stored, plain, &deks);
            // A DEK of no use, one that does not fit, and the same one again.
            for other in [&dek[..7], &seed[..16], dek] {
                supply_again(&chain, &stored, &mut deks, other);
                let _ = chain.open(&stored, KEY, &deks);
            }
        });
        for (form, secret) in [("seed", seed), ("seed", long), ("key", dek)] {
            clean(&format!("KMS v2 {form} {}", backend.name()), || {
                let chain =
                    Chain::new(vec![ProviderSpec::KmsV2 { name: name() }], backend).unwrap();
                let bytes = SecretBytes::from_slice(secret);
                let mut source = if form == "seed" {
                    WriteSource::seed(backend, &bytes, answer()).unwrap()
                } else {
                    WriteSource::key(backend, &bytes, COUNTER_START, answer()).unwrap()
                };
                let stored = chain
                    .seal(plain, KEY, random, WriteKey::KmsV2(&mut source))
                    .unwrap();
                assert!(
                    chain
                        .seal(plain, KEY, &[1], WriteKey::KmsV2(&mut source))
                        .is_err()
                );
                if form == "seed" {
                    assert!(
                        chain
                            .seal(plain, b"", random, WriteKey::KmsV2(&mut source))
                            .is_err()
                    );
                }
                let mut deks = DekTable::with_backend(backend);
                let key_id = "1".to_owned();
                let uses_seed = true;
                deks.set_state("p", KmsState::Current { key_id, uses_seed });
                supply(&chain, &stored, &mut deks, secret);
                open_all(&chain, &stored, plain, &deks);
                for other in [&secret[..7], &plain[..32], secret] {
                    supply_again(&chain, &stored, &mut deks, other);
                    let _ = chain.open(&stored, KEY, &deks);
                }
            });
        }
        let bad = || EncryptAnswer::default();
        clean(
            &format!("answers that are refused {}", backend.name()),
            || {
                let bytes = SecretBytes::from_slice(seed);
                assert!(WriteSource::seed(backend, &bytes, bad()).is_err());
                assert!(
                    WriteSource::key(backend, &SecretBytes::from_slice(dek), 1, bad()).is_err()
                );
                assert!(
                    WriteSource::key(backend, &SecretBytes::from_slice(long), 1, answer()).is_err()
                );
            },
        );
    }
}

fn supply(chain: &Chain, stored: &[u8], deks: &mut DekTable, dek: &[u8]) {
    let Answer::Needs(request) = chain.open(stored, KEY, deks).unwrap() else {
        panic!("nothing is asked");
    };
    deks.supply(&request, SecretBytes::from_slice(dek));
}

/// Replaces what is known.
fn supply_again(chain: &Chain, stored: &[u8], deks: &mut DekTable, dek: &[u8]) {
    let empty = DekTable::new();
    let Answer::Needs(request) = chain.open(stored, KEY, &empty).unwrap() else {
        panic!("nothing is asked");
    };
    deks.supply(&request, SecretBytes::from_slice(dek));
    deks.refuse(&request, "no".into());
    deks.forget(&request);
    deks.supply(&request, SecretBytes::from_slice(dek));
}

/// Three rotations, the second of which the plugin spoils.
#[test]
fn the_write_state_leaves_nothing() {
    use core::time::Duration;
    let seeds = ["first", "spoiled", "third"].map(|name| secrets::seed(name, 32));
    for backend in BACKENDS {
        let backend: &'static dyn Backend = backend;
        clean("the write state", || {
            let mut kms = KmsV2::new("p", backend);
            for (round, seed) in (0u64..).zip(seeds) {
                let now = Duration::from_secs(1000 + round * 100);
                let key_id = format!("{round}");
                assert_eq!(kms.poll(now), Step::Status);
                let status = StatusAnswer {
                    version: "v2".into(),
                    healthz: "ok".into(),
                    key_id: key_id.clone(),
                };
                assert_eq!(kms.status_answered(now, Ok(status)), Step::Encrypt);
                let key_id = if round == 1 { String::new() } else { key_id };
                let answered = EncryptAnswer { key_id, ..answer() };
                let seed = SecretBytes::from_slice(seed);
                let step = kms.encrypt_answered(now, &seed, "uid", Ok(answered));
                assert_eq!(matches!(step, Step::Done(Ok(()))), round != 1, "{step:?}");
            }
        });
    }
}

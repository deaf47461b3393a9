//! The formula of stored lengths against values that core seals.

use std::collections::BTreeMap;

use k8senc::chain::{Chain, NamedKey, ProviderSpec, WriteKey};
use k8senc::crypto::PORTABLE;
use k8senc::kms::{EncryptAnswer, WriteSource};
use k8senc::secret::SecretBytes;
use k8senc_config::plan::{Local, Sealing, stored_len};

fn local(kind: Local, name: &str) -> ProviderSpec {
    let keys = vec![NamedKey {
        name: name.to_owned(),
        secret: SecretBytes::new(vec![7; 32]),
    }];
    match kind {
        Local::Aescbc => ProviderSpec::AesCbc(keys),
        Local::Aesgcm => ProviderSpec::AesGcm(keys),
        Local::Secretbox => ProviderSpec::Secretbox(keys),
    }
}

#[test]
fn stored_lengths_are_those_of_sealed_values() {
    let random = [3_u8; 64];
    let lengths = (0..=70).chain([120, 127, 128, 255, 1_000, 16_000, 16_300, 16_384, 20_000]);
    let mut tried = 0;
    for plain in lengths {
        let text = vec![b'x'; plain];
        let seal = |spec, key: WriteKey<'_>| {
            let chain = Chain::new(vec![spec], &PORTABLE).unwrap();
            chain.seal(&text, b"/k", &random, key).unwrap().len()
        };
        assert_eq!(
            stored_len(Sealing::Identity, plain),
            seal(ProviderSpec::Identity, WriteKey::None)
        );
        for name in ["a", "key1", "a-long-name-of-a-key"] {
            for kind in [Local::Aescbc, Local::Aesgcm, Local::Secretbox] {
                let sealing = Sealing::Local(kind, name.len());
                assert_eq!(
                    stored_len(sealing, plain),
                    seal(local(kind, name), WriteKey::None),
                    "{kind:?} {plain}"
                );
                tried += 1;
            }
            for wrapped in [1, 60, 127, 128, 500, 1_024] {
                let encrypted = vec![5_u8; wrapped];
                let spec = ProviderSpec::KmsV1 {
                    name: name.to_owned(),
                };
                let sealing = Sealing::KmsV1 {
                    name: name.len(),
                    encrypted_dek: wrapped,
                };
                let key = WriteKey::KmsV1 {
                    encrypted_dek: &encrypted,
                };
                assert_eq!(stored_len(sealing, plain), seal(spec, key));
                for key_id in [1, 64, 127, 128, 1_024] {
                    let answer = EncryptAnswer {
                        ciphertext: encrypted.clone(),
                        key_id: "k".repeat(key_id),
                        annotations: BTreeMap::new(),
                    };
                    let seed = SecretBytes::new(vec![9; 32]);
                    let mut source = WriteSource::seed(&PORTABLE, &seed, answer).unwrap();
                    let spec = ProviderSpec::KmsV2 {
                        name: name.to_owned(),
                    };
                    let sealing = Sealing::KmsV2 {
                        name: name.len(),
                        key_id,
                        encrypted_seed: wrapped,
                    };
                    assert_eq!(
                        stored_len(sealing, plain),
                        seal(spec, WriteKey::KmsV2(&mut source))
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 7_000, "{tried}");
}

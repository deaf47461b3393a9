//! Expectations are from elsewhere: golden values of the plugins' own repositories, SoftHSM, and the Python package
//! `cryptography`. All keys are made up.

use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};

use super::*;
use crate::{Error, crypto::PORTABLE, kms::KmsApi};

const VAULT: &str =
    "vault:v1:AAECAwQFBgcICQoLizXqnxVB1URNjoClE6qfJZhzkoD9hm8rCP9oTPdKYHA0LVKirGVkBnsHceEx/l5y";
const MOCK: &str = "000102030405060708090a0b0c0d0e0f7be29e632efe751532867b9d0c5b81715ae6c362e1d1c51439f643054c7d907908b6f7fd551c8a8206a244e7cd3fbac8";
const BARBICAN: &str = "000102030405060708090a0b0c0d0e0fbc6bf8a94f06bf9f51f1f11893fc7cdda0eb9db36e775c9c8e1d59d2c3b42b99156c353fff10675940b9a63309a43c00";
const BARBICAN_KEY: &str = "6368616e676520746869732070617373";

fn seed() -> Vec<u8> {
    (0..32).collect()
}

fn key() -> Vec<u8> {
    let mut key = vec![0; 32];
    key[31] = 0x2a;
    key
}

fn kek() -> Vec<u8> {
    (64..96).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Public samples have this shape; the bytes are made up.
fn aws_blob() -> Vec<u8> {
    let mut blob = hex("0102020078");
    blob.extend([0xaa; 32]);
    blob.push(1);
    blob.extend([0xbb; 16]);
    blob.extend(hex("0000007e307c"));
    blob.resize(184, 0xcc);
    blob
}

fn with_annotation<'a>(ciphertext: &'a [u8], key_id: &'a str, name: &'a str) -> Stored<'a> {
    Stored {
        ciphertext,
        key_id,
        annotations: vec![(name, b"1")],
    }
}

fn names(stored: &Stored<'_>) -> Vec<&'static str> {
    recognise(stored).iter().map(Wrapped::name).collect()
}

#[test]
fn aws_blobs_lose_the_leading_one_and_give_the_backing_key() {
    let blob = aws_blob();
    let mut stored = b"1".to_vec();
    stored.extend(&blob);
    assert_eq!(stored.len(), 185);
    for (bytes, versioned) in [(&stored, true), (&blob, false)] {
        let found = recognise(&Stored::bare(bytes));
        let [Wrapped::Aws(aws)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((aws.blob, aws.versioned), (blob.as_slice(), versioned));
        assert_eq!(aws.backing_key_hint, Some(&[0xaa; 32]));
        assert!(found[0].needs().contains(&Need::AwsEncryptionContext));
    }
    let other_layout = [1, 2, 3, 4];
    let found = recognise(&Stored::bare(&other_layout));
    let [Wrapped::Aws(aws)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(aws.backing_key_hint, None);
}

#[test]
fn gcp_names_its_crypto_key_in_the_key_id() {
    let mut ciphertext = hex("0a2400");
    ciphertext.resize(113, 7);
    let key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    for (key_id, expected) in [
        (format!("{key}/cryptoKeyVersions/3"), Some((key, Some("3")))),
        (
            format!("{key}/cryptoKeyVersions/3:blue"),
            Some((key, Some("3"))),
        ),
        (String::from(key), Some((key, None))),
        (format!("{key}:blue"), Some((key, None))),
        (String::from("projects/p/keyRings/r"), None),
        (
            String::from("projects//locations/l/keyRings/r/cryptoKeys/k"),
            None,
        ),
        (String::new(), None),
    ] {
        let stored = Stored {
            key_id: &key_id,
            ..Stored::bare(&ciphertext)
        };
        let found = recognise(&stored);
        let [Wrapped::Gcp(gcp)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(gcp.crypto_key, expected.map(|(k, _)| k), "{key_id}");
        assert_eq!(gcp.key_version, expected.and_then(|(_, v)| v), "{key_id}");
        assert_eq!(
            found[0].needs().contains(&Need::GcpCryptoKey),
            expected.is_none(),
            "{key_id}"
        );
    }
}

#[test]
fn azure_sizes_tell_the_rsa_key_and_the_api_tells_the_algorithm() {
    // Computed with Python's hashlib.
    let hash = "2cd1ada35883db315b6fa73187876b6e84239fae50d88980528b31ff03f32df2";
    let url = "https://made-up-kv.vault.azure.net/keys/k8s/0123456789abcdef0123456789abcdef";
    assert_eq!(Azure::key_id_of(url), hash);
    for (len, bits) in [(342, 2048), (512, 3072), (683, 4096)] {
        // 'A' is six zero bits, so any length is canonical.
        let text = vec![b'A'; len];
        let v2 = with_annotation(&text, hash, "algorithm.azure.akv.io");
        let found = recognise(&v2);
        let [Wrapped::Azure(azure)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (azure.rsa_bits, azure.algorithm),
            (bits, AzureAlgorithm::RsaOaep256)
        );
        assert_eq!(azure.key_url_hash, Some(hash));
        assert!(!found[0].is_authenticated());
        let found = recognise(&Stored::bare(&text));
        let [Wrapped::Azure(azure)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(azure.algorithm, AzureAlgorithm::Rsa1_5);
        assert_eq!(
            found[0].needs(),
            [Need::AzureDecrypt, Need::AzureKeyVersion]
        );
        assert!(
            names(&Stored::bare(&text[1..])).is_empty(),
            "another length"
        );
        let mut other_alphabet = text.clone();
        other_alphabet[5] = b'+';
        assert!(names(&Stored::bare(&other_alphabet)).is_empty());
    }
}

#[test]
fn transit_opens_with_the_exported_key() {
    let stored = Stored {
        key_id: "4",
        ..Stored::bare(VAULT.as_bytes())
    };
    let found = recognise(&stored);
    let [Wrapped::Transit(transit)] = found.as_slice() else {
        panic!("{found:?}")
    };
    // The key_id of this plugin comes from a second call; the ciphertext is right.
    assert_eq!(
        (transit.key_version, transit.plugin),
        (1, TransitPlugin::VaultKubernetesKms)
    );
    assert_eq!(
        transit.open(&PORTABLE, &key(), b"").unwrap().expose(),
        seed()
    );
    let refused = Error::Authentication { secretbox: false };
    assert_eq!(transit.open(&PORTABLE, &kek(), b"").unwrap_err(), refused);
    assert_eq!(transit.open(&PORTABLE, &key(), b"x").unwrap_err(), refused);
    assert_eq!(
        transit.open(&PORTABLE, &[1; 20], b"").unwrap_err(),
        Error::KeySize {
            provider: "Vault Transit",
            got: 20
        }
    );
}

#[test]
fn transit_with_associated_data_and_a_128_bit_key() {
    let text =
        "vault:v7:ZGVmZ2hpamtsbW5vHsLtcks1qd9Mz8hPUrq88xZZCI93NETU12Nr4x51cBosdHISo/NWf3P/g8e3m08R";
    let found = recognise(&Stored {
        key_id: "obk2.x",
        ..Stored::bare(text.as_bytes())
    });
    let [Wrapped::Transit(transit)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (transit.key_version, transit.plugin),
        (7, TransitPlugin::OpenBao)
    );
    assert!(found[0].needs().contains(&Need::OpenBaoAssociatedData));
    let aad = br#"{"aad_version":"v1"}"#;
    assert_eq!(
        transit.open(&PORTABLE, &kek()[..16], aad).unwrap().expose(),
        seed()
    );
    assert!(transit.open(&PORTABLE, &kek()[..16], b"").is_err());
}

#[test]
fn transit_says_whose_it_is_and_refuses_other_texts() {
    let text = VAULT.as_bytes();
    for (stored, plugin) in [
        (Stored::bare(text), TransitPlugin::Unmarked),
        (
            with_annotation(text, "x", "provider.kms.openbao.org"),
            TransitPlugin::OpenBao,
        ),
        (
            with_annotation(
                text,
                "kleidi-kms-plugin_3_1715803200",
                "v2.kleidi.beezy.dev",
            ),
            TransitPlugin::Kleidi,
        ),
    ] {
        let found = recognise(&stored);
        assert!(
            matches!(&found[..], [Wrapped::Transit(t)] if t.plugin == plugin),
            "{found:?}"
        );
    }
    let zero = VAULT.replace(":v1:", ":v0:");
    let found = recognise(&Stored::bare(zero.as_bytes()));
    assert!(
        matches!(&found[..], [Wrapped::Transit(t)] if t.key_version == 1),
        "{found:?}"
    );
    for bad in [
        "vault:v:AAAA",
        "vault:v1:",
        "vault:v-1:AAAA",
        "vault:v1:AAAA",
        "vault:v1:*",
        "vault:v99999999999:AAAA",
        "vault:",
    ] {
        assert!(names(&Stored::bare(bad.as_bytes())).is_empty(), "{bad}");
    }
}

#[test]
fn openbao_key_id_is_the_golden_one() {
    let labels = OpenBaoLabels {
        provider_name: "openbao-kms-workload-a",
        cluster_id: "workload-a",
        instance_id: "bao-prod-a",
        namespace: None,
        mount_id: "transit-prod-primary",
        lineage_id: "01HXEXAMPLEKEYLINEAGEID",
        key_version: 3,
        version_created: 1_715_803_200,
    };
    let golden = "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk";
    assert_eq!(labels.key_id(), golden);
    assert_ne!(
        OpenBaoLabels {
            namespace: Some("ns"),
            ..labels
        }
        .key_id(),
        golden
    );
    assert_ne!(
        OpenBaoLabels {
            key_version: 4,
            ..labels
        }
        .key_id(),
        golden
    );
}

#[test]
fn pkcs_gcm_has_a_16_byte_iv_and_the_key_id_as_associated_data() {
    let record = hex(MOCK);
    for name in ["version.encryption.remote.io", "v2.kleidi.beezy.dev"] {
        let found = recognise(&with_annotation(&record, "kms-test", name));
        let [Wrapped::PkcsGcm(gcm)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(gcm.annotated);
        assert_eq!(gcm.open(&key()).unwrap().expose(), seed());
        assert_eq!(
            gcm.open(&kek()).unwrap_err(),
            Error::Authentication { secretbox: false }
        );
        assert_eq!(
            gcm.open(&[0; 31]).unwrap_err(),
            Error::KeySize {
                provider: "PKCS#11",
                got: 31
            }
        );
        // A reader of 12-byte IVs fails on it.
        assert!(gcm.open_iv12(&PORTABLE, &key()).is_err());
        let other_id = PkcsGcm {
            key_id: "kms-tesu",
            ..gcm.clone()
        };
        assert!(other_id.open(&key()).is_err());
    }
    let short = hex(
        "6465666768696a6b6c6d6e6f7ffc91bf9c27042c558d27ae2e150abcf7a8719bd9f72cd4bfba55083e74bdea3bb3363fd63a4b8e105268a38201cce1",
    );
    let found = recognise(&with_annotation(&short, "kms-test", "v2.kleidi.beezy.dev"));
    let [Wrapped::PkcsGcm(gcm)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(gcm.open_iv12(&PORTABLE, &key()).unwrap().expose(), seed());
    assert!(gcm.open(&key()).is_err());
    let stub = PkcsGcm {
        record: &record[..31],
        ..gcm.clone()
    };
    assert_eq!(
        stub.open(&key()).unwrap_err(),
        Error::StoredTooShort { need: 32, got: 31 }
    );
}

#[test]
fn sixty_four_bytes_are_gcm_first_then_barbican() {
    let record = hex(BARBICAN);
    let found = recognise(&Stored::bare(&record));
    let [Wrapped::PkcsGcm(gcm), Wrapped::BarbicanCbc(cbc)] = found.as_slice() else {
        panic!("{found:?}")
    };
    let key = hex(BARBICAN_KEY);
    assert!(gcm.open(&key).is_err());
    assert_eq!(cbc.open(&PORTABLE, &key).unwrap().expose(), seed());
    assert_eq!(
        cbc.open(&PORTABLE, &[1; 8]).unwrap_err(),
        Error::KeySize {
            provider: "Barbican",
            got: 8
        }
    );
    assert!(!found[1].is_authenticated() && found[0].is_authenticated());
}

#[test]
fn trousseau_lines_are_read_in_any_order() {
    // base64 with Python's base64.
    let azure = "A".repeat(342);
    let text = format!(
        "azurekms:-:{azure}\nvault:-:{}\nawskms:-:AQICAHg=\nhsm:-:x:y\n",
        "dmF1bHQ6djE6QUFFQ0F3UUZCZ2NJQ1FvTGl6WHFueFZCMVVSTmpvQ2xFNnFmSlpoemtvRDlobThyQ1A5b1RQZEtZSEEwTFZLaXJHVmtCbnNIY2VFeC9sNXk="
    );
    let found = recognise(&Stored::bare(text.as_bytes()));
    let [Wrapped::Trousseau(lines)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0].payload, Payload::Azure(&azure));
    let Payload::Transit(inner) = &lines[1].payload else {
        panic!("{lines:?}")
    };
    assert_eq!(inner, VAULT.as_bytes());
    assert_eq!(names(&Stored::bare(inner)), ["transit"]);
    let Payload::Aws(inner) = &lines[2].payload else {
        panic!("{lines:?}")
    };
    assert_eq!(names(&Stored::bare(inner)), ["aws"]);
    assert_eq!(
        lines[3],
        Line {
            provider: "hsm",
            payload: Payload::Other("x:y")
        }
    );
    assert!(found[0].is_authenticated());
    assert!(
        names(&Stored::bare(b"vault:-:a:-:b\n")).is_empty(),
        "a line has two parts"
    );
}

#[test]
fn a_debug_line_is_the_dek_in_the_clear() {
    let found = recognise(&Stored::bare(
        b"debug:-:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ));
    let [Wrapped::Trousseau(lines)] = found.as_slice() else {
        panic!("{found:?}")
    };
    let Payload::Clear(clear) = &lines[0].payload else {
        panic!("{lines:?}")
    };
    assert_eq!(clear.dek().unwrap().expose(), seed());
    assert!(!found[0].is_authenticated());
    assert!(
        !format!("{lines:?}").contains("AAEC"),
        "a Debug text held the DEK"
    );
}

#[test]
fn local_kek_is_read_with_its_remote_part() {
    for (record, aad) in [
        (
            "6465666768696a6b6c6d6e6ff17f04675197c0b5c56b998b55f593e95c4f9ed98599abd10498d5f75e5ca22502c184bfb35897b9962c28a85d75993f",
            None,
        ),
        (
            "6465666768696a6b6c6d6e6ff17f04675197c0b5c56b998b55f593e95c4f9ed98599abd10498d5f75e5ca22592a3ce0745567e90067f91524f6595dc",
            Some((200..232).collect::<Vec<u8>>()),
        ),
    ] {
        let record = hex(record);
        let mut annotations: Vec<(&str, &[u8])> = vec![
            (
                "encrypted-kek.reference.encryption.k8s.io",
                VAULT.as_bytes(),
            ),
            ("v2.kleidi.beezy.dev", b"1"),
        ];
        if let Some(aad) = &aad {
            annotations.push(("authenticated-data.reference.encryption.k8s.io", aad));
        }
        let stored = Stored {
            ciphertext: &record,
            key_id: "kleidi-kms-plugin_3_1715803200",
            annotations,
        };
        let found = recognise(&stored);
        let [Wrapped::LocalKek(local)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(local.open(&PORTABLE, &kek()).unwrap().expose(), seed());
        assert!(local.open(&PORTABLE, &key()).is_err());
        assert_eq!(
            local.remote.annotations,
            [("v2.kleidi.beezy.dev", b"1".as_slice())]
        );
        let remote = recognise(&local.remote);
        assert!(
            matches!(&remote[..], [Wrapped::Transit(t)] if t.plugin == TransitPlugin::Kleidi),
            "{remote:?}"
        );
    }
}

#[test]
fn a_request_is_read_like_a_value() {
    let request = DekRequest {
        api: KmsApi::V2,
        provider: "p".into(),
        ciphertext: hex(MOCK),
        key_id: "kms-test".into(),
        annotations: BTreeMap::from([("version.encryption.remote.io".into(), b"1".to_vec())]),
    };
    assert_eq!(names(&Stored::from(&request)), ["pkcs11-gcm"]);
    let object = EncryptedObject {
        encrypted_dek_source: &request.ciphertext,
        key_id: &request.key_id,
        ..EncryptedObject::default()
    };
    assert_eq!(names(&Stored::from(&object)), ["pkcs11-gcm", "barbican"]);
}

/// xorshift64*, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }
}

#[test]
fn hostile_bytes_are_answered_and_open_nothing() {
    let mut dice = Dice(0x6b38_7365);
    let mut gcp = hex("0a2400");
    gcp.resize(113, 7);
    let mut aws = b"1".to_vec();
    aws.extend(aws_blob());
    let samples: Vec<Vec<u8>> = vec![
        VAULT.into(),
        hex(MOCK),
        hex(BARBICAN),
        gcp,
        aws,
        vec![b'A'; 342],
        b"debug:-:AAEC\nvault:-:AAEC\n".to_vec(),
        Vec::new(),
    ];
    let key_ids = [
        "",
        "3",
        "obk2.",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/",
        ":",
        "/",
    ];
    let marks = [
        "v2.kleidi.beezy.dev",
        "encrypted-kek.reference.encryption.k8s.io",
        "a.kms.openbao.org",
        "x.y",
    ];
    let mut recognised = 0u32;
    for _ in 0..40_000 {
        let mut bytes = samples[dice.roll(samples.len())].clone();
        for _ in 0..dice.roll(5) + 1 {
            let at = dice.roll(bytes.len() + 1);
            match dice.roll(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, dice.roll(256) as u8),
                _ if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
                _ => bytes.extend([dice.roll(256) as u8; 3]),
            }
        }
        let mut stored = Stored {
            key_id: key_ids[dice.roll(key_ids.len())],
            ..Stored::bare(&bytes)
        };
        let value = samples[dice.roll(samples.len())].clone();
        if dice.roll(2) == 0 {
            stored
                .annotations
                .push((marks[dice.roll(marks.len())], &value));
        }
        for found in recognise(&stored) {
            recognised += 1;
            let _ = (found.needs(), found.is_authenticated());
            let opened = match &found {
                Wrapped::Transit(t) => t.open(&PORTABLE, &[9; 32], b"").is_ok(),
                Wrapped::PkcsGcm(g) => {
                    g.open(&[9; 16]).is_ok() || g.open_iv12(&PORTABLE, &[9; 32]).is_ok()
                }
                Wrapped::LocalKek(l) => {
                    let _ = recognise(&l.remote);
                    l.open(&PORTABLE, &[9; 32]).is_ok()
                }
                // No tag, so chance may open it: that it answers is all.
                Wrapped::BarbicanCbc(b) => {
                    let _ = b.open(&PORTABLE, &[9; 32]);
                    false
                }
                _ => false,
            };
            assert!(!opened, "{found:?}");
        }
    }
    assert!(
        recognised > 10_000,
        "the samples lost their shape: {recognised}"
    );
}

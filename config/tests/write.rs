//! Every writing vector: what the real kube-apiserver writes with the same random bytes, and what we do. Then the
//! contract vectors: which answers of a plugin's Encrypt it accepts.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8senc::{
    Error,
    chain::{Chain, WriteKey},
    crypto::PORTABLE,
    kms::{EncryptAnswer, WriteSource},
    secret::SecretBytes,
    wire::kmsv2::EncryptedObject,
};
use k8senc_config::{Config, GroupResource};
use k8senc_vectors::{WriteCase, WriteExpect, WriteKms, WriteSource as Recorded};

fn chain(case: &WriteCase) -> Chain {
    let config = Config::parse(case.config_text.as_bytes()).unwrap();
    config
        .chain(&GroupResource::parse(&case.resource), &PORTABLE)
        .unwrap()
}

fn source(recorded: &Recorded, answer: EncryptAnswer) -> WriteSource {
    match recorded {
        Recorded::Seed(seed) => {
            WriteSource::seed(&PORTABLE, &SecretBytes::from_slice(seed), answer).unwrap()
        }
        Recorded::Key { dek, counter } => {
            WriteSource::key(&PORTABLE, &SecretBytes::from_slice(dek), *counter, answer).unwrap()
        }
    }
}

/// What we write, and how many random bytes we say that takes.
fn run(case: &WriteCase) -> (Result<Vec<u8>, Error>, usize) {
    let chain = chain(case);
    let seal = |key: WriteKey<'_>| {
        let need = chain.random_len(&key);
        let room = case.plaintext.len() + chain.overhead(&key);
        let sealed = chain.seal(&case.plaintext, &case.etcd_key, &case.random, key);
        if let Ok(stored) = &sealed {
            // Padding and the length of a length vary; nothing else does.
            assert!(
                (room.saturating_sub(25)..=room).contains(&stored.len()),
                "{}",
                case.id
            );
        }
        (sealed, need)
    };
    let writer = chain.describe(0).unwrap();
    let Some(kms) = writer.name.and_then(|name| case.kms.get(name)) else {
        return seal(WriteKey::None);
    };
    match kms {
        WriteKms::V1 { dek, encrypted_dek } => {
            assert_eq!(
                dek.as_deref(),
                case.random.get(..32),
                "{}: the DEK is drawn first",
                case.id
            );
            let encrypted_dek = encrypted_dek.as_ref().unwrap();
            seal(WriteKey::KmsV1 { encrypted_dek })
        }
        WriteKms::V2NeverHealthy => seal(WriteKey::None),
        WriteKms::V2 {
            source: recorded,
            encrypted_dek,
            key_id,
            annotations,
        } => {
            let answer = EncryptAnswer {
                ciphertext: encrypted_dek.clone(),
                key_id: key_id.clone(),
                annotations: annotations.clone(),
            };
            let mut source = source(recorded, answer);
            let before = source.counter();
            let sealed = seal(WriteKey::KmsV2(&mut source));
            if sealed.0.is_ok() {
                assert_eq!(source.counter(), before.map(|n| n + 1), "{}", case.id);
            }
            sealed
        }
    }
}

/// The same bytes up to the message, and the same message.
fn same_decoded(case: &WriteCase, ours: &[u8], upstream: &[u8]) -> bool {
    let name = chain(case).describe(0).unwrap().name.unwrap().to_owned();
    let prefix = format!("k8s:enc:kms:v2:{name}:");
    let message = |stored: &'_ [u8]| {
        let payload = stored.strip_prefix(prefix.as_bytes()).unwrap().to_vec();
        let object = EncryptedObject::try_from(payload.as_slice()).unwrap();
        format!("{object:?}")
    };
    ours.len() == upstream.len() && message(ours) == message(upstream)
}

#[test]
fn write_vectors() {
    let mut wrong = Vec::new();
    let cases = k8senc_vectors::writing("write/");
    for case in &cases {
        let (ours, need) = run(case);
        let agrees = match (&case.expect, &ours) {
            (WriteExpect::Sealed(stored), Ok(ours)) => stored == ours && need == case.random.len(),
            (WriteExpect::SealedInAnyOrder(stored), Ok(ours)) => {
                same_decoded(case, ours, stored) && need == case.random.len()
            }
            (WriteExpect::Refused(upstream), Err(error)) => {
                error.code() == upstream.code
                    && upstream.matches(&error.upstream().unwrap_or_default())
            }
            (WriteExpect::UpstreamPanics(upstream), Err(error)) => error.code() == upstream.code,
            _ => false,
        };
        if !agrees {
            wrong.push(format!(
                "{} {} ({}): expected {:?}, got {ours:?}, {need} random bytes of {}",
                case.suite,
                case.id,
                case.why,
                case.expect,
                case.random.len()
            ));
        }
    }
    assert_eq!(cases.len(), k8senc_vectors::manifest().count("write/"));
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
}

#[test]
fn one_random_byte_less_is_refused() {
    let mut tried = 0;
    for case in k8senc_vectors::writing("write/") {
        if !matches!(case.expect, WriteExpect::Sealed(_)) || case.random.is_empty() {
            continue;
        }
        if case
            .kms
            .values()
            .any(|kms| matches!(kms, WriteKms::V1 { .. }))
        {
            continue;
        }
        let need = case.random.len();
        let mut short = case;
        short.random.pop();
        let got = need - 1;
        assert_eq!(
            run(&short).0,
            Err(Error::RandomTooShort { need, got }),
            "{}",
            short.id
        );
        tried += 1;
    }
    assert!(tried > 300, "only {tried} cases draw");
}

#[test]
fn a_key_of_another_api_writes_nothing() {
    let text = "
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers: [{kms: {apiVersion: v1, name: p, endpoint: 'unix:///p'}}]
- resources: [configmaps]
  providers: [{kms: {apiVersion: v2, name: q, endpoint: 'unix:///p'}}]
";
    let config = Config::parse(text.as_bytes()).unwrap();
    let chain = |name: &str| {
        config
            .chain(&GroupResource::parse(name), &PORTABLE)
            .unwrap()
    };
    let mut source = WriteSource::seed(
        &PORTABLE,
        &SecretBytes::from_slice(&[7; 32]),
        EncryptAnswer {
            ciphertext: vec![1],
            key_id: "1".into(),
            ..EncryptAnswer::default()
        },
    )
    .unwrap();
    let seal = |name: &str, key: WriteKey<'_>| chain(name).seal(b"{}", b"/k", &[0; 44], key);
    let v1 = WriteKey::KmsV1 {
        encrypted_dek: b"e",
    };
    assert_eq!(seal("configmaps", v1), Err(Error::NoWriteKey));
    let v2 = WriteKey::KmsV2(&mut source);
    assert_eq!(seal("secrets", v2), Err(Error::NoWriteKey));
    assert_eq!(seal("secrets", WriteKey::None), Err(Error::NoWriteKey));
}

#[test]
fn contract_vectors() {
    let mut wrong = Vec::new();
    let cases = k8senc_vectors::contract("contract/");
    for case in &cases {
        let ours = EncryptAnswer {
            ciphertext: case.ciphertext.clone(),
            key_id: case.key_id.clone(),
            annotations: case.annotations.clone(),
        }
        .check();
        let agrees = match (&case.expect, &ours) {
            (Ok(()), Ok(())) => true,
            (Err(upstream), Err(error)) => {
                error.code() == upstream.code
                    && upstream.matches(&error.upstream().unwrap_or_default())
            }
            _ => false,
        };
        if !agrees {
            wrong.push(format!(
                "{} ({}): expected {:?}, got {ours:?}",
                case.id, case.why, case.expect
            ));
        }
    }
    assert_eq!(cases.len(), k8senc_vectors::manifest().count("contract/"));
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
}

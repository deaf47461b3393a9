//! Stored values, and the protobuf message of KMS v2.

use std::sync::LazyLock;

use k8senc::{
    Error,
    chain::{Answer, Chain, NamedKey, Outcome, ProviderSpec},
    crypto::{Backend, PORTABLE},
    inspect::{Inspection, PartKind, inspect, parts},
    kms::{DekTable, KmsState},
    secret::{Plaintext, SecretBytes},
    wire::kmsv2::EncryptedObject,
};
use k8senc_backends::NATIVE;

fn keys(size: usize) -> Vec<NamedKey> {
    let secret: Vec<u8> = (0..=u8::MAX).take(size).collect();
    ["key1", "a:b"]
        .into_iter()
        .map(|name| NamedKey {
            name: name.to_owned(),
            secret: SecretBytes::from_slice(&secret),
        })
        .collect()
}

/// Every provider at once, with the keys that most vectors use.
fn chain(backend: &'static dyn Backend) -> Option<Chain> {
    let kms = |name: &str| name.to_owned();
    Chain::new(
        vec![
            ProviderSpec::AesGcm(keys(32)),
            ProviderSpec::AesCbc(keys(32)),
            ProviderSpec::Secretbox(keys(32)),
            ProviderSpec::AesGcm(keys(16)),
            ProviderSpec::AesCbc(keys(24)),
            ProviderSpec::KmsV2 { name: kms("p") },
            ProviderSpec::KmsV1 { name: kms("p") },
            ProviderSpec::KmsV1 { name: kms("a:b") },
            ProviderSpec::Identity,
        ],
        backend,
    )
    .ok()
}

static CHAINS: LazyLock<Vec<Chain>> = LazyLock::new(|| {
    [chain(&PORTABLE), chain(&NATIVE)]
        .into_iter()
        .flatten()
        .collect()
});

type Read = Result<(Vec<u8>, Option<bool>), Error>;

/// Asks a toy plugin: `kek:` and the DEK XOR 0x5a, as in the vectors.
fn open(chain: &Chain, stored: &[u8], etcd_key: &[u8]) -> Read {
    let mut deks = DekTable::new();
    deks.set_state(
        "p",
        KmsState::Current {
            key_id: "1".to_owned(),
            uses_seed: true,
        },
    );
    loop {
        match chain.open(stored, etcd_key, &deks)? {
            Answer::Opened(opened) => {
                let mut scratch = Plaintext::new();
                let again = chain.open_in(stored, etcd_key, &deks, &mut scratch)?;
                assert!(matches!(again, Outcome::Opened(how) if how == opened.how));
                assert_eq!(opened.plaintext.reveal(), scratch.reveal());
                return Ok((
                    opened.plaintext.reveal().to_vec(),
                    opened.how.stale.as_bool(),
                ));
            }
            Answer::Needs(request) => {
                assert!(!deks.contains(&request), "asked twice: {request:?}");
                match request.ciphertext.strip_prefix(b"kek:") {
                    Some(dek) => {
                        let dek = dek.iter().map(|b| b ^ 0x5a).collect();
                        deks.supply(&request, SecretBytes::new(dek));
                    }
                    None => deks.refuse(&request, "not mine".to_owned()),
                }
            }
        }
    }
}

/// The first byte says where the etcd key ends and the value begins, in steps of 8 bytes.
pub fn stored_value(data: &[u8]) {
    let Some((&step, rest)) = data.split_first() else {
        return;
    };
    let (etcd_key, stored) = rest
        .split_at_checked(usize::from(step) * 8)
        .unwrap_or((b"/registry/secrets/default/a", rest));
    let answers: Vec<Read> = CHAINS
        .iter()
        .map(|chain| open(chain, stored, etcd_key))
        .collect();
    assert!(
        answers.iter().all(|answer| Some(answer) == answers.first()),
        "the backends differ: {answers:?}"
    );
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(Error::CODES.contains(&error.code()));
        let _ = (error.to_string(), error.upstream());
    }
    let seen = inspect(stored);
    let _ = format!("{seen:?}");
    let names = Inspection::candidates(stored)
        .chain([&b"p"[..], b""])
        .map(Some);
    for name in names.chain([None]) {
        let mut at = 0;
        for part in parts(stored, name) {
            assert!(part.start <= part.end && part.end <= stored.len());
            if part.kind != PartKind::Field {
                assert_eq!(part.start, at, "a gap before {part:?}");
                at = part.end;
            }
        }
        assert_eq!(at, stored.len(), "bytes without a part");
    }
}

/// A message that is understood is written and read again as itself.
pub fn kmsv2_message(data: &[u8]) {
    let Ok(mut object) = EncryptedObject::try_from(data) else {
        return;
    };
    let _ = object.validate();
    // These are dropped, as upstream drops them.
    object.unknown_fields = 0;
    let mut written = Vec::new();
    object.encode(&mut written);
    let again = EncryptedObject::try_from(written.as_slice());
    assert_eq!(again.as_ref(), Ok(&object));
    let mut twice = Vec::new();
    object.encode(&mut twice);
    assert_eq!(written, twice);
}

/// At the vectors' usual etcd key, which is 27 bytes: no step says that, so it is what too long a step means.
pub fn stored_seeds() -> Vec<Vec<u8>> {
    k8senc_vectors::reading("wire/")
        .into_iter()
        .map(|case| [&[u8::MAX], case.stored.as_slice()].concat())
        .filter(|seed| seed.len() < 2000)
        .collect()
}

pub fn message_seeds() -> Vec<Vec<u8>> {
    k8senc_vectors::reading("wire/kmsv2")
        .into_iter()
        .map(|case| inspect(&case.stored).body.to_vec())
        .filter(|seed| seed.len() < 2000)
        .collect()
}

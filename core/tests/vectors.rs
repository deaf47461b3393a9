//! Every reading vector: the real kube-apiserver's answer, and ours.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails its test"
)]

use std::collections::BTreeSet;

use k8senc::{
    Error,
    chain::{Answer, Chain, NamedKey, ProviderSpec},
    crypto::PORTABLE,
    kms::{DekRequest, DekTable, KmsApi, KmsState},
    secret::SecretBytes,
};
use k8senc_config::{Config, GroupResource, KmsVersion, Provider};
use k8senc_vectors::{ApiVersion, KmsAnswer, ReadCase, ReadExpect};

fn specs(providers: &[&Provider]) -> Vec<ProviderSpec> {
    let keys = |keys: &[k8senc_config::NamedKey]| {
        keys.iter()
            .map(|k| NamedKey {
                name: k.name.clone(),
                secret: SecretBytes::from_slice(k.secret()),
            })
            .collect()
    };
    providers
        .iter()
        .map(|provider| match provider {
            Provider::Identity => ProviderSpec::Identity,
            Provider::Aescbc(list) => ProviderSpec::AesCbc(keys(list)),
            Provider::Aesgcm(list) => ProviderSpec::AesGcm(keys(list)),
            Provider::Secretbox(list) => ProviderSpec::Secretbox(keys(list)),
            Provider::Kms(block) if block.version == KmsVersion::V1 => ProviderSpec::KmsV1 {
                name: block.name.clone(),
            },
            Provider::Kms(block) => ProviderSpec::KmsV2 {
                name: block.name.clone(),
            },
            other => panic!("a provider this test does not know: {}", other.kind()),
        })
        .collect()
}

fn chain(case: &ReadCase) -> Chain {
    let config = Config::parse(case.config_text.as_bytes()).unwrap();
    let found = config.matching(&GroupResource::parse(&case.resource));
    if found.providers.is_empty() {
        return Chain::bare_identity();
    }
    Chain::new(specs(&found.providers), &PORTABLE).unwrap()
}

fn request(provider: &str, api: ApiVersion, answer: &KmsAnswer) -> DekRequest {
    DekRequest {
        api: if api == ApiVersion::V1 {
            KmsApi::V1
        } else {
            KmsApi::V2
        },
        provider: provider.to_owned(),
        ciphertext: answer.ciphertext.clone(),
        key_id: answer.key_id.clone().unwrap_or_default(),
        annotations: answer.annotations.clone(),
    }
}

/// Asks exactly what upstream asked, and fails on any other request.
fn run(case: &ReadCase) -> Result<(Vec<u8>, Option<bool>), Error> {
    let chain = chain(case);
    let mut deks = DekTable::new();
    let mut unasked = BTreeSet::new();
    for (name, side) in &case.kms {
        if side.api_version == ApiVersion::V2 {
            let state = match &side.status {
                Some(s) => KmsState::Current {
                    key_id: s.key_id.clone(),
                    uses_seed: s.uses_seed,
                },
                None => KmsState::NeverHealthy,
            };
            deks.set_state(name, state);
        }
        unasked.extend(
            side.answers
                .iter()
                .map(|answer| request(name, side.api_version, answer)),
        );
    }
    let rounds = chain.len() + 1;
    for _ in 0..rounds {
        match chain.open(&case.stored, &case.etcd_key, &deks)? {
            Answer::Opened(opened) => {
                assert!(
                    unasked.is_empty(),
                    "{}: upstream asked {unasked:?}, we did not",
                    case.id
                );
                return Ok((
                    opened.plaintext.reveal().to_vec(),
                    opened.how.stale.as_bool(),
                ));
            }
            Answer::Needs(needed) => {
                let side = &case.kms[&needed.provider];
                let answer = side
                    .answers
                    .iter()
                    .find(|answer| request(&needed.provider, side.api_version, answer) == needed)
                    .unwrap_or_else(|| panic!("{}: upstream never asked {needed:?}", case.id));
                unasked.remove(&needed);
                match &answer.answer {
                    Ok(dek) => deks.supply(&needed, SecretBytes::from_slice(dek)),
                    Err(text) => deks.refuse(&needed, text.clone()),
                }
            }
        }
    }
    panic!("{}: still asking after {rounds} rounds", case.id);
}

#[test]
fn wire_vectors() {
    let mut wrong = Vec::new();
    let ran = k8senc_vectors::each("wire", |case| {
        let ours = run(case);
        let agrees = match (&case.expect, &ours) {
            (ReadExpect::Opened { plaintext, stale }, Ok((ours, ours_stale))) => {
                plaintext == ours && *ours_stale == Some(*stale)
            }
            (ReadExpect::Refused(upstream), Err(error)) => {
                error.code() == upstream.code
                    && upstream.matches(&error.upstream().unwrap_or_default())
            }
            (ReadExpect::UpstreamPanics(upstream), Err(error)) => error.code() == upstream.code,
            _ => false,
        };
        if !agrees {
            wrong.push(format!(
                "{} {} ({}): expected {:?}, got {:?} {:?}",
                case.suite,
                case.id,
                case.why,
                case.expect,
                ours,
                ours.as_ref().err().and_then(Error::upstream)
            ));
        }
    });
    assert_eq!(ran, k8senc_vectors::manifest().count("wire"));
    assert!(
        wrong.is_empty(),
        "{} of {ran} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(15)].join("\n")
    );
}

//! Every reading vector: the real kube-apiserver's answer, and ours.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails its test"
)]

use std::collections::BTreeSet;

use k8senc::{
    Error,
    chain::{Answer, Chain},
    crypto::PORTABLE,
    kms::{DekRequest, DekTable, KmsApi, KmsState},
    secret::SecretBytes,
};
use k8senc_config::{Config, GroupResource};
use k8senc_vectors::{ApiVersion, KmsAnswer, ReadCase, ReadExpect};

fn chain(case: &ReadCase) -> Chain {
    let config = Config::parse(case.config_text.as_bytes()).unwrap();
    config
        .chain(&GroupResource::parse(&case.resource), &PORTABLE)
        .unwrap()
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
                let side = case.kms.get(&needed.provider).unwrap();
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

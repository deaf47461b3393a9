//! The sample, opened with its toy KEKs.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit};
use k8senc::crypto::PORTABLE;
use k8senc::kms::{DekRequest, DekTable, KmsApi, KmsState};
use k8senc::secret::SecretBytes;
use k8senc_audit::{FileSource, Options, Report, audit, dek_requests};
use k8senc_config::Config;
use k8senc_vectors::{LocalKeks, sample_dir, sample_keks};

pub fn config() -> Config {
    Config::parse(&std::fs::read(sample_dir().join("encryption-config.yaml")).unwrap()).unwrap()
}

pub fn source() -> FileSource {
    FileSource::open(&sample_dir().join("snapshot.db")).unwrap()
}

pub fn options(threads: usize) -> Options<'static> {
    let mut options = Options::new(&PORTABLE);
    options.threads = threads;
    options.examples = 10;
    options
}

/// What the toy plugins of the sample answer.
pub fn unwrap(keks: &LocalKeks, request: &DekRequest) -> SecretBytes {
    let plugin = &keks.plugins[&request.provider];
    let version = match request.api {
        KmsApi::V1 => "v1",
        KmsApi::V2 => "v2",
    };
    assert_eq!(plugin.api_version, version);
    let name = match request.api {
        KmsApi::V1 => plugin.keks.keys().next().unwrap(),
        KmsApi::V2 => &request.key_id,
    };
    let kek: [u8; 32] = base64(&plugin.keks[name]).try_into().unwrap();
    let (nonce, sealed) = request.ciphertext.split_first_chunk::<12>().unwrap();
    let dek = Aes256Gcm::new(&kek.into())
        .decrypt(&(*nonce).into(), sealed)
        .unwrap();
    SecretBytes::new(dek)
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no base64 digit"),
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits =
            four.iter().fold(0_u32, |bits, d| bits << 6 | u32::from(*d)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}

pub fn opened(threads: usize) -> Report {
    opened_as(threads, true)
}

/// With or without what the plugins' Status says.
pub fn opened_as(threads: usize, status: bool) -> Report {
    let (keks, config) = (sample_keks(), config());
    let mut deks = DekTable::new();
    let survey = dek_requests(&source(), &config, &deks, &options(threads)).unwrap();
    for need in &survey.needs {
        deks.supply(&need.request, unwrap(&keks, &need.request));
    }
    for (name, plugin) in &keks.plugins {
        if let (true, Some(key_id), Some(uses_seed)) =
            (status, &plugin.current_key_id, plugin.uses_seed)
        {
            let state = KmsState::Current {
                key_id: key_id.clone(),
                uses_seed,
            };
            deks.set_state(name, state);
        }
    }
    audit(&source(), Some(&config), &deks, &options(threads)).unwrap()
}

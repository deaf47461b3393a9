//! The sample snapshot, recovered: by all keys, by renamed ones, by a bare key, and interrupted.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead};
use base64ct::{Base64, Encoding};
use k8s_object::Types;
use k8senc::crypto::PORTABLE;
use k8senc::kms::{DekRequest, KmsApi};
use k8senc::secret::SecretBytes;
use k8senc_audit::FileSource;
use k8senc_config::Config;
use k8senc_recovery::{
    Entry, Folder, Format, Opener, Options, Outcome, Place, RecoveryError, Selection, Sink, Source,
    Summary, parse_key, recover, survey,
};
use k8senc_vectors::{LocalKeks, sample, sample_dir, sample_keks};

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    documents: Vec<Vec<u8>>,
    entries: Vec<Entry>,
}

impl Sink for Kept {
    fn document(
        &mut self,
        _: &Place<'_>,
        bytes: &[u8],
        _: &'static str,
        _: &mut Entry,
    ) -> Result<(), RecoveryError> {
        self.documents.push(bytes.to_vec());
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), RecoveryError> {
        self.entries.push(entry.clone());
        Ok(())
    }
}

/// A folder that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "k8senc-recovery-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn source() -> FileSource {
    FileSource::open(&sample_dir().join("snapshot.db")).unwrap()
}

fn config_text() -> String {
    std::fs::read_to_string(sample_dir().join("encryption-config.yaml")).unwrap()
}

fn unwrap(keks: &LocalKeks, request: &DekRequest) -> SecretBytes {
    let plugin = &keks.plugins[&request.provider];
    let name = match request.api {
        KmsApi::V1 => plugin.keks.keys().next().unwrap(),
        KmsApi::V2 => &request.key_id,
    };
    let kek: [u8; 32] = Base64::decode_vec(&plugin.keks[name])
        .unwrap()
        .try_into()
        .unwrap();
    let (nonce, sealed) = request.ciphertext.split_first_chunk::<12>().unwrap();
    SecretBytes::new(
        Aes256Gcm::new(&kek.into())
            .decrypt(&(*nonce).into(), sealed)
            .unwrap(),
    )
}

/// With all keys of a configuration and its KMS plugins.
fn opener<'c>(config: &'c Config, selection: &Selection) -> Opener<'c> {
    let mut opener = Opener::new(Some(config), &PORTABLE);
    let keks = sample_keks();
    for (request, _) in survey(
        Source::Pages(&source()),
        &mut opener,
        selection,
        &Options::default(),
    )
    .unwrap()
    .needs
    {
        opener.deks.supply(&request, unwrap(&keks, &request));
    }
    opener
}

fn all(opener: &mut Opener<'_>, selection: &Selection, format: Format) -> (Kept, Summary) {
    let mut kept = Kept::default();
    let summary = recover(
        Source::Pages(&source()),
        opener,
        selection,
        &Types::builtin(),
        format,
        &Options::default(),
        &mut kept,
    )
    .unwrap();
    (kept, summary)
}

fn resource(name: &str) -> Selection {
    Selection {
        resource: Some(Selection::resource_named(name)),
        ..Selection::default()
    }
}

#[test]
fn everything_that_can_be_opened_is() {
    let (config, selection) = (
        Config::parse(config_text().as_bytes()).unwrap(),
        Selection::default(),
    );
    let (kept, summary) = all(&mut opener(&config, &selection), &selection, Format::Json);
    let expected = sample();
    let live: usize = expected.resources.values().map(|r| r.live).sum();
    assert_eq!(summary.selected, live as u64);
    let mut refused: Vec<_> = kept
        .entries
        .iter()
        .filter(|e| e.outcome == Outcome::Refused)
        .map(|e| (e.etcd_key.clone(), e.code.clone().unwrap()))
        .collect();
    refused.sort();
    let mut theirs: Vec<_> = expected
        .unreadable
        .iter()
        .map(|u| (u.etcd_key.clone(), u.code.clone()))
        .collect();
    theirs.sort();
    assert_eq!(refused, theirs);
    assert_eq!(
        (summary.written, summary.undecided, summary.raw),
        ((live - theirs.len()) as u64, 0, 0)
    );
    for document in &kept.documents {
        let object: serde_json::Value = serde_json::from_slice(document).unwrap();
        assert!(object["metadata"]["name"].is_string());
    }
}

#[test]
fn a_selection_asks_for_its_own_deks_only() {
    let config = Config::parse(config_text().as_bytes()).unwrap();
    let asked = |selection: &Selection| {
        survey(
            Source::Pages(&source()),
            &mut Opener::new(Some(&config), &PORTABLE),
            selection,
            &Options::default(),
        )
        .unwrap()
    };
    let deks = sample().distinct_deks;
    assert_eq!(
        asked(&resource("secrets")).needs.len(),
        deks["cloud-kms"].live
    );
    assert_eq!(
        asked(&resource("configmaps")).needs.len(),
        deks["legacy-kms"].live
    );
    assert_eq!(asked(&resource("leases")).needs.len(), 0);
    let one = Selection {
        namespace: Some(b"default".to_vec()),
        name: Some(b"app-0600".to_vec()),
        ..resource("secret")
    };
    assert_eq!((asked(&one).selected, asked(&one).needs.len()), (1, 1));
}

#[test]
fn a_renamed_key_is_found_and_taken_only_when_asked() {
    let renamed = config_text().replace("name: \"2026-q4\"", "name: \"other\"");
    let (config, selection) = (
        Config::parse(renamed.as_bytes()).unwrap(),
        resource("configmaps"),
    );
    let mut opener = opener(&config, &selection);
    let (kept, summary) = all(&mut opener, &selection, Format::Yaml);
    assert!(summary.refused > 10, "{summary:?}");
    let hint = kept.entries.iter().find_map(|e| e.hint.clone()).unwrap();
    assert_eq!(hint.code, "right-key-other-name");
    assert!(
        hint.text.contains("2026-q4") && hint.text.contains("other"),
        "{hint:?}"
    );
    opener.any_key = true;
    let (_, taken) = all(&mut opener, &selection, Format::Yaml);
    // All but the one that was copied from another etcd key.
    assert_eq!((taken.refused, taken.by_trial), (1, summary.refused - 1));
}

#[test]
fn a_key_encoded_once_too_often_is_found() {
    let text = config_text();
    let secret = "XYUEJKsDqwqomQBxQOjyMA1lxevJYnsaW7paI2Qo6c0=";
    assert!(text.contains(secret));
    // The 24 bytes whose base64 is 32 characters long, which is what such a key looks like.
    let inner: Vec<u8> = (1..=24).collect();
    let outer = Base64::encode_string(&inner);
    assert_eq!(outer.len(), 32);
    let aes = Aes256Gcm::new_from_slice(outer.as_bytes()).unwrap();
    let etcd_key = b"/registry/configmaps/a/b";
    let sealed = aes
        .encrypt(
            &[7; 12].into(),
            aes_gcm::aead::Payload {
                msg: br#"{"apiVersion":"v1","kind":"ConfigMap"}"#,
                aad: etcd_key,
            },
        )
        .unwrap();
    let stored = [b"k8s:enc:aesgcm:v1:k:".as_slice(), &[7; 12], &sealed].concat();
    let mut opener = Opener::new(None, &PORTABLE);
    opener.add_key("the key", parse_key(&inner).unwrap().0);
    let mut kept = Kept::default();
    let take = |opener: &mut Opener<'_>, kept: &mut Kept, key: &[u8]| {
        k8senc_recovery::value(
            opener,
            key,
            &stored,
            None,
            &Types::builtin(),
            Format::Raw,
            kept,
        )
        .unwrap()
    };
    assert_eq!(take(&mut opener, &mut kept, etcd_key).refused, 1);
    assert_eq!(
        kept.entries[0].hint.as_ref().unwrap().code,
        "key-encoded-otherwise"
    );
    opener.any_key = true;
    assert_eq!(take(&mut opener, &mut kept, etcd_key).written, 1);
    // And bound to another cluster's prefix.
    let mut opener = Opener::new(None, &PORTABLE);
    opener.add_key("the key", SecretBytes::from_slice(outer.as_bytes()));
    assert_eq!(
        take(&mut opener, &mut kept, b"/kubernetes.io/configmaps/a/b").refused,
        1
    );
    assert_eq!(
        kept.entries.last().unwrap().hint.as_ref().unwrap().code,
        "other-etcd-key"
    );
}

#[test]
fn bare_keys_open_what_they_wrote() {
    let mut opener = Opener::new(None, &PORTABLE);
    opener.add_key(
        "a",
        parse_key(b"XYUEJKsDqwqomQBxQOjyMA1lxevJYnsaW7paI2Qo6c0=\n")
            .unwrap()
            .0,
    );
    let (kept, summary) = all(&mut opener, &resource("configmaps"), Format::Yaml);
    let expected = sample();
    let wrote = expected
        .groups
        .iter()
        .filter(|g| g.resource == "configmaps" && g.key == "2026-q4");
    let readable: usize = wrote.map(|g| g.live - g.unreadable).sum();
    assert_eq!(summary.by_trial, readable as u64);
    assert!(
        kept.entries
            .iter()
            .filter(|e| e.outcome == Outcome::Written)
            .all(|e| e.provider == "identity" || e.hint.is_some())
    );
}

#[test]
fn noise_is_only_written_when_asked() {
    let (config, selection) = (
        Config::parse(config_text().as_bytes()).unwrap(),
        resource("events"),
    );
    let mut opener = opener(&config, &selection);
    let (_, summary) = all(&mut opener, &selection, Format::Yaml);
    assert_eq!((summary.unverified, summary.refused), (0, 2));
    opener.unverified = true;
    let (kept, summary) = all(&mut opener, &selection, Format::Yaml);
    assert_eq!((summary.unverified, summary.refused), (1, 1));
    let noise = kept.entries.iter().find(|e| e.unverified).unwrap();
    assert_eq!(
        (noise.outcome, noise.code.as_deref()),
        (Outcome::WrittenRaw, Some("not-an-object"))
    );
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::symlink_metadata(&path)
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{path:?}");
            found.extend(files_below(&path));
        } else {
            assert_eq!(mode, 0o600, "{path:?}");
            found.push(path);
        }
    }
    found
}

#[test]
fn an_interrupted_folder_is_private_whole_and_says_so() {
    let (config, selection) = (
        Config::parse(config_text().as_bytes()).unwrap(),
        Selection::default(),
    );
    let mut opener = opener(&config, &selection);
    for stop_after in [0, 1, 700, u32::MAX] {
        let scratch = Scratch::new();
        let (cancel, seen) = (AtomicBool::new(stop_after == 0), AtomicU32::new(0));
        struct Stopping<'s>(Folder, &'s AtomicBool, &'s AtomicU32, u32);
        impl Sink for Stopping<'_> {
            fn document(
                &mut self,
                place: &Place<'_>,
                bytes: &[u8],
                extension: &'static str,
                entry: &mut Entry,
            ) -> Result<(), RecoveryError> {
                self.0.document(place, bytes, extension, entry)
            }
            fn entry(&mut self, entry: &Entry) -> Result<(), RecoveryError> {
                if self.2.fetch_add(1, Ordering::Relaxed) + 1 == self.3 {
                    self.1.store(true, Ordering::Relaxed);
                }
                self.0.entry(entry)
            }
        }
        let mut sink = Stopping(
            Folder::create(&scratch.0).unwrap(),
            &cancel,
            &seen,
            stop_after,
        );
        let options = Options {
            cancel: Some(&cancel),
            ..Options::default()
        };
        let summary = recover(
            Source::Pages(&source()),
            &mut opener,
            &selection,
            &Types::builtin(),
            Format::Yaml,
            &options,
            &mut sink,
        )
        .unwrap();
        sink.0.finish(&summary).unwrap();
        assert_eq!(summary.cancelled, stop_after != u32::MAX);
        let index = std::fs::read_to_string(scratch.0.join("index.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = index
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.last().unwrap()["complete"], stop_after == u32::MAX);
        let mut listed: Vec<PathBuf> = lines
            .iter()
            .filter_map(|l| Some(scratch.0.join(l["file"].as_str()?)))
            .collect();
        listed.push(scratch.0.join("index.jsonl"));
        listed.sort();
        let mut there = files_below(&scratch.0);
        there.sort();
        assert_eq!(there, listed);
        assert!(
            there
                .iter()
                .all(|file| std::fs::metadata(file).unwrap().len() > 0)
        );
        // Never into a folder with something in it.
        match Folder::create(&scratch.0).map(drop).unwrap_err() {
            RecoveryError::NotEmpty(_) => {}
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_older_revision_holds_what_was_deleted_since() {
    let config = Config::parse(config_text().as_bytes()).unwrap();
    let newest = Selection::default();
    let keys = |selection: &Selection| -> BTreeMap<String, i64> {
        let (kept, _) = all(&mut opener(&config, selection), selection, Format::Raw);
        kept.entries
            .into_iter()
            .map(|e| (e.etcd_key, e.revision))
            .collect()
    };
    let now = keys(&newest);
    let before = keys(&Selection {
        revision: Some(2200),
        ..Selection::default()
    });
    assert!(before.values().all(|revision| *revision <= 2200));
    assert!(
        before.keys().any(|key| !now.contains_key(key)),
        "nothing was deleted after it"
    );
    let compacted = Selection {
        revision: Some(5),
        ..Selection::default()
    };
    let mut opener = Opener::new(Some(&config), &PORTABLE);
    let refused = survey(
        Source::Pages(&source()),
        &mut opener,
        &compacted,
        &Options::default(),
    )
    .unwrap_err();
    assert_eq!(refused.code(), "compacted");
}

//! What the source of rows changes: which recipe cleans it, and whether a key may go.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use etcd_store::{Revision, RowKey};
use k8senc::crypto::PORTABLE;
use k8senc::kms::DekTable;
use k8senc_audit::report::Removable;
use k8senc_audit::{
    AuditError, Options, Piece, Report, RowSource, RowsAbout, StoredRow, audit_rows,
};
use k8senc_config::Config;

const A: &str = "/registry/example.com/widgets/n/a";
const CONFIG: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [widgets.example.com]
  providers:
  - aesgcm: {keys: [{name: new, secret: BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=}, {name: old, secret: CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=}]}
  - identity: {}
";

/// Rows by revision, newest first; then a page of the file.
struct Made {
    about: RowsAbout,
    rows: Vec<(i64, Vec<u8>, bool)>,
    page: Vec<u8>,
}

impl RowSource for Made {
    fn next_rows(&mut self, take: &mut dyn FnMut(Piece<'_>)) -> Result<bool, AuditError> {
        for (main, value, leftover) in &self.rows {
            let key = RowKey {
                revision: Revision {
                    main: *main,
                    sub: 0,
                },
                tombstone: false,
            };
            take(Piece::Row(StoredRow {
                key,
                etcd_key: A.as_bytes(),
                value,
                create_revision: 0,
                version: 0,
                leftover: *leftover,
            }));
        }
        if !self.page.is_empty() {
            take(Piece::Page(&self.page));
        }
        Ok(false)
    }

    fn progress(&self) -> (u64, u64) {
        (0, 0)
    }

    fn about(&self) -> RowsAbout {
        self.about.clone()
    }
}

fn about(source: &'static str, history: bool) -> RowsAbout {
    RowsAbout {
        source,
        revision: 9,
        compact_revision: 1,
        bytes: 4096,
        history,
    }
}

fn audited(rows: Made) -> Report {
    audited_with(CONFIG, rows)
}

fn audited_with(config: &str, mut rows: Made) -> Report {
    let config = Config::parse(config.as_bytes()).unwrap();
    audit_rows(
        &mut rows,
        Some(&config),
        &DekTable::new(),
        &Options::new(&PORTABLE),
    )
    .unwrap()
}

/// A custom resource as kube-apiserver stores it without encryption.
fn widget(name: &str) -> Vec<u8> {
    format!(r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"{name}","namespace":"n"}}}}"#).into_bytes()
}

fn sealed() -> Vec<u8> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([7; 32]));
    let (msg, aad) = (&widget("a")[..], A.as_bytes());
    let body = cipher
        .encrypt(&Nonce::from([1; 12]), Payload { msg, aad })
        .unwrap();
    [b"k8s:enc:aesgcm:v1:new:", &[1; 12][..], &body].concat()
}

#[test]
fn the_recipe_follows_from_the_source() {
    let left = |source| {
        let rows = vec![
            (9, sealed(), false),
            (7, widget("history"), false),
            (5, widget("beside"), true),
        ];
        let page = [&[0; 100][..], &widget("lost"), &[0; 100]].concat();
        let report = audited(Made {
            about: about(source, true),
            rows,
            page,
        });
        ["history-plaintext", "residue-plaintext", "residue-fragment"].map(|code| {
            let mut found = report.findings.iter().filter(|f| f.code == code);
            let one = found.next().unwrap();
            assert_eq!((one.count, found.count()), (1, 0), "{code}");
            one.advice
        })
    };
    for advice in left("kine") {
        assert!(!advice.contains("defragment") && advice.contains("restart k3s twice"));
    }
    assert!(left("kine")[1].starts_with("rewrite all objects twice"));
    for advice in left("snapshot") {
        assert!(advice.contains("defragment") && !advice.contains("k3s"));
    }
}

/// A live etcd shows current values alone: whether a superseded one needs the key is not known.
#[test]
fn a_live_etcd_frees_no_key_before_compaction() {
    let old = |about| {
        let rows = vec![(9, sealed(), false)];
        let page = Vec::new();
        let report = audited(Made { about, rows, page });
        let key = report.keys.iter().find(|key| key.key == "old");
        key.map(|key| key.removable).unwrap()
    };
    assert_eq!(old(about("etcd", false)), Removable::AfterCompaction);
    assert_eq!(old(about("kine", true)), Removable::Yes);
}

/// The value lies under a resource that no rule takes, so of its key's name only what stands before the colon is certain.
#[test]
fn a_key_with_a_colon_in_its_name_is_not_free_while_a_value_may_be_its() {
    let config = CONFIG
        .replace("widgets", "gadgets")
        .replace("name: old", "name: \"old:2026\"");
    for (prefix, live, removable) in [
        (&b"k8s:enc:aesgcm:v1:old:2026:"[..], 1, Removable::No),
        (b"k8s:enc:aesgcm:v1:older:2026:", 0, Removable::Yes),
        (b"k8s:enc:aescbc:v1:old:2026:", 0, Removable::Yes),
    ] {
        let rows = vec![(9, [prefix, &[7; 60]].concat(), false)];
        let page = Vec::new();
        let about = about("kine", true);
        let report = audited_with(&config, Made { about, rows, page });
        let key = report
            .keys
            .iter()
            .find(|key| key.key == "old:2026")
            .unwrap();
        assert_eq!((key.live, key.removable), (live, removable), "{prefix:?}");
    }
}

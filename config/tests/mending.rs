//! Changes of a configuration that stands within another file.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use k8senc_config::{LintOptions, Manifest, lint_manifest};

/// What holds a configuration, and how.
type Holder<'h> = (&'h str, &'h dyn Fn(&str) -> String);

/// Each change of a configuration, made where it stands in another file, leaves a file that holds the changed configuration.
#[test]
fn what_mends_a_configuration_mends_the_file_that_holds_it() {
    let cases = serde_json::from_str::<serde_json::Value>(include_str!("recorded/lint-cases.json"))
        .unwrap();
    let indented = |config: &str, by: &str| -> String {
        let lines = config.split_inclusive('\n');
        lines
            .map(|l| {
                if l == "\n" {
                    l.to_owned()
                } else {
                    format!("{by}{l}")
                }
            })
            .collect()
    };
    let quoted = |config: &str| serde_json::to_string(config).unwrap();
    let holders: [Holder<'_>; 7] = [
        ("block scalar", &|c| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: enc}}\ndata:\n  before: x\n  enc.yaml: |\n    {}  after: y\n",
                indented(c, "    ").trim_start()
            )
        }),
        ("block scalar at the end", &|c| {
            format!(
                "kind: Secret\napiVersion: v1\nstringData:\n  enc.yaml: |\n{}",
                indented(c, "   ")
            )
        }),
        ("file of a machine", &|c| {
            format!(
                "version: v1alpha1\nmachine:\n  type: controlplane\n  files:\n    - content: |\n{}      path: /etc/kubernetes/enc.yaml\n      op: create\ncluster: {{}}\n",
                indented(c, "        ")
            )
        }),
        ("second document", &|c| {
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\n{c}")
        }),
        ("quoted scalar", &|c| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: enc}}\ndata:\n  enc.yaml: {}\n",
                quoted(c)
            )
        }),
        ("JSON", &|c| {
            format!(
                "{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"enc\"}},\"data\":{{\"enc.yaml\":{}}}}}\n",
                quoted(c)
            )
        }),
        ("data of a Secret", &|c| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: enc}}\ndata:\n  enc.yaml: {}\n",
                base64(c)
            )
        }),
    ];
    for (holder, hold) in holders {
        let (mut fixes, mut mended) = (0, 0);
        for case in cases.as_array().unwrap() {
            let bad = case["bad"].as_str().unwrap();
            let text = hold(bad);
            let Some(manifest) = Manifest::read(text.as_bytes(), "x") else {
                continue;
            };
            let options = options_of(case);
            let [embedded] = manifest.embedded() else {
                continue;
            };
            let inner: Vec<_> = k8senc_config::lint(embedded.text().as_bytes(), &options)
                .into_iter()
                .filter_map(|f| f.fix)
                .collect();
            let outer: Vec<_> = lint_manifest(text.as_bytes(), &manifest, &[], &options)
                .into_iter()
                .filter(|f| !f.code.starts_with("K8M"))
                .filter_map(|f| f.fix)
                .collect();
            fixes += inner.len();
            // A comment behind the last line is the file's own.
            let known = |f: &&k8senc_config::Fix| inner.iter().any(|i| i.title == f.title);
            for fix in outer.iter().filter(known) {
                let changed = fix.apply(&text).unwrap();
                let again = Manifest::read(changed.as_bytes(), "x").unwrap();
                let held = again.embedded()[0].text();
                let same = |f: &&k8senc_config::Fix| {
                    f.title == fix.title && f.apply(embedded.text()).as_deref() == Some(held)
                };
                assert!(
                    inner.iter().any(|f| same(&f)),
                    "{holder}: {}\n{changed}",
                    fix.title
                );
                assert!(changed.starts_with(text.get(..8).unwrap()));
                mended += 1;
            }
        }
        assert!(
            fixes >= 5 && mended + 1 >= fixes,
            "{holder}: {mended} of {fixes}"
        );
    }
}

/// A scalar is written anew as a whole, with the keys in it.
#[test]
fn a_change_shows_no_key_when_it_is_printed() {
    let key = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
    let config = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - identity: {{}}\n  - secretbox:\n      keys:\n      - name: k\n        secret: {key}\n"
    );
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: enc}}\ndata:\n  enc.yaml: {}\n",
        serde_json::to_string(&config).unwrap()
    );
    let manifest = Manifest::read(text.as_bytes(), "x").unwrap();
    let found = lint_manifest(text.as_bytes(), &manifest, &[], &LintOptions::default());
    let edits = found.iter().filter_map(|f| f.fix.as_ref());
    assert!(edits.flat_map(|f| &f.edits).any(|e| e.text.contains(key)));
    assert!(!format!("{found:?}").contains(&key[..8]));
}

fn base64(text: &str) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| three.get(at).map_or(0, |b| u32::from(*b));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = digits[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

fn options_of(case: &serde_json::Value) -> LintOptions {
    let mut options = LintOptions::default();
    options.server.version = case["version"].as_str().unwrap().parse().unwrap();
    options
}

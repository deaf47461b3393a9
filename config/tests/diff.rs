//! Two configurations compared by what they do.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8senc_config::{Change, Config, NamedKey, Provider};

const A: &str = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=";
const B: &str = "NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ=";

fn config(providers: &str) -> Config {
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{providers}]\n"
    );
    Config::parse(text.as_bytes()).unwrap()
}

fn keys(keys: &[(&str, &str)]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|(name, secret)| format!("{{name: {name}, secret: {secret}}}"))
        .collect();
    format!("{{secretbox: {{keys: [{}]}}}}", keys.join(", "))
}

fn first_key(config: &Config) -> &NamedKey {
    let provider = config.entries().first().and_then(|e| e.providers.first());
    let keys = provider.and_then(|p| match p {
        Provider::Secretbox(keys) => keys.first(),
        _ => None,
    });
    keys.unwrap()
}

fn changes(old: &str, new: &str) -> Vec<String> {
    config(old)
        .changes(&config(new))
        .iter()
        .map(ToString::to_string)
        .collect()
}

const FA: &str = "k8s:enc:secretbox:v1:a: (";

#[test]
fn layout_does_not_count() {
    let old = config(&keys(&[("a", A)]));
    let text = format!(
        "{{\"kind\": \"EncryptionConfig\", \"apiVersion\": \"v1\", \"resources\": [{{\"resources\": [\"secrets.\"], \"providers\": [{{\"secretbox\": {{\"keys\": [{{\"name\": \"a\", \"secret\": \"{A}\"}}]}}}}]}}]}}"
    );
    let new = Config::parse(text.as_bytes()).unwrap();
    assert_eq!(old.changes(&new), []);
    assert_ne!(old.content_hash(), new.content_hash());
}

#[test]
fn the_steps_of_a_rotation_are_told_apart() {
    let one = keys(&[("a", A)]);
    let second = keys(&[("a", A), ("b", B)]);
    let promoted = keys(&[("b", B), ("a", A)]);
    let done = keys(&[("b", B)]);
    let added = changes(&one, &second);
    assert_eq!(added.len(), 1);
    assert!(
        added
            .iter()
            .all(|c| c.starts_with("secrets: k8s:enc:secretbox:v1:b: (")
                && c.ends_with(") can be read now")),
        "{added:?}"
    );
    let promotion = changes(&second, &promoted);
    assert_eq!(promotion.len(), 1);
    assert!(
        promotion
            .iter()
            .all(|c| c.contains("writes in place of k8s:enc:secretbox:v1:a:")),
        "{promotion:?}"
    );
    let removal = changes(&promoted, &done);
    assert!(
        removal
            .iter()
            .all(|c| c.starts_with(&format!("secrets: {FA}"))
                && c.ends_with("cannot be read any more")),
        "{removal:?}"
    );
    assert_eq!(removal.len(), 1);
}

#[test]
fn other_bytes_under_one_name_are_a_change_of_their_own() {
    let changes = config(&keys(&[("a", A)])).changes(&config(&keys(&[("a", B)])));
    assert_eq!(changes.len(), 1);
    assert!(
        matches!(changes.first(), Some(Change::KeyReplaced { .. })),
        "{changes:?}"
    );
}

#[test]
fn rules_order_and_kms_settings_count() {
    let kms =
        |more: &str| format!("{{kms: {{apiVersion: v2, name: p, endpoint: 'unix:///p'{more}}}}}");
    assert_eq!(
        changes(&kms(""), &kms(", timeout: 5s")),
        ["kms p: timeout 5s in place of 3s"]
    );
    let old = format!("{}, {}, {{identity: {{}}}}", keys(&[("a", A)]), kms(""));
    let new = format!("{}, {{identity: {{}}}}, {}", keys(&[("a", A)]), kms(""));
    assert_eq!(
        changes(&old, &new),
        ["secrets: the order of the readers is another"]
    );
}

#[test]
fn guessable_keys_have_no_fingerprint_and_are_told_apart_all_the_same() {
    let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let ones = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let old = config(&keys(&[("a", zero)]));
    let shown: Vec<_> = old
        .changes(&config(&keys(&[("a", ones)])))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        ["secrets: k8s:enc:secretbox:v1:a: has other bytes than k8s:enc:secretbox:v1:a:"]
    );
    assert_eq!(first_key(&old).fingerprint(), None);
}

#[test]
fn a_fingerprint_is_the_hmac_of_the_label() {
    // openssl dgst -sha256 -mac HMAC -macopt hexkey:<key> over "k8senc key fingerprint v1"
    let config = config(&keys(&[("a", A)]));
    let fingerprint = first_key(&config).fingerprint().unwrap();
    assert_eq!(fingerprint.to_string(), "a185eab2043bfe37");
}

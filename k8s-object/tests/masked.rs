//! Masked documents: what an object is can be seen, what it holds cannot.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8s_object::{Form, Types, render_masked};

fn masked(plaintext: &[u8], form: Form) -> String {
    let mut out = String::new();
    render_masked(plaintext, &Types::builtin(), form, &mut out).unwrap();
    out
}

#[test]
fn a_secret_shows_its_names_and_sizes() {
    let text = br#"{"apiVersion":"v1","kind":"Secret","type":"Opaque","immutable":true,"data":{"password":"aHVudGVyMg=="},
        "metadata":{"name":"db","namespace":"shop","labels":{"a":"b"},"annotations":{"last":"{hunter2}"},"generation":3}}"#;
    assert_eq!(
        masked(text, Form::Yaml),
        r#"apiVersion: v1
kind: Secret
type: Opaque
immutable: "(masked)"
data:
  password: "(masked, 12 bytes of text)"
metadata:
  name: db
  namespace: shop
  labels:
    a: b
  annotations:
    last: "(masked, 9 bytes of text)"
  generation: 3
"#
    );
}

#[test]
fn lists_and_custom_resources_hide_what_they_hold() {
    let text = br#"{"apiVersion":"e.com/v1","kind":"W","spec":{"a":[{"metadata":{"name":"s1"}},"s2",3,null]},"items":[{"kind":"K","x":"s3"}]}"#;
    let shown = masked(text, Form::Json);
    for secret in ["s1", "s2", "s3"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("\"K\"") && shown.contains("null"));
}

//! Plaintexts that the real serializers wrote or refused.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8s_object::{Form, Types, classify, looks_like_object, metadata, render};
use serde_json::Value;

#[test]
fn object_vectors() {
    let cases = k8senc_vectors::objects("object/forms");
    for case in &cases {
        let told = format!("{}/{}: {}", case.suite, case.id, case.why);
        let form = classify(&case.plaintext).name();
        // YAML claims no bytes upstream; empty bytes have a name of their own here.
        let claimed = if matches!(form, "yaml" | "unknown" | "empty") {
            "none"
        } else {
            form
        };
        assert_eq!(claimed, case.form, "{told}");
        assert_eq!(
            looks_like_object(&case.plaintext),
            case.decoded.is_some(),
            "{told}"
        );

        if let (Some(decoded), "protobuf" | "json") = (&case.decoded, form) {
            let meta = metadata(&case.plaintext).unwrap_or_default();
            assert_eq!(
                [
                    &*meta.api_version,
                    &*meta.kind,
                    &*meta.namespace,
                    &*meta.name
                ],
                [
                    &*decoded.api_version,
                    &*decoded.kind,
                    &*decoded.namespace,
                    &*decoded.name
                ],
                "{told}"
            );
        }
    }
    assert_eq!(
        cases.len(),
        k8senc_vectors::manifest().count("object/forms")
    );
}

fn json_of(plaintext: &[u8], types: &Types) -> Value {
    let mut text = String::new();
    let rendered = render(plaintext, types, Form::Json, &mut text).unwrap();
    assert_eq!(rendered.unknown_fields, 0);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_built_in_kind_becomes_the_json_that_kube_apiserver_makes() {
    let (cases, types) = (k8senc_vectors::decodes("object/decode"), Types::builtin());
    for case in &cases {
        let expected: Value = serde_json::from_str(&case.json).unwrap();
        assert_eq!(
            json_of(&case.plaintext, &types),
            expected,
            "{}: {}",
            case.id,
            case.why
        );
    }
    assert_eq!(
        cases.len(),
        k8senc_vectors::manifest().count("object/decode")
    );
    assert_eq!(
        cases.len(),
        2 * types.len(),
        "two cases for each kind of the table"
    );
}

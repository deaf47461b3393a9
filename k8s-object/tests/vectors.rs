//! Plaintexts that the real serializers wrote or refused.

use k8s_object::{classify, looks_like_object, metadata};

#[test]
fn object_vectors() {
    let cases = k8senc_vectors::objects("object/");
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
    assert_eq!(cases.len(), k8senc_vectors::manifest().count("object/"));
}

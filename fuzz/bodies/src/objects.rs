//! Plaintexts and etcd keys.

use std::sync::LazyLock;

use k8s_object::{
    EtcdName, Form, Types, classify, looks_like_object, metadata, object_starts, parse_etcd_key,
    render, render_masked,
};

static TYPES: LazyLock<Types> = LazyLock::new(Types::builtin);

/// What a plaintext is; and every way to write it down takes or refuses it alike.
pub fn object(data: &[u8]) {
    let mut written = Vec::new();
    for form in [Form::Yaml, Form::Json] {
        for render in [render, render_masked] {
            let mut out = String::new();
            written.push(render(data, &TYPES, form, &mut out).ok());
        }
    }
    assert!(
        written
            .iter()
            .all(|rendered| Some(rendered) == written.first()),
        "forms differ: {written:?}"
    );
    assert!(object_starts(data).all(|at| at < data.len()));
    let kind = classify(data);
    let _ = (
        format!("{kind:?}"),
        looks_like_object(data),
        format!("{:?}", metadata(data)),
    );
}

/// Whose key it is, with and without a prefix of the cluster.
pub fn etcd_key(data: &[u8]) {
    let (prefix, key) = match data.iter().position(|&byte| byte == 0) {
        Some(at) => (data.get(..at), data.get(at..).unwrap_or_default()),
        None => (None, data),
    };
    for prefix in [None, prefix] {
        let parsed = parse_etcd_key(key, prefix);
        let _ = (format!("{parsed:?}"), EtcdName::from_etcd_key(key, prefix));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    k8senc_vectors::objects("object/")
        .into_iter()
        .map(|case| case.plaintext)
        .collect()
}

pub fn key_seeds() -> Vec<Vec<u8>> {
    [
        "/registry/secrets/default/a",
        "/registry/minions/node-1",
        "/registry/example.com/widgets/ns/name",
        "/kubernetes.io/services/endpoints/ns/name",
        "/registry/apiextensions.k8s.io/customresourcedefinitions/a.b",
        "compact_rev_key",
        "/own\0/own/secrets/ns/name",
    ]
    .map(|key| key.as_bytes().to_vec())
    .to_vec()
}

//! Forms of plaintext. The protobuf Secret is the plaintext layout recorded from a real
//! server: `6b3873 00 0a <n> 0a <a> apiVersion 12 <k> kind 12 <len> raw 1a00 2200`.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8s_object::{Kind, TypeMeta, classify, looks_like_object, metadata};

/// One length-delimited field with a number and a length below 128.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend_from_slice(bytes);
    out
}

fn protobuf(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let words = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [
        b"k8s\0".to_vec(),
        field(1, &words),
        field(2, raw),
        vec![0x1a, 0, 0x22, 0],
    ]
    .concat()
}

fn secret() -> Vec<u8> {
    let meta = [
        field(1, b"db"),
        field(2, b""),
        field(3, b"shop"),
        field(5, b"uid"),
    ]
    .concat();
    protobuf(
        "v1",
        "Secret",
        &[field(1, &meta), field(2, b"data"), field(3, b"Opaque")].concat(),
    )
}

fn words<'a>(api_version: &'a str, kind: &'a str) -> TypeMeta<'a> {
    TypeMeta {
        api_version: api_version.into(),
        kind: kind.into(),
    }
}

#[test]
fn each_form_is_named() {
    assert_eq!(classify(b""), Kind::Empty);
    assert_eq!(
        classify(b"k8s:enc:aescbc:v1:key1:body"),
        Kind::Encrypted(b"aescbc:v1:key1:body")
    );
    assert_eq!(classify(&secret()), Kind::Protobuf(words("v1", "Secret")));
    assert_eq!(
        classify(br#"{"kind":"Lease","apiVersion":"coordination.k8s.io/v1"}"#),
        Kind::Json(words("coordination.k8s.io/v1", "Lease"))
    );
    assert_eq!(classify(b"\xd9\xd9\xf7\xa1\x64kind"), Kind::Cbor);
    assert_eq!(classify(b"apiVersion: v1\nkind: Secret\n"), Kind::Yaml);
    assert_eq!(classify(b"hello"), Kind::Unknown);
    assert_eq!(classify(b"k8s:en"), Kind::Unknown);
    assert_eq!(classify(&[0xff, 0xfe]), Kind::Unknown);
}

#[test]
fn json_may_follow_any_unicode_white_space() {
    // What Go's unicode.IsSpace takes, the two-byte NEL and the three-byte ideographic space included.
    let text = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{3000}{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}";
    assert_eq!(classify(text.as_bytes()), Kind::Json(words("v1", "Secret")));
}

#[test]
fn json_is_read_no_further_than_its_words() {
    let text = br#"{"apiVersion":"v1","kind":"Secret","data":"#;
    assert_eq!(classify(text), Kind::Json(words("v1", "Secret")));
    assert_eq!(
        classify(br#"{"apiVersion":"v1","kind":7}"#),
        Kind::Json(words("v1", ""))
    );
    assert_eq!(
        classify(br#"{"kind":"\u0053ecret","apiVersion":"v1"}"#),
        Kind::Json(words("v1", "Secret"))
    );
}

#[test]
fn metadata_of_protobuf_and_json() {
    let stored = secret();
    let meta = metadata(&stored).unwrap();
    assert_eq!(
        (
            &*meta.api_version,
            &*meta.kind,
            &*meta.namespace,
            &*meta.name
        ),
        ("v1", "Secret", "shop", "db")
    );

    let stored = br#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"labels":{"a":["b"]},"name":"w","namespace":"ns"},"spec":{}}"#;
    let meta = metadata(stored).unwrap();
    assert_eq!(
        (
            &*meta.api_version,
            &*meta.kind,
            &*meta.namespace,
            &*meta.name
        ),
        ("example.com/v1", "Widget", "ns", "w")
    );

    let meta = br#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#;
    assert_eq!(&*metadata(meta).unwrap().namespace, "");
    assert_eq!(
        metadata(br#"{"apiVersion":"v1","kind":"Node","metadata":"#),
        None
    );
    assert_eq!(metadata(b"apiVersion: v1\nkind: Secret\n"), None);
}

#[test]
fn objects_look_like_objects() {
    assert!(looks_like_object(&secret()));
    assert!(looks_like_object(br#"{"apiVersion":"v1","kind":"Secret"}"#));
    assert!(looks_like_object(b"\xd9\xd9\xf7\xa1\x64kind"));
    assert!(looks_like_object(
        b"apiVersion: v1\ndata: {}\nkind: Secret\n"
    ));
}

#[test]
fn what_a_wrong_key_leaves_does_not() {
    let stored = secret();
    // Magic, typeMeta field, raw field, two empty fields: it may end after any, inside none.
    let type_meta = 4 + 2 + 4 + 8;
    let raw = stored.len() - 4;
    let ends = [type_meta, raw, raw + 2, stored.len()];
    for cut in 0..=stored.len() {
        assert_eq!(
            looks_like_object(&stored[..cut]),
            ends.contains(&cut),
            "cut at {cut}"
        );
    }
    assert!(!looks_like_object(b"k8s\0"), "upstream: empty body");
    assert!(
        !looks_like_object(b"k8s:enc:aescbc:v1:k:x"),
        "one layer was opened and another is below it"
    );
    assert!(
        !looks_like_object(b"{}\n"),
        "no kind, which kube-apiserver's decoder refuses"
    );
    assert!(!looks_like_object(b"{\x9b\x02"));
    assert!(!looks_like_object(b"\xd9\xd9\xf7\x01"));
    assert!(!looks_like_object(b""));
    assert!(!looks_like_object(&[0u8; 64]));
}

#[test]
fn later_protobuf_fields_win_and_unknown_ones_are_stepped_over() {
    let words = [field(1, b"v0"), field(1, b"v1"), field(2, b"Secret")].concat();
    let stored = [
        b"k8s\0".to_vec(),
        vec![0x48, 0x96, 0x01],
        field(1, &words),
        vec![0x3d, 1, 2, 3, 4],
        field(2, b""),
    ]
    .concat();
    assert_eq!(metadata(&stored).unwrap().api_version, "v1");
}

#[test]
fn malformed_protobuf_has_no_words() {
    let cases: [&[u8]; 6] = [
        b"k8s\0\x0a",                                             // key without a length
        b"k8s\0\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // length of 2^64-1
        b"k8s\0\x0b",                                             // a group
        b"k8s\0\x02\x00",                                         // field number 0
        b"k8s\0\x0a\x03\x0a\x01\xff",                             // apiVersion is not UTF-8
        b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // varint longer than ten bytes
    ];
    for case in cases {
        assert_eq!(
            classify(case),
            Kind::Protobuf(TypeMeta::default()),
            "{case:x?}"
        );
        assert!(!looks_like_object(case), "{case:x?}");
        assert_eq!(metadata(case), None, "{case:x?}");
    }
}

//! Every function takes every input: seeded random bytes and damaged objects.

use k8s_object::{
    Form, Kind, Types, classify, looks_like_object, metadata, parse_etcd_key, render,
};

/// xorshift64*: the same inputs on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

const SEEDS: [&[u8]; 7] = [
    b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x12\x0a\x0a\x0a\x02db\x1a\x04shop\x12\x04data\x1a\0\x22\0",
    br#" {"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"b","x":[1,{"y":"\u00e9"}]},"data":{}}"#,
    b"\xd9\xd9\xf7\xa1\x64kind",
    b"k8s:enc:kms:v2:p:\x0a\x01",
    b"apiVersion: v1\nkind: Secret\n",
    b"/registry/example.com/widgets/ns/name",
    b"/registry/services/specs/ns/name",
];

fn ask_everything(bytes: &[u8]) {
    let kind = classify(bytes);
    assert!(!kind.name().is_empty());
    if looks_like_object(bytes) {
        assert!(
            !matches!(kind, Kind::Empty | Kind::Encrypted(_) | Kind::Unknown),
            "{bytes:x?}"
        );
    }
    if let Some(meta) = metadata(bytes) {
        assert!(
            meta.name.len() + meta.namespace.len() + meta.kind.len() <= bytes.len(),
            "{bytes:x?}"
        );
    }
    for prefix in [None, Some(b"registry".as_slice()), Some(b"".as_slice())] {
        let _ = parse_etcd_key(bytes, prefix);
    }
}

#[test]
fn damaged_objects_and_keys() {
    let mut random = Random(0x6b38_733a_656e_633a);
    for _ in 0..200_000 {
        let mut bytes = SEEDS[random.below(SEEDS.len())].to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len().max(1));
            match random.below(4) {
                0 if !bytes.is_empty() => bytes[at] = random.next() as u8,
                1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at),
                _ => bytes.insert(at, random.next() as u8),
            }
        }
        ask_everything(&bytes);
    }
}

#[test]
fn random_bytes_are_hardly_ever_objects() {
    let mut random = Random(1);
    let mut taken = 0;
    for round in 0..100_000 {
        let mut bytes: Vec<u8> = (0..round % 96).map(|_| random.next() as u8).collect();
        // Half of them get past the first byte, as one wrong key in 256 does.
        if let (1, Some(first)) = (round % 2, bytes.first_mut()) {
            *first = b'{';
        }
        ask_everything(&bytes);
        taken += usize::from(looks_like_object(&bytes));
    }
    assert_eq!(taken, 0);
}

#[test]
fn deep_nesting_ends() {
    for open in ["[", "{\"a\":"] {
        let text = format!("{{\"spec\":{}", open.repeat(100_000));
        ask_everything(text.as_bytes());
        let text = format!("{{\"metadata\":{}", open.repeat(100_000));
        ask_everything(text.as_bytes());
    }
}

#[test]
fn damaged_objects_are_refused_or_become_well_formed_text() {
    let types = Types::builtin();
    let mut random = Random(0xdec0de);
    let (mut written, mut refused) = (0, 0);
    for case in k8senc_vectors::decodes("object/decode") {
        for _ in 0..200 {
            let mut bytes = case.plaintext.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len().max(1));
                match random.below(4) {
                    0 if at < bytes.len() => bytes[at] = random.next() as u8,
                    1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
                    2 => bytes.truncate(at),
                    _ => bytes.insert(at, random.next() as u8),
                }
            }
            let (mut json, mut yaml) = (String::new(), String::new());
            let done = render(&bytes, &types, Form::Json, &mut json);
            assert_eq!(done, render(&bytes, &types, Form::Yaml, &mut yaml));
            if done.is_ok() {
                serde_json::from_str::<serde_json::Value>(&json).expect(&json);
                // Nothing that a terminal would obey.
                for text in [&json, &yaml] {
                    assert!(
                        !text
                            .chars()
                            .any(|c| c.is_control() && !matches!(c, '\n' | '\t')),
                        "{text:?}"
                    );
                }
                written += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(written > 1000 && refused > 1000, "{written} {refused}");
}

#[test]
fn messages_nested_without_end_are_refused() {
    // PodSpec holds no message of its own kind, so depth is bounded by the types; a JSON extension is not.
    let types = Types::builtin();
    let deep = "[".repeat(100_000);
    let raw: Vec<u8> = [&[0x0a][..], &length(deep.len()), deep.as_bytes()].concat();
    let object: Vec<u8> = [&[0x12][..], &length(raw.len()), &raw].concat();
    let words = b"\x0a\x07apps/v1\x12\x12ControllerRevision";
    let envelope = [
        &b"k8s\0\x0a"[..],
        &length(words.len()),
        words,
        &[0x12],
        &length(object.len()),
        &object,
    ]
    .concat();
    let refused = render(&envelope, &types, Form::Yaml, &mut String::new()).unwrap_err();
    assert_eq!(refused.code(), "damaged-object");
}

fn length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

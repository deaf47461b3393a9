//! Every function takes every input: seeded random bytes and damaged objects.

use k8s_object::{Kind, classify, looks_like_object, metadata, parse_etcd_key};

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

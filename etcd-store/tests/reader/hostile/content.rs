//! Buckets, rows and values.

use super::{damaged, root_with};
use crate::image::{BUCKET, Facts, Image, bucket, inline, inline_meta, key_value, row, row_key};

#[test]
fn inline_buckets_are_checked() {
    let sound = inline(&[row(2, "/a", b"v"), row(3, "/b", b"v")]);
    let mut image = Image::sound();
    image.leaf(
        2,
        &[
            (BUCKET, b"key".to_vec(), sound.clone()),
            (BUCKET, b"meta".to_vec(), inline_meta()),
        ],
    );
    assert_eq!(image.facts().unwrap().live.len(), 2);
    let change = |at: usize, bytes: &[u8]| {
        let mut value = sound.clone();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        root_with(b"key", BUCKET, value)
    };
    let bad = ("bad-inline-bucket", Some(2), Some(0));
    assert_eq!(root_with(b"key", BUCKET, vec![0; 16]), bad);
    assert_eq!(root_with(b"key", BUCKET, sound[..31].to_vec()), bad);
    assert_eq!(change(24, &[1, 0]), bad);
    assert_eq!(change(26, &60_000_u16.to_le_bytes()), bad);
    assert_eq!(change(28, &[1]), bad);
    assert_eq!(change(32 + 4, &[0xff; 4]), bad);
    assert_eq!(change(32 + 16 + 12, &[0xff; 4]), bad);
    let mut meta = inline_meta();
    meta[32 + 4..32 + 8].copy_from_slice(&[0xff; 4]);
    assert_eq!(root_with(b"cluster", BUCKET, meta), bad);
}

#[test]
fn bucket_headers_are_checked() {
    assert_eq!(
        root_with(b"key", BUCKET, vec![3; 15]),
        ("bad-bucket", Some(2), Some(0))
    );
    let mut image = Image::sound();
    let long = [bucket(3), vec![0; 4]].concat();
    image.leaf(
        2,
        &[
            (BUCKET, b"key".to_vec(), long),
            (BUCKET, b"meta".to_vec(), inline_meta()),
        ],
    );
    assert_eq!(image.facts().unwrap().warnings, ["long-bucket-value"]);
}

#[test]
fn buckets_do_not_nest() {
    let nested = |flags| inline(&[(flags, b"x".to_vec(), inline_meta())]);
    assert_eq!(
        root_with(b"auth", BUCKET, nested(BUCKET)).0,
        "nested-bucket"
    );
    let rows = damaged(|i| {
        i.leaf(5, &[(BUCKET, row_key(5), bucket(9))]);
    });
    assert_eq!(rows, ("nested-bucket", Some(5), Some(0)));
}

#[test]
fn a_root_that_is_no_root_is_refused() {
    // The worst torn copy seen: the root's page was recycled as a leaf of bucket `key`.
    let recycled = damaged(|i| {
        i.metas(5, 10);
    });
    assert_eq!(recycled, ("torn-copy", Some(5), Some(0)));
    assert_eq!(
        root_with(b"key", 0, bucket(3)),
        ("not-etcd", Some(2), Some(0))
    );
}

#[test]
fn missing_buckets_are_never_zero_secrets() {
    let root = |buckets: &[&str]| {
        damaged(|i| {
            let elements: Vec<_> = buckets
                .iter()
                .map(|b| (BUCKET, b.as_bytes().to_vec(), inline(&[])))
                .collect();
            i.leaf(2, &elements);
        })
    };
    assert_eq!(root(&[]), ("not-etcd", Some(2), None));
    assert_eq!(root(&["widgets"]), ("not-etcd", Some(2), None));
    assert_eq!(root(&["key"]), ("torn-copy", Some(2), None));
    assert_eq!(root(&["lease", "meta"]), ("torn-copy", Some(2), None));
    assert_eq!(root(&["cluster", "members"]), ("torn-copy", Some(2), None));
}

#[test]
fn a_fresh_store_is_empty_and_sound() {
    let mut image = Image::sound();
    image.leaf(
        2,
        &[
            (BUCKET, b"key".to_vec(), inline(&[])),
            (BUCKET, b"meta".to_vec(), inline_meta()),
        ],
    );
    let facts = image.facts().unwrap();
    assert!(facts.live.is_empty());
    assert_eq!(facts.revision, 1);
    // An empty leaf is legal as a bucket's root, and only there.
    image
        .leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), bucket(4)),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        )
        .leaf(4, &[]);
    assert!(image.facts().unwrap().live.is_empty());
}

#[test]
fn row_keys_are_revisions() {
    let mut wrong_mark = row_key(6);
    wrong_mark[8] = b'-';
    let mut negative_sub = row_key(6);
    negative_sub[9] = 0x80;
    let long = |end: u8| [row_key(6), vec![end]].concat();
    for key in [
        wrong_mark,
        negative_sub,
        long(b'x'),
        row_key(6)[..16].to_vec(),
        [long(b't'), vec![0]].concat(),
    ] {
        let refusal = damaged(|i| {
            i.leaf(5, &[row(5, "/a", b"v"), (0, key, key_value(6, "/a", b"v"))]);
        });
        assert_eq!(refusal, ("bad-revision-key", Some(5), Some(1)));
    }
    let negative = damaged(|i| {
        i.leaf(
            6,
            &[
                row(8, "/a", b"v"),
                (0, row_key(-1), key_value(9, "/a", b"v")),
            ],
        );
    });
    assert_eq!(negative, ("bad-revision-key", Some(6), Some(1)));
    let separator = damaged(|i| {
        i.branch(3, &[(b"2".to_vec(), 4)]);
    });
    assert_eq!(separator, ("bad-revision-key", Some(3), Some(0)));
}

#[test]
fn damaged_messages_are_counted_and_passed() {
    let overlong = [[0x10].as_slice(), &[0x80; 10], &[0]].concat();
    for message in [
        overlong,
        vec![0x0a, 200, b'x'],
        vec![
            0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ],
        vec![0x0b],
        vec![0x0c],
        vec![0x0e],
        vec![0x0f],
        vec![0x02, 0],
        vec![0x08, 1],
        vec![0x2d, 0, 0, 0, 0],
        vec![0x39, 0],
    ] {
        let mut image = Image::sound();
        image.leaf(5, &[row(5, "/a", b"2"), (0, row_key(6), message.clone())]);
        let facts = image.facts().unwrap();
        assert_eq!(facts.damaged_rows, 1, "{message:02x?}");
        assert_eq!(facts.live.len(), 5);
    }
}

#[test]
fn odd_but_legal_messages_are_read() {
    // Value before name, an unknown field of each kind, the name twice (the last one counts).
    let mut message = vec![
        0x2a, 1, b'v', 0x3a, 1, 0, 0x40, 5, 0x49, 0, 0, 0, 0, 0, 0, 0, 0, 0x55, 0, 0, 0, 0,
    ];
    message.extend([0x0a, 2, b'/', b'x', 0x0a, 2, b'/', b'z']);
    let mut image = Image::sound();
    image.leaf(5, &[(0, row_key(5), message)]);
    assert!(image.facts().unwrap().live.contains(&("/z".to_owned(), 5)));
}

#[test]
fn the_row_of_a_bumped_restore_is_not_listed() {
    let mut image = Image::sound();
    image.leaf(5, &[row(5, "/a", b"2"), (0, row_key(6), Vec::new())]);
    let facts = image.facts().unwrap();
    assert_eq!(facts.unlisted, [6]);
    image.leaf(6, &[row(8, "/e", b"1"), (0, row_key(900), Vec::new())]);
    assert_eq!(image.facts().unwrap().revision, 900);
}

fn meta_values(values: &[(&str, &[u8])]) -> Facts {
    let elements: Vec<_> = values
        .iter()
        .map(|(n, v)| (0, n.as_bytes().to_vec(), v.to_vec()))
        .collect();
    let mut image = Image::sound();
    image.leaf(
        2,
        &[
            (BUCKET, b"key".to_vec(), bucket(3)),
            (BUCKET, b"meta".to_vec(), inline(&elements)),
        ],
    );
    image.facts().unwrap()
}

#[test]
fn meta_values_of_the_wrong_length_are_ignored() {
    let facts = meta_values(&[
        ("consistent_index", &[1; 7]),
        ("finishedCompactRev", &row_key(4)[..16]),
        ("storageVersion", b"three"),
        ("term", b""),
    ]);
    assert_eq!(facts.warnings, ["bad-meta-value"; 4]);
    assert_eq!(facts.compact, 0);
}

#[test]
fn an_unfinished_compaction_counts() {
    let facts = meta_values(&[
        ("finishedCompactRev", &row_key(3)),
        ("scheduledCompactRev", &row_key(6)),
    ]);
    assert_eq!((facts.compact, facts.revision), (6, 10));
    let bumped = meta_values(&[
        ("finishedCompactRev", &row_key(3)),
        ("scheduledCompactRev", &row_key(1000)),
    ]);
    assert_eq!((bumped.compact, bumped.revision), (1000, 1000));
}

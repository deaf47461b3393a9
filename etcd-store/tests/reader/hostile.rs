//! Every row of the table of hostile inputs: a defined answer, never a panic, a hang or a large allocation.

use crate::image::{
    BUCKET, Facts, Image, bucket, facts, fnv1a, inline, inline_meta, key_value, row, row_key,
    tombstone, walk,
};
use etcd_store::{ErrorKind, Hint, Options, PageSource, SourceError, Store};

type Refusal = (&'static str, Option<u64>, Option<u32>);

fn damaged(change: impl FnOnce(&mut Image)) -> Refusal {
    let mut image = Image::sound();
    change(&mut image);
    image.refusal()
}

#[test]
fn the_sound_file_is_read() {
    let facts = Image::sound().facts().unwrap();
    let live =
        [("/a", 5), ("/c", 10), ("/d", 7), ("/e", 8), ("/f", 9)].map(|(n, r)| (n.to_owned(), r));
    assert_eq!(facts.live, live);
    assert_eq!(facts.superseded, [4, 3, 2]);
    assert_eq!(facts.tombstones, [6]);
    assert_eq!(facts.free, [9]);
    assert_eq!((facts.revision, facts.compact), (10, 0));
    assert_eq!((facts.loose, facts.slack, facts.damaged_rows), (0, 0, 0));
    assert!(facts.warnings.is_empty());
}

#[test]
fn other_files_are_named() {
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let mut wal = vec![0; 4096];
    wal[..12].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0x84, 8, 4, 0x10, 0]);
    let mut torn = Image::sound();
    torn.put(0, 72, &[0]).put(1, 72, &[0]);
    for (file, hint) in [
        (Vec::new(), Hint::Empty),
        (b"short".to_vec(), Hint::TooShort),
        (
            [b"SQLite format 3\0".as_slice(), &[0; 4000]].concat(),
            Hint::Sqlite,
        ),
        (vec![0x1f, 0x8b, 8, 0], Hint::Gzip),
        (tar, Hint::Tar),
        (wal, Hint::EtcdWal),
        (b" {\"kind\": \"List\"}".to_vec(), Hint::Json),
        (vec![0; 8192], Hint::Zeros),
        (vec![0xa5; 8192], Hint::Unknown),
        (torn.bytes, Hint::DamagedMetas),
    ] {
        assert_eq!(facts(&file).unwrap_err().kind, ErrorKind::NotBbolt { hint });
    }
}

#[test]
fn one_bad_meta_is_a_warning() {
    for slot in [0, 1] {
        let mut image = Image::sound();
        image.put(slot, 72, &[0xff]);
        let facts = image.facts().unwrap();
        assert_eq!(facts.live.len(), 5);
        assert_eq!(facts.warnings, ["damaged-meta"]);
    }
}

#[test]
fn page_size_is_found_without_meta_0() {
    for size in [512, 1024, 4096, 16384, 65536] {
        let mut image = Image::empty(5, size);
        image.leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), bucket(3)),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        );
        image
            .leaf(3, &[row(2, "/a", b"1")])
            .metas(2, 5)
            .put(0, 0, &[0xff; 80]);
        assert_eq!(image.facts().unwrap().live.len(), 1, "page size {size}");
    }
}

#[test]
fn the_newest_meta_decides() {
    let mut image = Image::sound();
    image.leaf(
        9,
        &[
            (BUCKET, b"key".to_vec(), bucket(5)),
            (BUCKET, b"meta".to_vec(), inline_meta()),
        ],
    );
    image.meta(0, 9, 10, 6);
    assert_eq!(image.facts().unwrap().live.len(), 2);
    image.meta(0, 9, 10, 3);
    assert_eq!(image.facts().unwrap().live.len(), 5);
}

#[test]
fn impossible_page_sizes_are_refused() {
    for size in [0, 3, 256, 1000, 1 << 25, u32::MAX] {
        let refusal = damaged(|i| {
            i.raw_meta(0, size, 2, u64::MAX, 10, 5)
                .raw_meta(1, size, 2, u64::MAX, 10, 6);
        });
        assert_eq!(refusal, ("bad-page-size", Some(0), None));
    }
    let differ = damaged(|i| {
        i.raw_meta(1, 2048, 2, u64::MAX, 5, 6);
    });
    assert_eq!(differ, ("bad-page-size", Some(1), None));
    let elsewhere = damaged(|i| {
        i.put(0, 0, &[0; 80]).raw_meta(1, 4096, 2, u64::MAX, 2, 6);
    });
    assert_eq!(elsewhere, ("bad-page-size", Some(1), None));
}

#[test]
fn truncated_files_are_refused_unless_wanted() {
    let mut image = Image::sound();
    image.bytes.truncate(9 * 1024);
    assert_eq!(image.refusal(), ("truncated", Some(1), None));
    let options = forensic();
    let facts = walk(image.bytes.as_slice(), &options).unwrap();
    assert_eq!(facts.live.len(), 5);
    assert_eq!(facts.warnings, ["truncated"]);
    image.bytes.truncate(8 * 1024);
    let error = walk(image.bytes.as_slice(), &options).unwrap_err();
    assert_eq!((error.code(), error.page), ("truncated", Some(6)));
}

fn forensic() -> Options {
    let mut options = Options::default();
    options.accept_truncated = true;
    options
}

#[test]
fn enormous_high_water_marks_are_refused() {
    for high_water in [u64::MAX, u64::MAX / 1024 + 1, 1 << 60] {
        let refusal = damaged(|i| {
            i.metas(2, high_water);
        });
        assert_eq!(refusal, ("out-of-range", Some(1), None));
    }
    assert_eq!(
        damaged(|i| {
            i.metas(2, 1 << 50);
        })
        .0,
        "truncated"
    );
    // A truncated file may be wanted; memory still follows the file, not its claims.
    let mut image = Image::sound();
    image.metas(2, 1 << 50);
    assert_eq!(
        walk(image.bytes.as_slice(), &forensic())
            .unwrap()
            .live
            .len(),
        5
    );
}

#[test]
fn page_ids_outside_the_tree_are_refused() {
    for id in [0, 1, 10, u64::MAX] {
        assert_eq!(
            damaged(|i| {
                i.metas(id, 10);
            })
            .0,
            "bad-page-id"
        );
        let child = damaged(|i| {
            i.branch(3, &[(row_key(2), 4), (row_key(5), id), (row_key(8), 6)]);
        });
        assert_eq!(child, ("bad-page-id", Some(id), None));
        let root = damaged(|i| {
            i.leaf(
                2,
                &[
                    (BUCKET, b"key".to_vec(), bucket(id)),
                    (BUCKET, b"meta".to_vec(), inline_meta()),
                ],
            );
        });
        // Root page 0 means inline, and there is nothing behind this one.
        assert_eq!(
            root.0,
            if id == 0 {
                "bad-inline-bucket"
            } else {
                "bad-page-id"
            }
        );
    }
}

#[test]
fn a_page_that_is_another_is_refused() {
    assert_eq!(
        damaged(|i| {
            i.put(5, 0, &[4]);
        }),
        ("page-id-mismatch", Some(5), None)
    );
    assert_eq!(
        damaged(|i| {
            i.put(2, 0, &[9]);
        }),
        ("page-id-mismatch", Some(2), None)
    );
}

#[test]
fn page_types_are_exact() {
    for flags in [0, 3, 4, 0x10, 0x12, 0xffff_u16] {
        let refusal = damaged(|i| {
            i.put(5, 8, &flags.to_le_bytes());
        });
        assert_eq!(refusal, ("bad-page-type", Some(5), None));
    }
}

#[test]
fn no_page_is_reached_twice() {
    let own = damaged(|i| {
        i.branch(3, &[(row_key(2), 4), (row_key(5), 3)]);
    });
    assert_eq!(own, ("page-reused", Some(3), None));
    let shared = damaged(|i| {
        i.branch(3, &[(row_key(1), 4), (row_key(2), 4)]);
    });
    assert_eq!(shared, ("page-reused", Some(4), None));
    let root = damaged(|i| {
        i.branch(3, &[(row_key(2), 2)]);
    });
    assert_eq!(root, ("page-reused", Some(2), None));
    let run = damaged(|i| {
        i.put_overflow(5, 1);
    });
    assert_eq!(run, ("page-reused", Some(6), None));
    let buckets = damaged(|i| {
        i.leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), bucket(4)),
                (BUCKET, b"meta".to_vec(), bucket(4)),
            ],
        );
    });
    assert_eq!(buckets, ("page-reused", Some(4), None));
}

#[test]
fn overflow_is_checked_before_any_loop() {
    for overflow in [4, 1000, u32::MAX] {
        assert_eq!(
            damaged(|i| {
                i.put_overflow(6, overflow);
            }),
            ("bad-overflow", Some(6), None)
        );
        let root = damaged(|i| {
            i.put_overflow(2, overflow.saturating_add(4));
        });
        assert_eq!(root, ("bad-overflow", Some(2), None));
    }
}

#[test]
fn runs_above_the_limit_are_refused() {
    let image = Image::sound();
    let mut options = Options::default();
    options.max_run_bytes = 2048;
    let error = walk(image.bytes.as_slice(), &options).unwrap_err();
    assert_eq!(
        (error.kind, error.page),
        (ErrorKind::RunTooLarge { bytes: 3072 }, Some(6))
    );
}

#[test]
fn counts_are_checked() {
    for count in [64, 60_000, u16::MAX] {
        for page in [2, 3, 5] {
            assert_eq!(
                damaged(|i| {
                    i.put_count(page, count);
                }),
                ("bad-count", Some(page as u64), None)
            );
        }
    }
    for page in [3, 5] {
        assert_eq!(
            damaged(|i| {
                i.put_count(page, 0);
            }),
            ("bad-count", Some(page as u64), None)
        );
    }
}

#[test]
fn elements_stay_in_their_run() {
    for page in [4, 6] {
        for (at, value) in [
            (4, u32::MAX),
            (4, 5000),
            (4, 16),
            (4, 0),
            (8, u32::MAX),
            (8, 40_000),
            (8, 0),
            (12, u32::MAX),
            (12, 4000),
        ] {
            let refusal = damaged(|i| {
                i.put_element(page, 1, at, value);
            });
            assert_eq!(
                refusal,
                ("bad-element", Some(page as u64), Some(1)),
                "byte {at} = {value}"
            );
        }
    }
    for (at, value) in [
        (0, u32::MAX),
        (0, 2000),
        (0, 4),
        (4, u32::MAX),
        (4, 0),
        (4, 2000),
    ] {
        assert_eq!(
            damaged(|i| {
                i.put_element(3, 1, at, value);
            }),
            ("bad-element", Some(3), Some(1))
        );
        assert_eq!(
            damaged(|i| {
                i.put_element(2, 0, if at == 0 { 4 } else { 8 }, value);
            })
            .0,
            "bad-element"
        );
    }
}

#[test]
fn overlapping_elements_are_refused() {
    // Element 1 starts one byte early, inside the value of element 0.
    let image = Image::sound();
    let at = 4 * 1024 + 16 + 16 + 4;
    let pos = u32::from_le_bytes(image.bytes[at..at + 4].try_into().unwrap());
    assert_eq!(
        damaged(|i| {
            i.put_element(4, 1, 4, pos - 1);
        }),
        ("bad-element", Some(4), Some(1))
    );
}

#[test]
fn gaps_and_foreign_slack_are_reported() {
    let mut image = Image::sound();
    image.put(4, 1000, b"left over");
    // The value of element 0 loses its last byte: a gap before element 1, and a damaged row.
    let at = 5 * 1024 + 16 + 12;
    let len = u32::from_le_bytes(image.bytes[at..at + 4].try_into().unwrap());
    image.put_element(5, 0, 12, len - 1);
    let facts = image.facts().unwrap();
    assert_eq!((facts.slack, facts.loose, facts.damaged_rows), (1, 1, 1));
}

#[test]
fn rows_are_in_order() {
    let leaf = |rows: &[i64]| rows.iter().map(|r| row(*r, "/x", b"v")).collect::<Vec<_>>();
    let order = |rows: &[i64]| {
        damaged(|i| {
            i.leaf(5, &leaf(rows));
        })
    };
    assert_eq!(order(&[6, 5, 7]), ("bad-order", Some(5), Some(1)));
    assert_eq!(order(&[5, 5, 7]), ("bad-order", Some(5), Some(1)));
    assert_eq!(order(&[4, 5, 6]), ("bad-order", Some(5), Some(0)));
    assert_eq!(order(&[5, 6, 8]), ("bad-order", Some(5), Some(2)));
    let both = damaged(|i| {
        i.leaf(
            5,
            &[row(5, "/x", b"v"), row(6, "/x", b"v"), tombstone(6, "/x")],
        );
    });
    assert_eq!(both, ("bad-order", Some(5), Some(2)));
    let branch = damaged(|i| {
        i.branch(3, &[(row_key(5), 4), (row_key(2), 5)]);
    });
    assert_eq!(branch, ("bad-order", Some(3), Some(1)));
    let names = damaged(|i| {
        i.leaf(
            2,
            &[
                (BUCKET, b"meta".to_vec(), inline_meta()),
                (BUCKET, b"key".to_vec(), bucket(3)),
            ],
        );
    });
    assert_eq!(names, ("bad-order", Some(2), Some(1)));
}

#[test]
fn separators_hold_on_two_levels() {
    let build = |low: i64, high: i64| {
        let mut image = Image::empty(8, 1024);
        image.leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), bucket(3)),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        );
        image
            .branch(3, &[(row_key(2), 4), (row_key(9), 7)])
            .branch(4, &[(row_key(low), 5), (row_key(high), 6)]);
        image
            .leaf(5, &[row(2, "/a", b"v")])
            .leaf(6, &[row(6, "/a", b"v")])
            .leaf(7, &[row(9, "/a", b"v")]);
        image.metas(2, 8);
        image
    };
    assert_eq!(build(2, 6).facts().unwrap().live, [("/a".to_owned(), 9)]);
    assert_eq!(build(1, 6).refusal(), ("bad-order", Some(4), Some(0)));
    assert_eq!(build(2, 9).refusal(), ("bad-order", Some(4), Some(1)));
}

#[test]
fn the_tree_has_at_most_32_levels() {
    let build = |levels: usize| {
        let mut image = Image::empty(levels + 4, 1024);
        image.leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), bucket(3)),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        );
        for page in 3..3 + levels {
            image.branch(page, &[(row_key(2), page as u64 + 1)]);
        }
        image
            .leaf(3 + levels, &[row(2, "/a", b"v")])
            .metas(2, levels as u64 + 4);
        image
    };
    assert_eq!(build(32).facts().unwrap().live.len(), 1);
    assert_eq!(build(33).refusal(), ("too-deep", Some(35), None));
    let mut root = build(40);
    root.leaf(2, &[(BUCKET, b"aaa".to_vec(), bucket(3))]);
    assert_eq!(root.refusal(), ("too-deep", Some(35), None));
}

fn root_with(name: &[u8], flags: u32, value: Vec<u8>) -> Refusal {
    damaged(|i| {
        i.leaf(
            2,
            &[
                (flags, name.to_vec(), value),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        );
    })
}

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

/// A freelist on page 7 of a file whose page 6 is short, so that 7, 8 and 9 are free.
fn freelist(count: u16, words: &[u64]) -> Facts {
    let mut image = Image::sound();
    image.leaf(6, &[row(8, "/e", b"1")]);
    let words: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    image
        .put(7, 0, &[0; 1024])
        .put(7, 0, &[7, 0, 0, 0, 0, 0, 0, 0, 0x10])
        .put_count(7, count)
        .put(7, 16, &words);
    image.raw_meta(0, 1024, 2, 7, 10, 6);
    image.facts().unwrap()
}

#[test]
fn stored_freelists_are_compared_and_never_needed() {
    let sound = freelist(2, &[8, 9]);
    assert_eq!(sound.free, [8, 9]);
    assert!(sound.warnings.is_empty());
    assert!(freelist(u16::MAX, &[2, 8, 9]).warnings.is_empty());
    for (count, words) in [
        (1, [8, 0, 0]),
        (2, [9, 8, 0]),
        (2, [8, 8, 0]),
        (2, [1, 9, 0]),
        (2, [8, 10, 0]),
        (2, [5, 9, 0]),
        (3, [8, 9, 10]),
        (500, [8, 9, 0]),
        (u16::MAX, [u64::MAX, 8, 9]),
        (u16::MAX, [1 << 61, 8, 9]),
    ] {
        assert_eq!(
            freelist(count, &words).warnings,
            ["bad-freelist"],
            "{count} {words:?}"
        );
    }
    for page in [0, 1, 4, 6, 9, 10, u64::MAX - 1] {
        let mut image = Image::sound();
        image.raw_meta(0, 1024, 2, page, 10, 6);
        let facts = image.facts().unwrap();
        assert_eq!(
            (facts.warnings, facts.live.len()),
            (vec!["bad-freelist".to_owned()], 5)
        );
    }
}

#[test]
fn many_rows_of_one_name_need_no_memory() {
    let mut image = Image::empty(260, 1024);
    image.leaf(
        2,
        &[
            (BUCKET, b"key".to_vec(), bucket(3)),
            (BUCKET, b"meta".to_vec(), inline_meta()),
        ],
    );
    let rows: Vec<_> = (0..5000_i64)
        .map(|i| (0, row_key(i + 1), vec![0x0a, 1, b'a']))
        .collect();
    let leaves: Vec<_> = rows.chunks(24).enumerate().collect();
    for (i, chunk) in &leaves {
        image.leaf(20 + i, chunk);
    }
    let heads: Vec<_> = leaves
        .iter()
        .map(|(i, chunk)| (chunk[0].1.clone(), 20 + *i as u64))
        .collect();
    let mids: Vec<_> = heads.chunks(28).enumerate().collect();
    for (i, chunk) in &mids {
        image.branch(4 + i, chunk);
    }
    image.branch(
        3,
        &mids
            .iter()
            .map(|(i, chunk)| (chunk[0].0.clone(), 4 + *i as u64))
            .collect::<Vec<_>>(),
    );
    image.metas(2, 260);
    let facts = image.facts().unwrap();
    assert_eq!((facts.live.len(), facts.superseded.len()), (1, 4999));
}

/// A source that fails from the nth read on, or answers differently when asked again.
struct Broken<'a> {
    bytes: &'a [u8],
    reads: std::cell::Cell<u32>,
    good: u32,
}

impl PageSource for Broken<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() > self.good {
            Err(SourceError::Os(5))
        } else {
            self.bytes.read_at(off, buf)
        }
    }
}

#[test]
fn a_failing_source_fails_once() {
    let image = Image::sound();
    let mut good = 0;
    loop {
        let source = Broken {
            bytes: &image.bytes,
            reads: 0.into(),
            good,
        };
        match walk(&source, &Options::default()) {
            Err(error) => assert_eq!(error.kind, ErrorKind::Io(SourceError::Os(5))),
            Ok(_) => break,
        }
        assert_eq!(source.reads.get(), good + 1);
        good += 1;
    }
    assert!(good > 10);
}

#[test]
fn a_changing_source_is_noticed() {
    let image = Image::sound();
    let cell = std::cell::RefCell::new(image.bytes.clone());
    struct Shared<'a>(&'a std::cell::RefCell<Vec<u8>>);
    impl PageSource for Shared<'_> {
        fn len(&self) -> u64 {
            self.0.borrow().len() as u64
        }
        fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
            self.0.borrow().as_slice().read_at(off, buf)
        }
    }
    let store = Store::open(Shared(&cell), &Options::default()).unwrap();
    let run = store.leaves().next_run().unwrap().unwrap();
    cell.borrow_mut()[6 * 1024 + 10] = 1;
    let error = store.leaf(&run, &mut Vec::new()).unwrap_err();
    assert_eq!(
        (error.kind, error.page),
        (ErrorKind::Io(SourceError::Changed), Some(6))
    );
}

#[test]
fn big_endian_files_are_read() {
    let page = |id: u64, flags: u16, count: u16| {
        [
            &id.to_be_bytes()[..],
            &flags.to_be_bytes(),
            &count.to_be_bytes(),
            &[0; 4],
        ]
        .concat()
    };
    let element = |flags: u32, pos: u32, key: u32, value: u32| {
        [flags, pos, key, value].map(u32::to_be_bytes).concat()
    };
    let mut file = vec![0; 4 * 512];
    for slot in 0..2 {
        let mut body: Vec<u8> = [0xED0C_DAED_u32, 2, 512, 0].map(u32::to_be_bytes).concat();
        body.extend([2, 0, u64::MAX, 4, slot].map(u64::to_be_bytes).concat());
        body.extend(fnv1a(&body).to_be_bytes());
        file[slot as usize * 512 + 16..][..64].copy_from_slice(&body);
    }
    let mut root = [page(2, 2, 2), element(1, 32, 3, 16), element(1, 35, 4, 32)].concat();
    root.extend(
        [
            b"key".as_slice(),
            &3_u64.to_be_bytes(),
            &[0; 8],
            b"meta",
            &[0; 16],
            &page(0, 2, 0),
        ]
        .concat(),
    );
    file[1024..][..root.len()].copy_from_slice(&root);
    let message = key_value(2, "/a", b"v");
    let leaf = [
        page(3, 2, 1),
        element(0, 16, 17, message.len() as u32),
        row_key(2),
        message,
    ]
    .concat();
    file[1536..][..leaf.len()].copy_from_slice(&leaf);
    assert_eq!(facts(&file).unwrap().live, [("/a".to_owned(), 2)]);
}

#[test]
fn errors_read_as_one_clause() {
    let error = Store::open([].as_slice(), &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not an etcd backend file: the file is empty"
    );
    let mut image = Image::sound();
    image.put_count(5, 64);
    assert_eq!(
        image.facts().unwrap_err().to_string(),
        "page 5: element count 64 does not fit the page"
    );
}

//! Pages, runs, elements, order, depth.

use etcd_store::{ErrorKind, Options};

use super::damaged;
use crate::image::{BUCKET, Image, bucket, inline_meta, row, row_key, tombstone, walk};

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

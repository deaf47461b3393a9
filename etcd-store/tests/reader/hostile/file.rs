//! The file around the pages: metas, page size, byte order, length, freelist.

use etcd_store::{ErrorKind, Hint, Options, Store};

use super::damaged;
use crate::image::{
    BUCKET, Facts, Image, bucket, facts, fnv1a, inline_meta, key_value, row, row_key, walk,
};

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

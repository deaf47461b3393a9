//! A small writer of bbolt files, for files no real writer would make.

use std::cell::Cell;

use etcd_store::{
    Batch, Claims, Class, Error, HashKey, LeafRun, Leaves, LiveSet, Options, PageSource, Reach,
    SourceError, Store,
};

/// A file under construction: little-endian, pages of 1024 bytes unless said otherwise.
#[derive(Clone)]
pub struct Image {
    pub bytes: Vec<u8>,
    pub page_size: usize,
}

pub const BUCKET: u32 = 1;
const MAGIC: u32 = 0xED0C_DAED;

impl Image {
    /// The file most tests damage:
    /// root leaf 2; `key` is branch 3 over leaves 4, 5, 6 (rows 2.0 to 10.0, 6 is three pages long); page 9 is free.
    pub fn sound() -> Self {
        let mut image = Self::empty(10, 1024);
        image.leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), bucket(3)),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        );
        image.branch(3, &[(row_key(2), 4), (row_key(5), 5), (row_key(8), 6)]);
        image.leaf(
            4,
            &[row(2, "/a", b"1"), row(3, "/b", b"1"), row(4, "/c", b"1")],
        );
        image.leaf(
            5,
            &[row(5, "/a", b"2"), tombstone(6, "/b"), row(7, "/d", b"1")],
        );
        image.leaf(
            6,
            &[
                row(8, "/e", &[7; 2000]),
                row(9, "/f", b"1"),
                row(10, "/c", b"2"),
            ],
        );
        image.metas(2, 10);
        image
    }

    pub fn empty(pages: usize, page_size: usize) -> Self {
        Self {
            bytes: vec![0; pages * page_size],
            page_size,
        }
    }

    pub fn put(&mut self, page: usize, at: usize, bytes: &[u8]) -> &mut Self {
        let start = page * self.page_size + at;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Byte `at` of element `index` of `page`.
    pub fn put_element(&mut self, page: usize, index: usize, at: usize, value: u32) -> &mut Self {
        self.put(page, 16 + 16 * index + at, &value.to_le_bytes())
    }

    pub fn put_count(&mut self, page: usize, count: u16) -> &mut Self {
        self.put(page, 10, &count.to_le_bytes())
    }

    pub fn put_overflow(&mut self, page: usize, overflow: u32) -> &mut Self {
        self.put(page, 12, &overflow.to_le_bytes())
    }

    /// A tree of four levels whose `leaves` leaves, each third of them two pages long, lie in no order, with free pages between.
    pub fn scattered(leaves: usize) -> Self {
        let size = 1024;
        let mut image = Self::empty(4 * leaves + 8, size);
        // Multiplying by what has no common divisor with the number of places visits each place once.
        let places = 2 * leaves;
        let step = (places * 5 / 8..)
            .find(|step| gcd(*step, places) == 1)
            .unwrap();
        let place = |n: usize| 4 + 2 * (n * step % places);
        let mut level: Vec<(Vec<u8>, u64)> = (0..leaves)
            .map(|n| {
                let main = 2 + n as i64;
                let value = vec![b'v'; if n % 3 == 0 { 1500 } else { 300 }];
                image.leaf(place(n), &[row(main, &format!("/{}", n % 50), &value)]);
                (row_key(main), place(n) as u64)
            })
            .collect();
        let mut next = leaves;
        while level.len() > 1 {
            let children: Vec<_> = level.chunks(6).map(<[_]>::to_vec).collect();
            level = (next..)
                .zip(&children)
                .map(|(n, children)| {
                    image.branch(place(n), children);
                    (children[0].0.clone(), place(n) as u64)
                })
                .collect();
            next += children.len();
        }
        let (key, meta) = (bucket(level[0].1), inline_meta());
        image.leaf(
            2,
            &[
                (BUCKET, b"key".to_vec(), key),
                (BUCKET, b"meta".to_vec(), meta),
            ],
        );
        image.metas(2, 4 * leaves as u64 + 8);
        image
    }

    pub fn leaf(&mut self, page: usize, elements: &[(u32, Vec<u8>, Vec<u8>)]) -> &mut Self {
        let body = leaf_image(page as u64, elements, self.page_size);
        self.put(page, 0, &body)
    }

    pub fn branch(&mut self, page: usize, children: &[(Vec<u8>, u64)]) -> &mut Self {
        let mut array = header(page as u64, 1, children.len());
        let mut data: Vec<u8> = Vec::new();
        for (i, (key, child)) in children.iter().enumerate() {
            let pos = 16 * (children.len() - i) + data.len();
            array.extend((pos as u32).to_le_bytes());
            array.extend((key.len() as u32).to_le_bytes());
            array.extend(child.to_le_bytes());
            data.extend(key);
        }
        array.extend(data);
        self.put(page, 0, &array)
    }

    /// Both meta pages, valid, the newer in slot 1; no stored freelist.
    pub fn metas(&mut self, root: u64, high_water: u64) -> &mut Self {
        self.meta(0, root, high_water, 4)
            .meta(1, root, high_water, 5)
    }

    pub fn meta(&mut self, slot: usize, root: u64, high_water: u64, txid: u64) -> &mut Self {
        let size = self.page_size as u32;
        self.raw_meta(slot, size, root, u64::MAX, high_water, txid)
    }

    pub fn raw_meta(
        &mut self,
        slot: usize,
        size: u32,
        root: u64,
        freelist: u64,
        high_water: u64,
        txid: u64,
    ) -> &mut Self {
        let mut body = Vec::new();
        for word in [MAGIC, 2, size, 0] {
            body.extend(word.to_le_bytes());
        }
        for word in [root, 0, freelist, high_water, txid] {
            body.extend(word.to_le_bytes());
        }
        body.extend(fnv1a(&body).to_le_bytes());
        let header = header(slot as u64, 4, 0);
        self.put(slot, 0, &header).put(slot, 16, &body)
    }

    pub fn facts(&self) -> Result<Facts, Error> {
        facts(&self.bytes)
    }

    /// The error's code, page and element; both kinds of source must agree.
    pub fn refusal(&self) -> (&'static str, Option<u64>, Option<u32>) {
        let error = self.facts().unwrap_err();
        (error.code(), error.page, error.element)
    }
}

fn header(id: u64, flags: u16, count: usize) -> Vec<u8> {
    let mut page = id.to_le_bytes().to_vec();
    page.extend(flags.to_le_bytes());
    page.extend((count as u16).to_le_bytes());
    page.extend(0_u32.to_le_bytes());
    page
}

fn leaf_image(id: u64, elements: &[(u32, Vec<u8>, Vec<u8>)], page_size: usize) -> Vec<u8> {
    let mut array = header(id, 2, elements.len());
    let mut data: Vec<u8> = Vec::new();
    for (i, (flags, key, value)) in elements.iter().enumerate() {
        let pos = 16 * (elements.len() - i) + data.len();
        for word in [*flags, pos as u32, key.len() as u32, value.len() as u32] {
            array.extend(word.to_le_bytes());
        }
        data.extend(key);
        data.extend(value);
    }
    array.extend(data);
    let overflow = (array.len().max(1) - 1) / page_size;
    array[12..16].copy_from_slice(&(overflow as u32).to_le_bytes());
    array
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub fn bucket(root: u64) -> Vec<u8> {
    [root.to_le_bytes(), [0; 8]].concat()
}

pub fn inline(elements: &[(u32, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [vec![0; 16], leaf_image(0, elements, usize::MAX)].concat()
}

pub fn inline_meta() -> Vec<u8> {
    inline(&[(
        0,
        b"consistent_index".to_vec(),
        77_u64.to_be_bytes().to_vec(),
    )])
}

pub fn row_key(main: i64) -> Vec<u8> {
    [&main.to_be_bytes()[..], b"_", &[0; 8]].concat()
}

pub fn row(main: i64, name: &str, value: &[u8]) -> (u32, Vec<u8>, Vec<u8>) {
    (0, row_key(main), key_value(main, name, value))
}

pub fn tombstone(main: i64, name: &str) -> (u32, Vec<u8>, Vec<u8>) {
    let mut key = row_key(main);
    key.push(b't');
    (
        0,
        key,
        [&[0x0a, name.len() as u8], name.as_bytes()].concat(),
    )
}

pub fn key_value(main: i64, name: &str, value: &[u8]) -> Vec<u8> {
    let mut message = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
    for (tag, number) in [(0x10, main as usize), (0x18, main as usize), (0x20, 1)] {
        message.push(tag);
        varint(&mut message, number);
    }
    message.push(0x2a);
    varint(&mut message, value.len());
    message.extend(value);
    message
}

fn varint(message: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// What a whole walk found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub live: Vec<(String, i64)>,
    pub superseded: Vec<i64>,
    pub tombstones: Vec<i64>,
    pub unlisted: Vec<i64>,
    pub damaged_rows: u32,
    pub free: Vec<u64>,
    pub warnings: Vec<String>,
    pub loose: u32,
    pub slack: u32,
    pub revision: i64,
    pub compact: i64,
}

/// Opens and walks the file in many ways and demands one answer.
pub fn facts(file: &[u8]) -> Result<Facts, Error> {
    let options = Options::default();
    let lent = walk(file, &options);
    assert_eq!(lent, walk(Copied(file), &options));
    assert_eq!(lent, walk_by(file, &options, One::fill));
    assert_eq!(lent, walk_by(Copied(file), &options, One::fill));
    for reach in reaches() {
        let read = Counted::new(file, reach);
        assert_eq!(lent, walk(read, &options), "{reach:?}");
    }
    lent
}

/// Walks in batches whose bytes are read together.
pub fn walk<S: PageSource>(source: S, options: &Options) -> Result<Facts, Error> {
    walk_by(source, options, |leaves, batch| {
        leaves.load(&mut batch.loaded, 3)
    })
}

/// A batch filled either way.
#[derive(Default)]
struct One {
    loaded: Batch,
    plain: Vec<LeafRun>,
}

impl One {
    fn fill<S: PageSource>(leaves: &mut Leaves<'_, S>, batch: &mut Self) -> Result<bool, Error> {
        leaves.fill(&mut batch.plain, 2)
    }
}

fn walk_by<S: PageSource>(
    source: S,
    options: &Options,
    next: impl Fn(&mut Leaves<'_, S>, &mut One) -> Result<bool, Error>,
) -> Result<Facts, Error> {
    let store = Store::open(source, options)?;
    let (mut facts, mut names) = (Facts::default(), LiveSet::new());
    let (mut batch, mut buffer) = (One::default(), Vec::new());
    let key = HashKey::new([3; 16]);
    let mut leaves = store.leaves();
    loop {
        // The good runs before a bad one come first, so that the size of a batch changes no answer.
        let more = next(&mut leaves, &mut batch);
        let runs = if batch.plain.is_empty() {
            batch.loaded.runs()
        } else {
            &batch.plain
        };
        store.warm(runs);
        for run in runs {
            let leaf = match batch.plain.is_empty() {
                true => store.leaf_in(&batch.loaded, run, &mut buffer)?,
                false => store.leaf(run, &mut buffer)?,
            };
            facts.loose += u32::from(leaf.is_loose());
            facts.slack += u32::from(leaf.slack().iter().any(|b| *b != 0));
            assert_eq!(leaf.rows().len(), usize::from(run.rows()));
            for row in leaf.rows().rev() {
                let Ok(kv) = row.key_value() else {
                    facts.damaged_rows += 1;
                    continue;
                };
                let main = row.key.revision.main;
                match names.decide(row.key, key.hash(kv.key))? {
                    Class::Live => facts
                        .live
                        .push((String::from_utf8_lossy(kv.key).into_owned(), main)),
                    Class::Superseded => facts.superseded.push(main),
                    Class::Tombstone => facts.tombstones.push(main),
                    Class::Unlisted => facts.unlisted.push(main),
                }
            }
        }
        if !more? {
            break;
        }
    }
    let claims: Claims = leaves.finish()?;
    facts.free = claims.free().collect();
    assert_eq!(facts.free.len() as u64, claims.unused());
    let mut runs = store.free(&claims);
    let mut covered = Vec::new();
    while let Some(run) = runs.next_run()? {
        covered.extend(run.page..run.page + run.pages);
        for row in store.free_pages(&run, &mut buffer)?.rows() {
            assert!(
                row.message.len() as u64 <= run.pages * u64::from(store.layout().meta.page_size)
            );
        }
    }
    assert_eq!(covered, facts.free);
    facts.warnings = store
        .warnings()
        .iter()
        .chain(&claims.warning())
        .map(|w| w.code().to_owned())
        .collect();
    facts.revision = store.info().revision;
    facts.compact = store.info().compact_revision;
    facts.live.sort();
    Ok(facts)
}

/// From one page at a time to the whole file at once.
pub fn reaches() -> [Reach; 3] {
    [(1, 1, 0), (5000, 3000, 1024), (1 << 20, 1 << 19, 1 << 16)].map(|(hold, piece, skip)| Reach {
        hold,
        piece,
        skip,
    })
}

/// A source that lends nothing, and counts its reads and the bytes of them.
pub struct Counted<'a> {
    bytes: &'a [u8],
    reach: Reach,
    pub reads: Cell<u32>,
    pub read: Cell<u64>,
    pub longest: Cell<usize>,
}

impl<'a> Counted<'a> {
    pub fn new(bytes: &'a [u8], reach: Reach) -> Self {
        Self {
            bytes,
            reach,
            reads: 0.into(),
            read: 0.into(),
            longest: 0.into(),
        }
    }
}

impl PageSource for Counted<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.reads.set(self.reads.get() + 1);
        self.read.set(self.read.get() + buf.len() as u64);
        self.longest.set(self.longest.get().max(buf.len()));
        self.bytes.read_at(off, buf)
    }

    fn reach(&self) -> Reach {
        self.reach
    }
}

/// A source that lends nothing.
pub struct Copied<'a>(pub &'a [u8]);

impl PageSource for Copied<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.0.read_at(off, buf)
    }
}

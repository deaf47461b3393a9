//! The file around the pages: trailer, meta pages, page size, byte order.
//!     meta body at byte 16 of page 0 and 1:
//!     magic u32 | version u32 | page size u32 | flags u32 | root page u64 | sequence u64 | freelist u64 | HWM u64 | txid u64 | FNV-1a u64

use alloc::vec::Vec;

use crate::endian::Endian;
use crate::{Error, ErrorKind, Hint, Options, PageSource, Warning};

const MAGIC: u32 = 0xED0C_DAED;
const SQLITE: &[u8] = b"SQLite format 3\0";
const VERSION: u32 = 2;
const META_END: usize = 80;
const MIN_PAGE: u64 = 512;
const MAX_PAGE: u64 = 16 << 20;
pub(crate) const TRAILER: u64 = 32;

/// One valid meta page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// 0 or 1: the page it lies on.
    pub slot: u8,
    /// Bytes per page.
    pub page_size: u32,
    /// Page of the root bucket.
    pub root: u64,
    /// Page of the freelist; all ones where the writer does not store it.
    pub freelist: u64,
    /// High-water mark: the first page id never used.
    pub high_water: u64,
    /// Transaction that wrote it.
    pub txid: u64,
}

/// What the meta pages say about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Length of the file in bytes, trailer included.
    pub file_len: u64,
    /// Length without the trailer: what the trailer's SHA-256 covers.
    pub db_len: u64,
    /// Byte order of the file.
    pub endian: Endian,
    /// The meta page in use.
    pub meta: Meta,
    /// The other meta page, where it is valid.
    pub other: Option<Meta>,
}

impl Layout {
    /// Whether 32 bytes follow the pages, as in a file written by `etcdctl snapshot save`: SHA-256 of all before.
    ///
    /// Decided as etcd decides it, by the length of the file alone; a truncated file may look so by chance.
    #[must_use]
    pub const fn has_trailer(&self) -> bool {
        self.db_len != self.file_len
    }

    /// Whether the meta pages look like those the snapshot API writes: one root, the higher txid in slot 0.
    ///
    /// A hint only: the file of a member that was stopped after an empty commit may look the same.
    #[must_use]
    pub fn looks_like_snapshot_api(&self) -> bool {
        let Some(other) = self.other else {
            return false;
        };
        self.meta.slot == 0
            && self.meta.root == other.root
            && other.txid.checked_add(1) == Some(self.meta.txid)
    }

    pub(crate) fn read<S: PageSource + ?Sized>(
        source: &S,
        options: &Options,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, Error> {
        let file_len = source.len();
        let db_len = if file_len % MIN_PAGE == TRAILER {
            file_len - TRAILER
        } else {
            file_len
        };
        let first = meta_at(source, db_len, 0, 0)?;
        let found = match first {
            Some((endian, meta)) => Some((
                endian,
                Some(meta),
                meta_at(source, db_len, u64::from(meta.page_size), 1)?,
            )),
            None => {
                search(source, db_len)?.map(|(endian, meta)| (endian, None, Some((endian, meta))))
            }
        };
        let Some((endian, first, second)) = found else {
            return Err(Error::new(ErrorKind::NotBbolt {
                hint: hint(source)?,
            }));
        };
        // A second meta of the other byte order is none of this file's.
        let second = second.filter(|(e, _)| *e == endian).map(|(_, meta)| meta);
        let (meta, other) = match (first, second) {
            (Some(a), Some(b)) if a.page_size != b.page_size => {
                return Err(Error::on(ErrorKind::BadPageSize { found: b.page_size }, 1));
            }
            (Some(a), Some(b)) if b.txid > a.txid => (b, Some(a)),
            (Some(a), b) => (a, b),
            (None, Some(b)) => (b, None),
            (None, None) => {
                return Err(Error::new(ErrorKind::NotBbolt {
                    hint: hint(source)?,
                }));
            }
        };
        if other.is_none() {
            warnings.push(Warning::DamagedMeta {
                slot: 1 - meta.slot,
            });
        }
        let page = u64::from(meta.slot);
        let need = meta
            .high_water
            .checked_mul(u64::from(meta.page_size))
            .filter(|need| i64::try_from(*need).is_ok())
            .ok_or(Error::on(ErrorKind::OutOfRange, page))?;
        if need > db_len {
            if !options.accept_truncated {
                return Err(Error::on(ErrorKind::Truncated { need, have: db_len }, page));
            }
            warnings.push(Warning::Truncated { need, have: db_len });
        }
        if meta.root < 2 || meta.root >= meta.high_water {
            return Err(Error::on(ErrorKind::BadPageId { id: meta.root }, page));
        }
        Ok(Self {
            file_len,
            db_len,
            endian,
            meta,
            other,
        })
    }
}

/// The meta page at `off`, if one with a good magic, version and checksum lies there.
fn meta_at<S: PageSource + ?Sized>(
    source: &S,
    db_len: u64,
    off: u64,
    slot: u8,
) -> Result<Option<(Endian, Meta)>, Error> {
    if off
        .checked_add(META_END as u64)
        .is_none_or(|end| end > db_len)
    {
        return Ok(None);
    }
    let mut page = [0; META_END];
    source
        .read_at(off, &mut page)
        .map_err(|e| Error::new(ErrorKind::Io(e)))?;
    let Some((_, body)) = page.split_first_chunk::<16>() else {
        return Ok(None);
    };
    let Some((endian, meta)) = parse_meta(body, slot) else {
        return Ok(None);
    };
    let size = u64::from(meta.page_size);
    if !size.is_power_of_two() || !(MIN_PAGE..=MAX_PAGE).contains(&size) {
        return Err(Error::on(
            ErrorKind::BadPageSize {
                found: meta.page_size,
            },
            u64::from(slot),
        ));
    }
    Ok(Some((endian, meta)))
}

fn parse_meta(body: &[u8], slot: u8) -> Option<(Endian, Meta)> {
    let endian = [Endian::Little, Endian::Big]
        .into_iter()
        .find(|e| e.u32(body, 0) == Some(MAGIC))?;
    if endian.u32(body, 4)? != VERSION || endian.u64(body, 56)? != fnv1a(body.get(..56)?) {
        return None;
    }
    let meta = Meta {
        slot,
        page_size: endian.u32(body, 8)?,
        root: endian.u64(body, 16)?,
        freelist: endian.u64(body, 32)?,
        high_water: endian.u64(body, 40)?,
        txid: endian.u64(body, 48)?,
    };
    Some((endian, meta))
}

/// Meta page 1 of a file whose meta page 0 is damaged: its offset is the page size it names.
fn search<S: PageSource + ?Sized>(
    source: &S,
    db_len: u64,
) -> Result<Option<(Endian, Meta)>, Error> {
    for shift in 9..=24 {
        let off = 1_u64 << shift;
        if let Some((endian, meta)) = meta_at(source, db_len, off, 1)? {
            if u64::from(meta.page_size) != off {
                return Err(Error::on(
                    ErrorKind::BadPageSize {
                        found: meta.page_size,
                    },
                    1,
                ));
            }
            return Ok(Some((endian, meta)));
        }
    }
    Ok(None)
}

pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What a file without a valid meta page looks like.
/// Whether bytes begin as a whole database does: bbolt's, damaged or not, or SQLite's.
#[must_use]
pub fn looks_like_store(head: &[u8]) -> bool {
    let marked = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|h| h.starts_with(mark));
    marked(0, SQLITE) || marked(16, &MAGIC.to_le_bytes()) || marked(16, &MAGIC.to_be_bytes())
}

fn hint<S: PageSource + ?Sized>(source: &S) -> Result<Hint, Error> {
    let len = source.len();
    let mut head = [0; 512];
    let have = usize::try_from(len).unwrap_or(head.len()).min(head.len());
    let head = head.get_mut(..have).unwrap_or_default();
    source
        .read_at(0, head)
        .map_err(|e| Error::new(ErrorKind::Io(e)))?;
    let head: &[u8] = head;
    let marked = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|h| h.starts_with(mark));
    let text = head.trim_ascii_start();
    Ok(if head.is_empty() {
        Hint::Empty
    } else if marked(0, SQLITE) {
        Hint::Sqlite
    } else if marked(0, &[0x37, 0x7f, 0x06, 0x82]) || marked(0, &[0x37, 0x7f, 0x06, 0x83]) {
        Hint::SqliteWal
    } else if marked(0, &[0x1f, 0x8b]) {
        Hint::Gzip
    } else if marked(0, &[0x28, 0xb5, 0x2f, 0xfd]) {
        Hint::Zstd
    } else if marked(0, b"PK\x03\x04") {
        Hint::Zip
    } else if marked(257, b"ustar") {
        Hint::Tar
    } else if is_wal(head) {
        Hint::EtcdWal
    } else if text.first().is_some_and(|b| matches!(b, b'{' | b'[')) {
        Hint::Json
    } else if marked(16, &MAGIC.to_le_bytes()) || marked(16, &MAGIC.to_be_bytes()) {
        Hint::DamagedMetas
    } else if len < 2 * MIN_PAGE {
        Hint::TooShort
    } else if head.iter().all(|b| *b == 0) {
        Hint::Zeros
    } else {
        Hint::Unknown
    })
}

/// The first record of each log file is a checksum record: type 4, so `08 04 10` behind a small length.
fn is_wal(head: &[u8]) -> bool {
    let Some((len, rest)) = head.split_first_chunk::<8>() else {
        return false;
    };
    let len = u64::from_le_bytes(*len) & 0x00ff_ffff_ffff_ffff;
    (4..64).contains(&len) && rest.starts_with(&[0x08, 0x04, 0x10])
}

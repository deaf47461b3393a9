//! Pages and elements.
//!     page: id u64 | flags u16 | count u16 | overflow u32 | elements (16 bytes each) | keys and values
//!     branch element: pos u32 | ksize u32 | child u64      leaf element: flags u32 | pos u32 | ksize u32 | vsize u32
//!     pos counts from the start of the element

use alloc::vec::Vec;

use crate::endian::Endian;
use crate::{Claims, Error, ErrorKind, Layout, Options, PageSource};

pub(crate) const HEADER: usize = 16;
pub(crate) const ELEMENT: usize = 16;
pub(crate) const BRANCH: u16 = 0x01;
pub(crate) const LEAF: u16 = 0x02;
pub(crate) const MAX_DEPTH: usize = 32;
const MAX_KEY: usize = 32_768;

/// How the pages of one file are addressed.
pub(crate) struct Pages<S> {
    pub(crate) source: S,
    pub(crate) layout: Layout,
    pub(crate) max_run: u64,
}

/// A run whose header was checked: the id is its own, the type is known, the run lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) page: u64,
    pub(crate) pages: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) flags: u16,
    pub(crate) count: u16,
}

impl<S: PageSource> Pages<S> {
    pub(crate) fn new(source: S, layout: Layout, options: &Options) -> Self {
        Self {
            source,
            layout,
            max_run: options.max_run_bytes,
        }
    }

    pub(crate) fn endian(&self) -> Endian {
        self.layout.endian
    }

    pub(crate) fn page_size(&self) -> u64 {
        u64::from(self.layout.meta.page_size)
    }

    /// Pages that are both below the high-water mark and in the file.
    pub(crate) fn present(&self) -> u64 {
        self.layout
            .meta
            .high_water
            .min(self.layout.db_len / self.page_size())
    }

    /// Reads and checks the header of tree page `id`, without claiming it.
    fn run(&self, id: u64, known: Option<&[u8]>) -> Result<Run, Error> {
        let high_water = self.layout.meta.high_water;
        if id < 2 || id >= high_water {
            return Err(Error::on(ErrorKind::BadPageId { id }, id));
        }
        let offset = id
            .checked_mul(self.page_size())
            .ok_or(Error::on(ErrorKind::OutOfRange, id))?;
        let truncated = |need| {
            Error::on(
                ErrorKind::Truncated {
                    need,
                    have: self.layout.db_len,
                },
                id,
            )
        };
        if id >= self.present() {
            return Err(truncated(offset.saturating_add(self.page_size())));
        }
        let mut copy = [0; HEADER];
        let header = match known.or_else(|| self.source.slice(offset, HEADER)) {
            Some(found) => found,
            None => {
                self.source
                    .read_at(offset, &mut copy)
                    .map_err(|e| Error::on(ErrorKind::Io(e), id))?;
                &copy
            }
        };
        let header =
            Header::parse(self.endian(), header).ok_or(Error::on(ErrorKind::OutOfRange, id))?;
        if header.id != id {
            return Err(Error::on(
                ErrorKind::PageIdMismatch { found: header.id },
                id,
            ));
        }
        if header.flags != BRANCH && header.flags != LEAF {
            return Err(Error::on(
                ErrorKind::BadPageType {
                    flags: header.flags,
                },
                id,
            ));
        }
        let pages = u64::from(header.overflow) + 1;
        if pages > high_water - id {
            return Err(Error::on(
                ErrorKind::BadOverflow {
                    overflow: header.overflow,
                },
                id,
            ));
        }
        if pages > self.present() - id {
            return Err(truncated((id + pages).saturating_mul(self.page_size())));
        }
        let len = pages * self.page_size();
        if len > self.max_run {
            return Err(Error::on(ErrorKind::RunTooLarge { bytes: len }, id));
        }
        if HEADER as u64 + ELEMENT as u64 * u64::from(header.count) > len
            || header.count == u16::MAX
        {
            return Err(Error::on(
                ErrorKind::BadCount {
                    count: header.count,
                },
                id,
            ));
        }
        Ok(Run {
            page: id,
            pages,
            offset,
            len,
            flags: header.flags,
            count: header.count,
        })
    }

    /// Reads and checks the header of tree page `id`, and marks every page of its run as used.
    pub(crate) fn claim(&self, id: u64, claims: &mut Claims) -> Result<Run, Error> {
        self.claim_in(id, claims, None)
    }

    /// Like [`claim`](Self::claim), for a header that may be `known`.
    pub(crate) fn claim_in(
        &self,
        id: u64,
        claims: &mut Claims,
        known: Option<&[u8]>,
    ) -> Result<Run, Error> {
        let run = self.run(id, known)?;
        claims.claim(run.page, run.pages)?;
        Ok(run)
    }

    /// `len` bytes at `offset`: the source's own where it can lend them, else read into `buffer`.
    pub(crate) fn bytes<'a>(
        &'a self,
        page: u64,
        offset: u64,
        len: u64,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], Error> {
        let size = usize::try_from(len).map_err(|_| Error::on(ErrorKind::OutOfRange, page))?;
        if let Some(found) = self.source.slice(offset, size) {
            return Ok(found);
        }
        if buffer.len() < size {
            let more = size - buffer.len();
            buffer
                .try_reserve(more)
                .map_err(|_| Error::on(ErrorKind::OutOfMemory { bytes: len }, page))?;
            buffer.resize(size, 0);
        }
        let target = buffer
            .get_mut(..size)
            .ok_or(Error::on(ErrorKind::OutOfRange, page))?;
        self.source
            .read_at(offset, target)
            .map_err(|e| Error::on(ErrorKind::Io(e), page))?;
        Ok(target)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) id: u64,
    pub(crate) flags: u16,
    pub(crate) count: u16,
    pub(crate) overflow: u32,
}

impl Header {
    #[inline]
    pub(crate) fn parse(endian: Endian, bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: endian.u64(bytes, 0)?,
            flags: endian.u16(bytes, 8)?,
            count: endian.u16(bytes, 10)?,
            overflow: endian.u32(bytes, 12)?,
        })
    }
}

/// One element with the range of its data, from the start of the page run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) body: Body<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'a> {
    Child(u64),
    Value { bucket: bool, value: &'a [u8] },
}

/// Element `index` of a run of `count`; `None` if any part of it leaves `run` or enters the element array.
#[inline]
pub(crate) fn element<'a>(
    endian: Endian,
    run: &'a [u8],
    flags: u16,
    count: u16,
    index: u16,
) -> Option<Element<'a>> {
    let at = HEADER + ELEMENT * usize::from(index);
    let raw = run.get(at..)?.first_chunk::<ELEMENT>()?;
    let (pos, key_len) = if flags == BRANCH {
        (endian.u32(raw, 0)?, endian.u32(raw, 4)?)
    } else {
        (endian.u32(raw, 4)?, endian.u32(raw, 8)?)
    };
    let start = at.checked_add(usize::try_from(pos).ok()?)?;
    let key_len = usize::try_from(key_len).ok()?;
    if start < HEADER + ELEMENT * usize::from(count) || key_len == 0 || key_len > MAX_KEY {
        return None;
    }
    let (key, rest) = run.get(start..)?.split_at_checked(key_len)?;
    if flags == BRANCH {
        return Some(Element {
            key,
            body: Body::Child(endian.u64(raw, 8)?),
            start,
            end: start + key_len,
        });
    }
    let value = rest.get(..usize::try_from(endian.u32(raw, 12)?).ok()?)?;
    let bucket = endian.u32(raw, 0)? & 1 != 0;
    Some(Element {
        key,
        body: Body::Value { bucket, value },
        start,
        end: start + key_len + value.len(),
    })
}

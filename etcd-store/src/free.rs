//! What the trees do not reach: the freelist (checked, never trusted) and the free pages with what they still hold.
//!
//! bbolt never wipes a freed page. A free page is an old page image, a part of a former long run without any header,
//! or, in a snapshot taken while etcd was writing, an image newer than the snapshot. Nothing here is an error.

use alloc::vec::Vec;

use crate::endian::Endian;
use crate::page::{BRANCH, Body, ELEMENT, HEADER, Header, LEAF, Pages, element};
use crate::{Claims, Error, ErrorKind, PageSource, Row, RowKey, Store, Warning};

const FREELIST: u16 = 0x10;
/// The freelist id of a file whose writer does not store the freelist.
const NOT_STORED: u64 = u64::MAX;

/// What a free page run looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FreeKind {
    /// An old leaf page; its rows may be readable.
    Leaf,
    /// An old branch page; it holds keys and no values.
    Branch,
    /// An old freelist; it holds page numbers.
    Freelist,
    /// No header: part of a former long run, which may begin and end inside a value, or never written.
    Fragment,
}

/// Free pages that belong together, up to the next page in use or with a header of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeRun {
    /// First page.
    pub page: u64,
    /// Number of pages.
    pub pages: u64,
    /// What the first page looks like.
    pub kind: FreeKind,
    /// Elements its header claims, unchecked.
    pub count: u16,
}

/// Iterates over the free runs of a file, ascending; reads page headers only.
pub struct FreeRuns<'s, S> {
    pages: &'s Pages<S>,
    claims: &'s Claims,
    next: u64,
}

/// The bytes of one [`FreeRun`]. `Debug` prints no content.
#[derive(Clone, Copy)]
pub struct FreePages<'a> {
    endian: Endian,
    run: FreeRun,
    bytes: &'a [u8],
}

impl<S: PageSource> Store<S> {
    /// Iterates over what `claims`, from a finished walk, does not contain.
    pub const fn free<'s>(&'s self, claims: &'s Claims) -> FreeRuns<'s, S> {
        FreeRuns {
            pages: &self.pages,
            claims,
            next: 2,
        }
    }

    /// Reads one free run. `buffer` is used when the source cannot lend its bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] and [`ErrorKind::OutOfMemory`] only.
    pub fn free_pages<'a>(
        &'a self,
        run: &FreeRun,
        buffer: &'a mut Vec<u8>,
    ) -> Result<FreePages<'a>, Error> {
        let size = self.pages.page_size();
        let bytes = self.pages.bytes(
            run.page,
            run.page.saturating_mul(size),
            run.pages.saturating_mul(size),
            buffer,
        )?;
        Ok(FreePages {
            endian: self.pages.endian(),
            run: *run,
            bytes,
        })
    }

    /// Place and length in bytes of what lies behind the last page in use and before any trailer.
    ///
    /// A live file may be preallocated (zeros); anything else there is the work of an unfinished commit.
    #[must_use]
    pub fn beyond_high_water(&self) -> (u64, u64) {
        let start = self
            .pages
            .layout
            .meta
            .high_water
            .saturating_mul(self.pages.page_size())
            .min(self.pages.layout.db_len);
        (start, self.pages.layout.db_len - start)
    }
}

impl<S: PageSource> FreeRuns<'_, S> {
    /// The next run, or `None` after the last.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] only.
    pub fn next_run(&mut self) -> Result<Option<FreeRun>, Error> {
        let Some(page) = self.claims.next_free(self.next) else {
            return Ok(None);
        };
        let header = self.header(page)?;
        let mut run = FreeRun {
            page,
            pages: 1,
            kind: FreeKind::Fragment,
            count: 0,
        };
        let mut limit = (self.pages.max_run / self.pages.page_size()).max(1);
        if let Some((kind, header)) = header {
            run.kind = kind;
            run.count = header.count;
            limit = limit.min(u64::from(header.overflow) + 1);
        }
        while run.pages < limit {
            let next = page + run.pages;
            if self.claims.next_free(next) != Some(next) || self.header(next)?.is_some() {
                break;
            }
            run.pages += 1;
        }
        self.next = page + run.pages;
        Ok(Some(run))
    }

    fn header(&self, page: u64) -> Result<Option<(FreeKind, Header)>, Error> {
        let offset = page.saturating_mul(self.pages.page_size());
        let mut copy = [0; HEADER];
        let bytes = match self.pages.source.slice(offset, HEADER) {
            Some(found) => found,
            None => {
                self.pages
                    .source
                    .read_at(offset, &mut copy)
                    .map_err(|e| Error::on(ErrorKind::Io(e), page))?;
                &copy
            }
        };
        let header = Header::parse(self.pages.endian(), bytes).filter(|h| h.id == page);
        Ok(header.and_then(|header| {
            let kind = match header.flags {
                LEAF => FreeKind::Leaf,
                BRANCH => FreeKind::Branch,
                FREELIST => FreeKind::Freelist,
                _ => return None,
            };
            Some((kind, header))
        }))
    }
}

impl<S> core::fmt::Debug for FreeRuns<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FreeRuns")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for FreePages<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FreePages")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl<'a> FreePages<'a> {
    /// The run.
    #[must_use]
    pub const fn run(&self) -> &FreeRun {
        &self.run
    }

    /// All its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The rows of an old leaf of bucket `key` that are whole and do not overlap; nothing for other pages.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let Self { endian, run, bytes } = *self;
        let count = if run.kind == FreeKind::Leaf {
            run.count
        } else {
            0
        };
        let mut end = HEADER + ELEMENT * usize::from(count);
        (0..count).filter_map(move |index| {
            let found = element(endian, bytes, LEAF, count, index).filter(|e| e.start >= end)?;
            let Body::Value {
                bucket: false,
                value,
            } = found.body
            else {
                return None;
            };
            let key = RowKey::parse(found.key)?;
            end = found.end;
            Some(Row {
                key,
                message: value,
                page: run.page,
                element: index.into(),
            })
        })
    }
}

/// Compares a stored freelist with the pages the trees left over, and claims the pages it lies on.
pub(crate) fn check_freelist<S: PageSource>(
    pages: &Pages<S>,
    claims: &mut Claims,
) -> Result<Option<Warning>, Error> {
    let page = pages.layout.meta.freelist;
    if page == NOT_STORED {
        return Ok(None);
    }
    let bad = Ok(Some(Warning::BadFreelist { page }));
    let Some((ids, offset, count)) = freelist(pages, claims, page)? else {
        return bad;
    };
    claims.claim(page, ids)?;
    let mut chunk = [0; 512 * 8];
    let (mut left, mut at, mut before) = (count, offset, 1);
    while left > 0 {
        let here = left.min(512);
        let Some(part) = chunk.get_mut(..here as usize * 8) else {
            return bad;
        };
        pages
            .source
            .read_at(at, part)
            .map_err(|e| Error::on(ErrorKind::Io(e), page))?;
        for raw in part.chunks_exact(8) {
            let id = pages.endian().u64(raw, 0).unwrap_or(0);
            if id <= before || id >= pages.layout.meta.high_water || claims.contains(id) {
                return bad;
            }
            before = id;
        }
        left -= here;
        at += here * 8;
    }
    Ok((count != claims.unused()).then_some(Warning::BadFreelist { page }))
}

/// Pages of the freelist's run, place of its first id, and number of ids; `None` if it is not a freelist.
fn freelist<S: PageSource>(
    pages: &Pages<S>,
    claims: &Claims,
    page: u64,
) -> Result<Option<(u64, u64, u64)>, Error> {
    if page < 2 || page >= pages.present() {
        return Ok(None);
    }
    let start = page * pages.page_size();
    let mut head = [0; HEADER + 8];
    pages
        .source
        .read_at(start, &mut head)
        .map_err(|e| Error::on(ErrorKind::Io(e), page))?;
    let Some(header) =
        Header::parse(pages.endian(), &head).filter(|h| h.id == page && h.flags == FREELIST)
    else {
        return Ok(None);
    };
    let run = u64::from(header.overflow) + 1;
    if run > pages.present() - page || (page..page + run).any(|p| claims.contains(p)) {
        return Ok(None);
    }
    let (skip, count) = match header.count {
        u16::MAX => (8, pages.endian().u64(&head, HEADER).unwrap_or(u64::MAX)),
        count => (0, u64::from(count)),
    };
    let room = (run * pages.page_size() - HEADER as u64 - skip) / 8;
    Ok((count <= room).then_some((run, start + HEADER as u64 + skip, count)))
}

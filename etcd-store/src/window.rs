//! Pages that the walk comes to next, read in the order of the file and few at a time. What is here is a copy and a guess: every
//! check is made when the walk gets there, and what could not be read here is read then.

use alloc::vec::Vec;
use core::fmt;

use crate::page::{HEADER, Header, Pages};
use crate::{LeafRun, PageSource, Reach};

/// Leaf runs with most of their bytes, read in few long reads: see [`Leaves::load`](crate::Leaves::load). Reuse it.
///
/// Holds as much of the file as the source's [`Reach`] says, and none where the source lends its bytes.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) runs: Vec<LeafRun>,
    pub(crate) window: Window,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The runs, newest first.
    #[must_use]
    pub fn runs(&self) -> &[LeafRun] {
        &self.runs
    }
}

/// Bytes held where leaves lie together: they stay in the CPU's cache until they are looked at.
const TOGETHER: usize = 1 << 20;

/// Pieces of the file in one buffer.
#[derive(Default)]
pub(crate) struct Window {
    /// First pages of runs with what came along, by their place.
    first: Vec<Piece>,
    /// Longer runs, whole.
    whole: Vec<Piece>,
    bytes: Vec<u8>,
    used: usize,
    /// First pages that have no place yet.
    owed: usize,
    scratch: Vec<u8>,
    /// Length of a run, as far as it is known; 0 before the first.
    mean: u64,
    /// Whether the runs of the last filling lay scattered.
    pub(crate) scattered: bool,
    /// Whether runs of a batch lie here that are not looked at yet.
    pub(crate) pinned: bool,
}

struct Piece {
    start: u64,
    len: u64,
    at: usize,
}

impl Window {
    /// The bytes at `off`, if one piece holds them all.
    #[inline]
    pub(crate) fn get(&self, off: u64, len: u64) -> Option<&[u8]> {
        let found = [&self.whole, &self.first].into_iter().find_map(|pieces| {
            let at = pieces.partition_point(|piece| piece.start <= off);
            let piece = pieces.get(at.checked_sub(1)?)?;
            let from = off.checked_sub(piece.start)?;
            let fits = from.checked_add(len)? <= piece.len;
            fits.then_some(piece.at.checked_add(usize::try_from(from).ok()?)?)
        })?;
        self.bytes.get(found..)?.get(..usize::try_from(len).ok()?)
    }

    /// How many runs to ask [`fill`](Self::fill) for: few where they lie together, and all there is room for where reading few of them
    /// meant reading much else.
    pub(crate) fn room(&self, reach: &Reach, page_size: u64) -> usize {
        let bytes = if self.scattered {
            reach.hold
        } else {
            reach.hold.min(TOGETHER)
        };
        let runs = bytes as u64 / self.mean.max(page_size).max(1);
        usize::try_from(runs).unwrap_or(usize::MAX).max(1)
    }

    /// Replaces the content by the runs that begin at pages `ids`, named in the order in which they are wanted: the first ones, if
    /// there is not room for all. The pages of `also` are kept if there is room.
    pub(crate) fn fill<S: PageSource>(&mut self, pages: &Pages<S>, ids: &[u64], also: &[u64]) {
        self.first.clear();
        self.whole.clear();
        self.used = 0;
        let (size, mut reach) = (pages.page_size(), pages.source.reach());
        let mut wanted: Vec<_> = ids.iter().map(|id| (id * size, size)).collect();
        self.scattered = is_scattered(&mut wanted, &reach);
        if !self.scattered {
            // Short enough for a source that keeps what it reads ahead.
            reach.piece = reach.piece.min(TOGETHER / 4);
        }
        wanted.extend(also.iter().map(|id| (id * size, size)));
        // At once, with some room for tails: a buffer that grows leaves its former selves behind where memory is never given back.
        self.owed = wanted.len() * usize::try_from(size).unwrap_or(0);
        let room = self.owed.saturating_add(self.owed / 8);
        let more = room.saturating_sub(self.bytes.len());
        if self.bytes.try_reserve_exact(more).is_err() {
            return;
        }
        let mut first = core::mem::take(&mut self.first);
        self.gather(pages, &reach, &mut wanted, &mut first, true);
        self.first = first;
        let (mut total, mut runs) = (0, 0);
        for id in ids {
            let start = id * size;
            let Some(len) = self
                .get(start, HEADER as u64)
                .and_then(|h| run_len(pages, h, *id))
            else {
                continue;
            };
            // What is long is worth a read of its own.
            if len > reach.hold as u64 / 4 {
                continue;
            }
            total += len;
            runs += 1;
            if total > reach.hold as u64 {
                break;
            }
            if self.get(start, len).is_none() {
                wanted.push((start, len));
            }
        }
        if let Some(mean) = total.checked_div(runs) {
            self.mean = mean;
        }
        let mut whole = core::mem::take(&mut self.whole);
        self.gather(pages, &reach, &mut wanted, &mut whole, false);
        self.whole = whole;
    }

    /// Reads what is wanted, places and lengths, and empties it. With `tails` a run that came along whole is kept whole.
    fn gather<S: PageSource>(
        &mut self,
        pages: &Pages<S>,
        reach: &Reach,
        wanted: &mut Vec<(u64, u64)>,
        found: &mut Vec<Piece>,
        tails: bool,
    ) {
        wanted.sort_unstable();
        wanted.dedup_by_key(|(start, _)| *start);
        let mut left = wanted.as_slice();
        while let Some((&(start, len), mut behind)) = left.split_first() {
            let (mut end, mut bytes) = (start + len, len);
            while let Some((&(next, len), further)) = behind.split_first()
                && next <= end.saturating_add(reach.skip as u64)
                && (next + len).saturating_sub(start) <= reach.piece as u64
            {
                (end, bytes, behind) = (end.max(next + len), bytes + len, further);
            }
            let group = left.get(..left.len() - behind.len()).unwrap_or_default();
            left = behind;
            let read = if bytes == end - start {
                self.read(pages, start, end - start, found)
            } else {
                self.pick(pages, (start, end), group, found, tails)
            };
            if read.is_none() {
                // Out of memory, or the source failed: whoever needs these bytes reads them and is told.
                break;
            }
        }
        wanted.clear();
    }

    /// Reads a stretch that is wanted from end to end.
    fn read<S: PageSource>(
        &mut self,
        pages: &Pages<S>,
        start: u64,
        len: u64,
        found: &mut Vec<Piece>,
    ) -> Option<()> {
        let at = self.used;
        let end = at.checked_add(usize::try_from(len).ok()?)?;
        grow(&mut self.bytes, end)?;
        pages
            .source
            .read_at(start, self.bytes.get_mut(at..end)?)
            .ok()?;
        self.used = end;
        self.owed = self.owed.saturating_sub(end - at);
        found.push(Piece { start, len, at });
        Some(())
    }

    /// Reads a stretch, and keeps what is wanted of it.
    fn pick<S: PageSource>(
        &mut self,
        pages: &Pages<S>,
        (start, end): (u64, u64),
        wanted: &[(u64, u64)],
        found: &mut Vec<Piece>,
        tails: bool,
    ) -> Option<()> {
        let mut scratch = core::mem::take(&mut self.scratch);
        let span = usize::try_from(end - start).ok()?;
        grow(&mut scratch, span)?;
        let stretch = scratch.get_mut(..span)?;
        let read = pages.source.read_at(start, stretch);
        for &(place, len) in wanted.iter().filter(|_| read.is_ok()) {
            let from = stretch.get(usize::try_from(place - start).ok()?..)?;
            let all = run_len(pages, from, place / pages.page_size())
                .and_then(|len| usize::try_from(len).ok());
            let first = usize::try_from(len).ok()?;
            self.owed = self.owed.saturating_sub(first);
            let free = self
                .bytes
                .capacity()
                .saturating_sub(self.used.saturating_add(self.owed));
            let whole = all.filter(|all| tails && *all <= free && *all <= from.len());
            let len = whole.unwrap_or(first);
            let at = self.used;
            let to = at.checked_add(len)?;
            grow(&mut self.bytes, to)?;
            self.bytes
                .get_mut(at..to)?
                .copy_from_slice(from.get(..len)?);
            self.used = to;
            found.push(Piece {
                start: place,
                len: len as u64,
                at,
            });
        }
        self.scratch = scratch;
        read.ok()
    }
}

/// Whether to read these means to read, or to pay for reads that cost, more than twice their bytes; sorts them.
fn is_scattered(wanted: &mut [(u64, u64)], reach: &Reach) -> bool {
    /// A few breaks say nothing: old pages that were used again.
    const BREAKS: u64 = 4;
    wanted.sort_unstable();
    let skip = reach.skip as u64;
    let (mut cost, mut bytes, mut end) = (0, 0, 0);
    for &(start, len) in wanted.iter() {
        cost += len + start.saturating_sub(end).min(skip);
        bytes += len;
        end = start + len;
    }
    cost > 2 * bytes + BREAKS * skip
}

/// Bytes of the run that begins here, by its unchecked header.
fn run_len<S: PageSource>(pages: &Pages<S>, header: &[u8], id: u64) -> Option<u64> {
    let header = Header::parse(pages.endian(), header).filter(|header| header.id == id)?;
    let count = u64::from(header.overflow) + 1;
    let len = count * pages.page_size();
    (count <= pages.present().saturating_sub(id) && len <= pages.max_run).then_some(len)
}

/// Makes a buffer at least this long.
fn grow(bytes: &mut Vec<u8>, len: usize) -> Option<()> {
    if bytes.len() < len {
        bytes.try_reserve(len - bytes.len()).ok()?;
        bytes.resize(len, 0);
    }
    Some(())
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("pieces", &(self.first.len() + self.whole.len()))
            .field("bytes", &self.used)
            .finish_non_exhaustive()
    }
}

//! Stretches of the file read at once, for sources that lend nothing and pay for each read.

use alloc::vec::Vec;
use core::fmt;

use crate::{LeafRun, PageSource, SourceError};

/// Longest stretch read at once, in bytes.
pub(crate) const STRETCH: u64 = 256 << 10;
/// Bytes after which a batch is full.
const FULL: usize = 1 << 20;
/// Stretches after which a batch is full: a search among more would cost what a read costs.
const STRETCHES: usize = 64;

/// Leaf runs with most of their bytes, read in a few long reads: see [`Leaves::load`](crate::Leaves::load). Reuse it.
///
/// Holds about 1 MiB of the file, and none where the source lends its bytes.
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

/// Stretches of the file, one behind the other in one buffer.
#[derive(Default)]
pub(crate) struct Window {
    stretches: Vec<Stretch>,
    bytes: Vec<u8>,
    used: usize,
}

struct Stretch {
    start: u64,
    len: u64,
    at: usize,
}

impl Window {
    /// The bytes at `off`, if one stretch holds them all.
    #[inline]
    pub(crate) fn get(&self, off: u64, len: u64) -> Option<&[u8]> {
        self.stretches.iter().rev().find_map(|stretch| {
            let from = off.checked_sub(stretch.start)?;
            if from.checked_add(len)? > stretch.len {
                return None;
            }
            let at = stretch.at.checked_add(usize::try_from(from).ok()?)?;
            self.bytes.get(at..)?.get(..usize::try_from(len).ok()?)
        })
    }

    pub(crate) fn clear(&mut self) {
        self.stretches.clear();
        self.used = 0;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.used >= FULL || self.stretches.len() >= STRETCHES
    }

    /// Adds the `len` bytes at `start`; `len` is at most [`STRETCH`] or one page.
    pub(crate) fn read<S: PageSource>(
        &mut self,
        source: &S,
        start: u64,
        len: u64,
    ) -> Result<(), SourceError> {
        let size = usize::try_from(len).map_err(|_| SourceError::Other)?;
        let end = self.used.checked_add(size).ok_or(SourceError::Other)?;
        if self.bytes.len() < end {
            let more = end - self.bytes.len();
            self.bytes
                .try_reserve(more)
                .map_err(|_| SourceError::Other)?;
            self.bytes.resize(end, 0);
        }
        let target = self
            .bytes
            .get_mut(self.used..end)
            .ok_or(SourceError::Other)?;
        source.read_at(start, target)?;
        self.stretches.push(Stretch {
            start,
            len,
            at: self.used,
        });
        self.used = end;
        Ok(())
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("stretches", &self.stretches.len())
            .field("bytes", &self.used)
            .finish()
    }
}

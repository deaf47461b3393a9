//! Whole blocks kept in memory, for sources where each read is dear.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use crate::{PageSource, SourceError};

/// Wraps a source whose every read costs much (a slice of a browser's `File`, a network) and reads whole blocks.
///
/// Keeps the blocks used last. For one thread: it is not `Sync`. Reads longer than a block go straight through.
pub struct Cached<S> {
    source: S,
    block: u64,
    limit: usize,
    blocks: RefCell<Vec<Block>>,
}

struct Block {
    start: u64,
    bytes: Vec<u8>,
}

impl<S: PageSource> Cached<S> {
    /// Keeps up to `blocks` blocks of `block` bytes (at least one of each).
    pub fn new(source: S, block: usize, blocks: usize) -> Self {
        Self {
            source,
            block: block.max(1) as u64,
            limit: blocks.max(1),
            blocks: RefCell::new(Vec::new()),
        }
    }

    /// The source inside.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Copies what the block at `start` holds of the bytes from `off` on; answers how many those are.
    fn copy(&self, start: u64, off: u64, buf: &mut [u8]) -> Result<usize, SourceError> {
        let mut blocks = self
            .blocks
            .try_borrow_mut()
            .map_err(|_| SourceError::Other)?;
        let block = match blocks.iter().position(|b| b.start == start) {
            Some(found) => blocks.remove(found),
            None => {
                let mut bytes = if blocks.len() < self.limit {
                    Vec::new()
                } else {
                    blocks.remove(0).bytes
                };
                let len = self.block.min(self.source.len().saturating_sub(start));
                let len = usize::try_from(len).map_err(|_| SourceError::Other)?;
                bytes.clear();
                bytes
                    .try_reserve_exact(len)
                    .map_err(|_| SourceError::Other)?;
                bytes.resize(len, 0);
                self.source.read_at(start, &mut bytes)?;
                Block { start, bytes }
            }
        };
        let from = usize::try_from(off - start).map_err(|_| SourceError::Short)?;
        let found = block.bytes.get(from..).unwrap_or_default();
        let len = found.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(found) {
            *to = *from;
        }
        blocks.push(block);
        if len == 0 {
            Err(SourceError::Short)
        } else {
            Ok(len)
        }
    }
}

impl<S: PageSource> PageSource for Cached<S> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        if buf.len() as u64 > self.block {
            return self.source.read_at(off, buf);
        }
        let (mut off, mut buf) = (off, buf);
        while !buf.is_empty() {
            let done = self.copy(off - off % self.block, off, buf)?;
            off = off.checked_add(done as u64).ok_or(SourceError::Short)?;
            buf = buf.get_mut(done..).unwrap_or_default();
        }
        Ok(())
    }

    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        self.source.slice(off, len)
    }
}

impl<S> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("block", &self.block)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

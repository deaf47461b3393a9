//! One bit for each page of the file: reached by the tree, or not.

use alloc::vec::Vec;

use crate::{Error, ErrorKind, Warning};

/// The pages that the tree uses. Everything else below the high-water mark is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    bits: Vec<u64>,
    /// Pages in the map: the high-water mark, or the pages present in a truncated file.
    pages: u64,
    pub(crate) warning: Option<Warning>,
}

impl Claims {
    /// `pages` is already bounded by the length of the file.
    pub(crate) fn new(pages: u64) -> Result<Self, Error> {
        let words =
            usize::try_from(pages.div_ceil(64)).map_err(|_| Error::new(ErrorKind::OutOfRange))?;
        let mut bits = Vec::new();
        bits.try_reserve_exact(words).map_err(|_| {
            Error::new(ErrorKind::OutOfMemory {
                bytes: pages.div_ceil(64) * 8,
            })
        })?;
        bits.resize(words, 0);
        let mut claims = Self {
            bits,
            pages,
            warning: None,
        };
        for meta in 0..pages.min(2) {
            claims.claim(meta, 1)?;
        }
        Ok(claims)
    }

    /// Marks `count` pages from `first` on, each of which must be new.
    pub(crate) fn claim(&mut self, first: u64, count: u64) -> Result<(), Error> {
        for page in first..first.saturating_add(count) {
            let word = usize::try_from(page / 64)
                .ok()
                .filter(|_| page < self.pages)
                .and_then(|w| self.bits.get_mut(w))
                .ok_or(Error::on(ErrorKind::OutOfRange, page))?;
            let bit = 1 << (page % 64);
            if *word & bit != 0 {
                return Err(Error::on(ErrorKind::PageReused, page));
            }
            *word |= bit;
        }
        Ok(())
    }

    /// Whether the tree (or a meta page, or the freelist) uses `page`.
    #[must_use]
    pub fn contains(&self, page: u64) -> bool {
        let word = usize::try_from(page / 64)
            .ok()
            .and_then(|w| self.bits.get(w));
        page < self.pages && word.is_some_and(|w| w & (1 << (page % 64)) != 0)
    }

    /// Pages in use, the two meta pages included.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.bits.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// Pages not in use.
    #[must_use]
    pub fn unused(&self) -> u64 {
        self.pages - self.used()
    }

    /// What is wrong with the freelist stored in the file, if one is and a walk was finished.
    #[must_use]
    pub const fn warning(&self) -> Option<Warning> {
        self.warning
    }

    /// The first page at or behind `from` that is not in use.
    #[must_use]
    pub fn next_free(&self, from: u64) -> Option<u64> {
        let mut word = usize::try_from(from / 64).ok()?;
        // Pages before `from` count as used in its own word.
        let mut bits = self.bits.get(word)? | ((1 << (from % 64)) - 1);
        while bits == u64::MAX {
            word += 1;
            bits = *self.bits.get(word)?;
        }
        let page = word as u64 * 64 + u64::from(bits.trailing_ones());
        (page < self.pages).then_some(page)
    }

    /// Ids of the pages not in use, ascending.
    pub fn free(&self) -> impl Iterator<Item = u64> + '_ {
        core::iter::successors(self.next_free(0), |page| self.next_free(page + 1))
    }
}

//! The leaf runs of bucket `key`, newest first. Reads branch pages and leaf headers only.

use alloc::vec::Vec;

use crate::bucket::Root;
use crate::free::check_freelist;
use crate::page::{BRANCH, Body, Element, MAX_DEPTH, Pages, Run, element};
use crate::tree::Elements;
use crate::{Claims, Error, ErrorKind, PageSource, RowKey};

/// One leaf run of bucket `key`: where it lies and between which revisions its rows must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafRun {
    pub(crate) run: Run,
    pub(crate) lower: Option<RowKey>,
    pub(crate) upper: Option<RowKey>,
    pub(crate) inline: Option<u32>,
}

impl LeafRun {
    /// Page id of the run's first page.
    #[must_use]
    pub const fn page(&self) -> u64 {
        self.run.page
    }

    /// Place of the run in the file, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.run.offset
    }

    /// Length of the run in bytes.
    #[must_use]
    pub const fn byte_len(&self) -> u64 {
        self.run.len
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> u16 {
        self.run.count
    }
}

struct Frame {
    run: Run,
    /// Children not yet visited: 0..left.
    left: u16,
    lower: Option<RowKey>,
    upper: Option<RowKey>,
    bytes: Vec<u8>,
}

/// Cursor over the leaf runs of bucket `key` from the highest revision to the lowest.
///
/// It is the sequential and cheap part of a walk; the runs it yields may be read in parallel, in any order. Errors
/// come at the same place whatever the number of threads. After an error the cursor yields nothing more.
pub struct Leaves<'s, S> {
    pages: &'s Pages<S>,
    claims: Claims,
    stack: Vec<Frame>,
    spare: Vec<Vec<u8>>,
    start: Option<Root>,
    seen: u64,
}

impl<'s, S: PageSource> Leaves<'s, S> {
    pub(crate) fn new(pages: &'s Pages<S>, claims: Claims, root: Root) -> Self {
        Self {
            pages,
            claims,
            stack: Vec::new(),
            spare: Vec::new(),
            start: Some(root),
            seen: 0,
        }
    }

    /// The next run, or `None` after the last.
    ///
    /// # Errors
    /// Any fault of a branch page or of a leaf's header.
    pub fn next_run(&mut self) -> Result<Option<LeafRun>, Error> {
        let found = self.advance();
        if found.is_err() {
            self.stack.clear();
            self.start = None;
        }
        found
    }

    /// Replaces the content of `batch` by up to `limit` further runs; `false` when there were none left.
    ///
    /// # Errors
    /// As [`next_run`](Self::next_run); `batch` then holds the good runs before the bad one.
    pub fn fill(&mut self, batch: &mut Vec<LeafRun>, limit: usize) -> Result<bool, Error> {
        batch.clear();
        while batch.len() < limit {
            match self.next_run()? {
                Some(run) => batch.push(run),
                None => break,
            }
        }
        Ok(!batch.is_empty())
    }

    /// Leaf runs yielded so far.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Ends the walk: the pages in use by all trees and by the freelist, which is compared with what is left over.
    ///
    /// # Errors
    /// Any fault met while visiting what was not yet visited.
    pub fn finish(mut self) -> Result<Claims, Error> {
        while self.next_run()?.is_some() {}
        self.claims.warning = check_freelist(self.pages, &mut self.claims)?;
        Ok(self.claims)
    }

    fn advance(&mut self) -> Result<Option<LeafRun>, Error> {
        if let Some(root) = self.start.take() {
            let id = match root {
                Root::Inline { run, element } => {
                    self.seen += 1;
                    return Ok((run.count > 0).then_some(LeafRun {
                        run,
                        lower: None,
                        upper: None,
                        inline: Some(element),
                    }));
                }
                Root::Tree(id) => id,
            };
            let run = self.pages.claim(id, &mut self.claims)?;
            if run.flags == BRANCH {
                self.push(run, None, None)?;
            } else {
                self.seen += 1;
                return Ok((run.count > 0).then_some(LeafRun {
                    run,
                    lower: None,
                    upper: None,
                    inline: None,
                }));
            }
        }
        loop {
            let Some(frame) = self.stack.last_mut() else {
                return Ok(None);
            };
            let Some(left) = frame.left.checked_sub(1) else {
                self.spare.extend(self.stack.pop().map(|f| f.bytes));
                continue;
            };
            frame.left = left;
            let bad = |kind| Error::at(kind, frame.run.page, left.into());
            let found = element(
                self.pages.endian(),
                &frame.bytes,
                BRANCH,
                frame.run.count,
                left,
            );
            let Some(Element {
                key,
                body: Body::Child(child),
                ..
            }) = found
            else {
                return Err(bad(ErrorKind::BadElement));
            };
            let lower = RowKey::parse(key).ok_or(bad(ErrorKind::BadRevisionKey))?;
            let upper = frame.upper.replace(lower);
            let run = self.pages.claim(child, &mut self.claims)?;
            if run.count == 0 {
                return Err(Error::on(ErrorKind::BadCount { count: 0 }, run.page));
            }
            if run.flags == BRANCH {
                self.push(run, Some(lower), upper)?;
            } else {
                self.seen += 1;
                return Ok(Some(LeafRun {
                    run,
                    lower: Some(lower),
                    upper,
                    inline: None,
                }));
            }
        }
    }

    /// Checks a whole branch page and makes it the top of the stack.
    fn push(
        &mut self,
        run: Run,
        lower: Option<RowKey>,
        upper: Option<RowKey>,
    ) -> Result<(), Error> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Error::on(ErrorKind::TooDeep, run.page));
        }
        if run.count == 0 {
            return Err(Error::on(ErrorKind::BadCount { count: 0 }, run.page));
        }
        let bytes = self
            .pages
            .branch_bytes(&run, self.spare.pop().unwrap_or_default())?;
        let mut elements = Elements::new(self.pages.endian(), &bytes, run);
        let mut before = None;
        while let Some((index, found)) = elements.next()? {
            let key = RowKey::parse(found.key).ok_or(Error::at(
                ErrorKind::BadRevisionKey,
                run.page,
                index,
            ))?;
            let low = before.map_or_else(|| lower.is_some_and(|l| key < l), |b| key <= b);
            if low || upper.is_some_and(|u| key >= u) {
                return Err(Error::at(ErrorKind::BadOrder, run.page, index));
            }
            before = Some(key);
            if let Body::Child(child) = found.body {
                let size = self.pages.page_size();
                self.pages
                    .source
                    .will_need(child.saturating_mul(size), size);
            }
        }
        self.stack.push(Frame {
            run,
            left: run.count,
            lower,
            upper,
            bytes,
        });
        Ok(())
    }
}

impl<S> core::fmt::Debug for Leaves<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let floor = self.stack.last().map(|frame| frame.lower);
        f.debug_struct("Leaves")
            .field("seen", &self.seen)
            .field("depth", &self.stack.len())
            .field("floor", &floor)
            .finish()
    }
}

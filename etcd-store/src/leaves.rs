//! The leaf runs of bucket `key`, newest first. Reads branch pages and leaf headers only.

use alloc::vec::Vec;

use crate::bucket::Root;
use crate::free::check_freelist;
use crate::page::{BRANCH, Body, Element, HEADER, LEAF, MAX_DEPTH, Pages, Run, element};
use crate::tree::Elements;
use crate::window::{Batch, STRETCH, Window};
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

enum Step {
    Run(LeafRun),
    /// The window is full, and the next run lies outside.
    Pause,
    End,
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
        match self.step(None)? {
            Step::Run(run) => Ok(Some(run)),
            Step::Pause | Step::End => Ok(None),
        }
    }

    /// Replaces the content of `batch` by up to `limit` further runs; `false` when there were none left.
    ///
    /// # Errors
    /// As [`next_run`](Self::next_run); `batch` then holds the good runs before the bad one. Look at those first, and
    /// the first fault in walk order is reported whatever the size of a batch.
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

    /// Like [`fill`](Self::fill), and reads the runs' bytes in few long reads where the source lends none.
    ///
    /// A batch ends at `limit` runs, or at about 1 MiB where bytes were read. Read the runs with [`Store::leaf_in`](crate::Store::leaf_in).
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn load(&mut self, batch: &mut Batch, limit: usize) -> Result<bool, Error> {
        batch.runs.clear();
        batch.window.clear();
        while batch.runs.len() < limit || !batch.window.is_empty() {
            match self.step(Some(&mut batch.window))? {
                Step::Run(run) => batch.runs.push(run),
                Step::Pause if batch.runs.is_empty() => batch.window.clear(),
                Step::Pause | Step::End => break,
            }
        }
        Ok(!batch.runs.is_empty())
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

    fn step(&mut self, window: Option<&mut Window>) -> Result<Step, Error> {
        let found = self.advance(window);
        if found.is_err() {
            self.stack.clear();
            self.start = None;
        }
        found
    }

    /// The only run of a bucket whose root is a leaf.
    fn only(&mut self, run: Run, inline: Option<u32>) -> Step {
        if run.count == 0 {
            return Step::End;
        }
        self.seen += 1;
        Step::Run(LeafRun {
            run,
            lower: None,
            upper: None,
            inline,
        })
    }

    fn advance(&mut self, mut window: Option<&mut Window>) -> Result<Step, Error> {
        if let Some(root) = self.start.take() {
            let id = match root {
                Root::Inline { run, element } => return Ok(self.only(run, Some(element))),
                Root::Tree(id) => id,
            };
            let run = self.pages.claim(id, &mut self.claims)?;
            if run.flags == LEAF {
                return Ok(self.only(run, None));
            }
            self.push(run, None, None)?;
        }
        loop {
            let Some(frame) = self.stack.last_mut() else {
                return Ok(Step::End);
            };
            let Some(left) = frame.left.checked_sub(1) else {
                self.spare.extend(self.stack.pop().map(|f| f.bytes));
                continue;
            };
            if let Some(window) = window.as_deref_mut()
                && let Some((start, len)) = stretch(self.pages, frame, window)
            {
                if window.is_full() {
                    return Ok(Step::Pause);
                }
                let page = start / self.pages.page_size();
                window
                    .read(&self.pages.source, start, len)
                    .map_err(|e| Error::on(ErrorKind::Io(e), page))?;
            }
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
            let run = self
                .pages
                .claim_in(child, &mut self.claims, window.as_deref())?;
            if run.count == 0 {
                return Err(Error::on(ErrorKind::BadCount { count: 0 }, run.page));
            }
            if run.flags == BRANCH {
                self.push(run, Some(lower), upper)?;
            } else {
                self.seen += 1;
                return Ok(Step::Run(LeafRun {
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

/// The stretch of the file to read before the next child of `frame`: it and the children behind it, as far as they
/// lie near each other. `None` if the source lends its bytes or `window` has the child already.
fn stretch<S: PageSource>(pages: &Pages<S>, frame: &Frame, window: &Window) -> Option<(u64, u64)> {
    let size = pages.page_size();
    let children = (0..frame.left).rev().map_while(|i| {
        let found = element(pages.endian(), &frame.bytes, BRANCH, frame.run.count, i)?;
        match found.body {
            Body::Child(id) if (2..pages.present()).contains(&id) => Some(id),
            _ => None,
        }
    });
    let (mut low, mut high, mut wanted) = (u64::MAX, 0, 0);
    for id in children {
        if wanted == 0 {
            let known = window.get(id * size, HEADER as u64).is_some();
            if known || pages.source.slice(id * size, HEADER).is_some() {
                return None;
            }
        }
        let (l, h) = (low.min(id), high.max(id + 1));
        // Long enough to be worth a read, and at least half of it wanted.
        if wanted > 0 && ((h - l) * size > STRETCH || h - l > 2 * (wanted + 1)) {
            break;
        }
        (low, high, wanted) = (l, h, wanted + 1);
    }
    (wanted > 0).then(|| (low * size, (high - low) * size))
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

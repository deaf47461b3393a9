//! The leaf runs of bucket `key`, newest first. Reads branch pages and leaf headers only.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::bucket::Root;
use crate::free::check_freelist;
use crate::page::{BRANCH, Body, Element, HEADER, Header, LEAF, MAX_DEPTH, Pages, Run, element};
use crate::tree::Elements;
use crate::window::{Batch, Window};
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
    /// The next run lies outside the window, which the batch still needs.
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
    /// Branches above the first leaf; every tree that bbolt writes has as many above each.
    depth: Option<usize>,
    /// Branches that come next, as they were read ahead.
    branches: BTreeMap<u64, Vec<u8>>,
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
            depth: None,
            branches: BTreeMap::new(),
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
    /// A batch ends at `limit` runs, or where the bytes read end. What was read ahead stays in `batch` for the next call. Read the runs with [`Store::leaf_in`](crate::Store::leaf_in).
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn load(&mut self, batch: &mut Batch, limit: usize) -> Result<bool, Error> {
        batch.runs.clear();
        batch.window.pinned = false;
        while batch.runs.len() < limit {
            match self.step(Some(&mut batch.window))? {
                Step::Run(run) => batch.runs.push(run),
                Step::Pause | Step::End => break,
            }
            batch.window.pinned = true;
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
            let depth = self.stack.len();
            if let Some(window) = window.as_deref_mut()
                && self.depth == Some(depth)
                && self.is_outside(window)
            {
                if window.pinned {
                    return Ok(Step::Pause);
                }
                self.read_ahead(window);
            }
            let Some(frame) = self.stack.last_mut() else {
                return Ok(Step::End);
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
            let size = self.pages.page_size();
            let known = match window.as_deref().filter(|_| self.depth == Some(depth)) {
                Some(window) => window.get(child.saturating_mul(size), HEADER as u64),
                None => self.branches.get(&child).map(Vec::as_slice),
            };
            let run = self.pages.claim_in(child, &mut self.claims, known)?;
            if run.count == 0 {
                return Err(Error::on(ErrorKind::BadCount { count: 0 }, run.page));
            }
            if run.flags == BRANCH {
                self.push(run, Some(lower), upper)?;
            } else {
                self.seen += 1;
                self.depth.get_or_insert(depth);
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
        let known = self.branches.remove(&run.page);
        let bytes = match known.filter(|bytes| bytes.len() as u64 == run.len) {
            Some(bytes) => bytes,
            None => {
                let spare = self.spare.pop().unwrap_or_default();
                self.pages.branch_bytes(&run, spare)?
            }
        };
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

impl<S: PageSource> Leaves<'_, S> {
    /// Whether the next leaf is neither in `window` nor lent by the source.
    fn is_outside(&self, window: &Window) -> bool {
        let next = (self.stack.last()).and_then(|frame| {
            children(self.pages, &frame.bytes, frame.run.count, frame.left).next()
        });
        next.is_some_and(|id| {
            let offset = id * self.pages.page_size();
            window.get(offset, HEADER as u64).is_none()
                && self.pages.source.slice(offset, HEADER).is_none()
        })
    }

    /// Fills `window` with the leaves that come next. Where they lie scattered, the branches over those that come then are taken
    /// along: they lie somewhere between.
    fn read_ahead(&mut self, window: &mut Window) {
        let room = window.room(&self.pages.source.reach(), self.pages.page_size());
        let depth = self.stack.len().saturating_sub(1);
        let ids = self.ahead(depth, room);
        let fan = self
            .stack
            .last()
            .map_or(1, |frame| usize::from(frame.run.count.max(1)));
        let mut later = match depth.checked_sub(1) {
            Some(above) if window.scattered => self.ahead(above, 2 * (room / fan + 1)),
            _ => Vec::new(),
        };
        later.retain(|id| !self.branches.contains_key(id));
        window.fill(self.pages, &ids, &later);
        self.keep_branches(window, &later);
    }

    /// Up to `most` pages that the walk comes to next at the depth of this frame's children. Nothing of it is checked: it is what to
    /// read, not what to believe.
    fn ahead(&mut self, depth: usize, most: usize) -> Vec<u64> {
        let Some(frame) = self.stack.get(depth) else {
            return Vec::new();
        };
        let count = frame.run.count;
        let mut ids: Vec<u64> = children(self.pages, &frame.bytes, count, frame.left)
            .take(most)
            .collect();
        let more = most - ids.len();
        let Some(above) = depth.checked_sub(1).filter(|_| more > 0) else {
            return ids;
        };
        let parents = self.ahead(above, more / usize::from(count.max(1)) + 1);
        let unknown: Vec<u64> = parents
            .iter()
            .copied()
            .filter(|id| !self.branches.contains_key(id))
            .collect();
        if !unknown.is_empty() {
            let mut window = Window::default();
            window.fill(self.pages, &unknown, &[]);
            self.keep_branches(&window, &unknown);
        }
        for id in parents {
            let Some(bytes) = self.branches.get(&id) else {
                break;
            };
            let Some(header) = Header::parse(self.pages.endian(), bytes) else {
                break;
            };
            let all = children(self.pages, bytes, header.count, header.count);
            ids.extend(all.take(most - ids.len()));
        }
        ids
    }

    fn keep_branches(&mut self, window: &Window, ids: &[u64]) {
        let size = self.pages.page_size();
        for &id in ids {
            let header = window.get(id * size, size).and_then(|bytes| {
                let header = Header::parse(self.pages.endian(), bytes)?;
                (header.id == id && header.flags == BRANCH && header.overflow == 0).then_some(bytes)
            });
            if let Some(bytes) = header {
                self.branches.insert(id, bytes.to_vec());
            }
        }
    }
}

/// The first `left` children of a branch, the newest first, up to one that cannot be.
fn children<'a, S: PageSource>(
    pages: &'a Pages<S>,
    bytes: &'a [u8],
    count: u16,
    left: u16,
) -> impl Iterator<Item = u64> + 'a {
    (0..left).rev().map_while(move |index| {
        let found = element(pages.endian(), bytes, BRANCH, count, index)?;
        match found.body {
            Body::Child(id) if (2..pages.present()).contains(&id) => Some(id),
            _ => None,
        }
    })
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

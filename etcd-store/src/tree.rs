//! An ascending walk over one tree with arbitrary keys: the root bucket and etcd's small buckets.

use alloc::vec::Vec;

use crate::bucket::Root;
use crate::endian::Endian;
use crate::page::{BRANCH, Body, ELEMENT, Element, HEADER, MAX_DEPTH, Pages, Run, element};
use crate::{Claims, Error, ErrorKind, PageSource};

/// Takes the run, the element's number in it and the element.
pub(crate) type Visit<'v> =
    dyn FnMut(&mut Claims, &Run, u32, &Element<'_>) -> Result<(), Error> + 'v;

/// The elements of one run in order, each checked to lie behind the one before it.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    endian: Endian,
    bytes: &'a [u8],
    run: Run,
    next: u16,
    end: usize,
    /// Set once an element does not start where the one before it ends.
    pub(crate) loose: bool,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(endian: Endian, bytes: &'a [u8], run: Run) -> Self {
        let end = HEADER + ELEMENT * usize::from(run.count);
        Self {
            endian,
            bytes,
            run,
            next: 0,
            end,
            loose: false,
        }
    }

    /// Where the data of the elements seen so far ends.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Element<'a>)>, Error> {
        if self.next >= self.run.count {
            return Ok(None);
        }
        let index = u32::from(self.next);
        let found = element(
            self.endian,
            self.bytes,
            self.run.flags,
            self.run.count,
            self.next,
        )
        .filter(|e| e.start >= self.end)
        .ok_or(Error::at(ErrorKind::BadElement, self.run.page, index))?;
        self.loose |= found.start != self.end;
        self.end = found.end;
        self.next += 1;
        Ok(Some((index, found)))
    }
}

/// The lowest key that may come next.
#[derive(Debug, Default)]
struct Floor {
    key: Vec<u8>,
    inclusive: bool,
    set: bool,
}

impl Floor {
    fn raise(&mut self, key: &[u8], inclusive: bool) -> bool {
        let above = !self.set
            || key > self.key.as_slice()
            || (self.inclusive && key == self.key.as_slice());
        self.key.clear();
        self.key.extend_from_slice(key);
        self.inclusive = inclusive;
        self.set = true;
        above
    }
}

struct Frame {
    run: Run,
    index: u16,
    bytes: Vec<u8>,
}

/// Calls `visit` with each leaf element of the bucket at `root`, ascending, and claims its pages.
///
/// `visit` gets the run, the element's number and the element; what it borrows lives for the call only.
pub(crate) fn walk<S: PageSource>(
    pages: &Pages<S>,
    claims: &mut Claims,
    root: Root,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut floor = Floor::default();
    let mut stack: Vec<Frame> = Vec::new();
    let mut leaf_bytes = Vec::new();
    let mut due = match root {
        Root::Tree(id) => Some(pages.claim(id, claims)?),
        Root::Inline { run, element } => {
            let bytes = pages.bytes(run.page, run.offset, run.len, &mut leaf_bytes)?;
            return leaf(pages, claims, &run, bytes, &mut floor, visit).map_err(|e| {
                Error::at(
                    if e.kind == ErrorKind::BadElement {
                        ErrorKind::BadInlineBucket
                    } else {
                        e.kind
                    },
                    run.page,
                    element,
                )
            });
        }
    };
    loop {
        if let Some(run) = due.take() {
            if run.count == 0 && (run.flags == BRANCH || !stack.is_empty()) {
                return Err(Error::on(ErrorKind::BadCount { count: 0 }, run.page));
            }
            if run.flags == BRANCH {
                if stack.len() >= MAX_DEPTH {
                    return Err(Error::on(ErrorKind::TooDeep, run.page));
                }
                let bytes = pages.branch_bytes(&run, Vec::new())?;
                check_branch(pages.endian(), &bytes, run)?;
                stack.push(Frame {
                    run,
                    index: 0,
                    bytes,
                });
            } else {
                let bytes = pages.bytes(run.page, run.offset, run.len, &mut leaf_bytes)?;
                leaf(pages, claims, &run, bytes, &mut floor, visit)?;
            }
        }
        let Some(frame) = stack.last_mut() else {
            return Ok(());
        };
        if frame.index >= frame.run.count {
            stack.pop();
            continue;
        }
        let index = frame.index;
        frame.index += 1;
        let found = element(pages.endian(), &frame.bytes, BRANCH, frame.run.count, index);
        let Some(Element {
            key,
            body: Body::Child(child),
            ..
        }) = found
        else {
            return Err(Error::at(
                ErrorKind::BadElement,
                frame.run.page,
                index.into(),
            ));
        };
        if !floor.raise(key, true) {
            return Err(Error::at(ErrorKind::BadOrder, frame.run.page, index.into()));
        }
        due = Some(pages.claim(child, claims)?);
    }
}

fn check_branch(endian: Endian, bytes: &[u8], run: Run) -> Result<(), Error> {
    let mut elements = Elements::new(endian, bytes, run);
    let mut before: Option<&[u8]> = None;
    while let Some((index, found)) = elements.next()? {
        if before.is_some_and(|b| b >= found.key) {
            return Err(Error::at(ErrorKind::BadOrder, run.page, index));
        }
        before = Some(found.key);
    }
    Ok(())
}

fn leaf<S: PageSource>(
    pages: &Pages<S>,
    claims: &mut Claims,
    run: &Run,
    bytes: &[u8],
    floor: &mut Floor,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut elements = Elements::new(pages.endian(), bytes, *run);
    while let Some((index, found)) = elements.next()? {
        if !floor.raise(found.key, false) {
            return Err(Error::at(ErrorKind::BadOrder, run.page, index));
        }
        visit(claims, run, index, &found)?;
    }
    Ok(())
}

impl<S: PageSource> Pages<S> {
    /// The bytes of a branch run, copied: the caller moves about in the tree while it holds them.
    pub(crate) fn branch_bytes(&self, run: &Run, mut buffer: Vec<u8>) -> Result<Vec<u8>, Error> {
        // bbolt splits branches at the page size, so a long one is not its work, and up to 32 are held at once.
        if run.len > (1 << 20).max(2 * self.page_size()) {
            return Err(Error::on(
                ErrorKind::RunTooLarge { bytes: run.len },
                run.page,
            ));
        }
        let len =
            usize::try_from(run.len).map_err(|_| Error::on(ErrorKind::OutOfRange, run.page))?;
        buffer.clear();
        if let Some(found) = self.source.slice(run.offset, len) {
            buffer.extend_from_slice(found);
        } else {
            self.bytes(run.page, run.offset, run.len, &mut buffer)?;
            buffer.truncate(len);
        }
        Ok(buffer)
    }
}

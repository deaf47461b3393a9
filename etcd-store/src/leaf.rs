//! One leaf run of bucket `key` and its rows.

use alloc::vec::Vec;
use core::fmt;

use crate::bucket::Root;
use crate::endian::Endian;
use crate::page::{Body, ELEMENT, HEADER, Header, LEAF, Pages, element};
use crate::tree::Elements;
use crate::window::Window;
use crate::{Error, ErrorKind, KeyValue, LeafRun, PageSource, RowKey, SourceError};

/// A leaf run whose every row was checked: place, order, separators, revision key. `Debug` prints no content.
#[derive(Clone, Copy)]
pub struct Leaf<'a> {
    endian: Endian,
    bytes: &'a [u8],
    page: u64,
    count: u16,
    end: usize,
    loose: bool,
}

/// One revision of one etcd key, as it lies in the file. `Debug` prints no content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its revision, and whether it is a tombstone.
    pub key: RowKey,
    /// The `KeyValue` message.
    pub message: &'a [u8],
    /// Page that holds it.
    pub page: u64,
    /// Element of that page.
    pub element: u32,
}

impl fmt::Debug for Leaf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("page", &self.page)
            .field("rows", &self.count)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("key", &self.key)
            .field("page", &self.page)
            .field("element", &self.element)
            .finish_non_exhaustive()
    }
}

impl<'a> Row<'a> {
    /// Parses the message.
    ///
    /// # Errors
    /// [`ErrorKind::BadKeyValue`], which damages this row alone: count it and go on.
    #[inline]
    pub fn key_value(&self) -> Result<KeyValue<'a>, Error> {
        KeyValue::parse(self.message)
            .map_err(|_| Error::at(ErrorKind::BadKeyValue, self.page, self.element))
    }
}

impl<'a> Leaf<'a> {
    pub(crate) fn read<S: PageSource>(
        pages: &'a Pages<S>,
        leaf: &LeafRun,
        window: Option<&'a Window>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Self, Error> {
        let run = leaf.run;
        let bytes = match window.and_then(|w| w.get(run.offset, run.len)) {
            Some(found) => found,
            None => pages.bytes(run.page, run.offset, run.len, buffer)?,
        };
        let header = Header::parse(pages.endian(), bytes);
        let same = header.is_some_and(|h| {
            h.flags == LEAF && h.count == run.count && (leaf.inline.is_some() || h.id == run.page)
        });
        if !same {
            return Err(Error::on(ErrorKind::Io(SourceError::Changed), run.page));
        }
        let mut elements = Elements::new(pages.endian(), bytes, run);
        let mut before = None;
        let inline = |e: Error| match leaf.inline {
            Some(element) => Error::at(
                ErrorKind::BadInlineBucket,
                e.page.unwrap_or(run.page),
                element,
            ),
            None => e,
        };
        while let Some((index, found)) = elements.next().map_err(inline)? {
            if matches!(found.body, Body::Value { bucket: true, .. }) {
                return Err(Error::at(ErrorKind::NestedBucket, run.page, index));
            }
            let key = RowKey::parse(found.key).ok_or(Error::at(
                ErrorKind::BadRevisionKey,
                run.page,
                index,
            ))?;
            let low = match before {
                // One revision is one row: a put and a tombstone may not share it.
                Some(before) => key.revision <= before,
                None => leaf.lower.is_some_and(|l| key < l),
            };
            if low || leaf.upper.is_some_and(|u| key >= u) {
                return Err(Error::at(ErrorKind::BadOrder, run.page, index));
            }
            before = Some(key.revision);
        }
        let (end, loose) = (elements.end(), elements.loose);
        Ok(Self {
            endian: pages.endian(),
            bytes,
            page: run.page,
            count: run.count,
            end,
            loose,
        })
    }

    /// The rows, oldest first; `.rev()` for newest first.
    #[must_use]
    pub const fn rows(&self) -> Rows<'a> {
        Rows {
            leaf: *self,
            front: 0,
            back: self.count,
        }
    }

    /// The bytes behind the last value. Every bbolt writer leaves zeros there: anything else is a foreign hand.
    #[must_use]
    pub fn slack(&self) -> &'a [u8] {
        self.bytes.get(self.end..).unwrap_or_default()
    }

    /// Whether there are gaps between elements, which no bbolt writer leaves.
    #[must_use]
    pub const fn is_loose(&self) -> bool {
        self.loose
    }

    fn row(&self, index: u16) -> Option<Row<'a>> {
        let found = element(self.endian, self.bytes, LEAF, self.count, index)?;
        let Body::Value { value, .. } = found.body else {
            return None;
        };
        Some(Row {
            key: RowKey::parse(found.key)?,
            message: value,
            page: self.page,
            element: index.into(),
        })
    }
}

/// Iterator over the rows of one [`Leaf`].
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    leaf: Leaf<'a>,
    front: u16,
    back: u16,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    #[inline]
    fn next(&mut self) -> Option<Row<'a>> {
        if self.front >= self.back {
            return None;
        }
        self.front += 1;
        self.leaf.row(self.front - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.back - self.front);
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Rows<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back -= 1;
        self.leaf.row(self.back)
    }
}

impl ExactSizeIterator for Rows<'_> {}

/// The newest revision of bucket `key`, read from its last leaf alone.
pub(crate) fn newest<S: PageSource>(
    pages: &Pages<S>,
    claims: crate::Claims,
    root: Root,
) -> Result<Option<RowKey>, Error> {
    let Some(run) = crate::Leaves::new(pages, claims, root).next_run()? else {
        return Ok(None);
    };
    let mut buffer = Vec::new();
    let leaf = Leaf::read(pages, &run, None, &mut buffer)?;
    Ok(leaf.rows().next_back().map(|row| row.key))
}

/// Loads the first lines of each row of a run. No load depends on another row's, so the memory works on many at once.
pub(crate) fn touch<S: PageSource>(pages: &Pages<S>, leaf: &LeafRun) -> u8 {
    const LINE: usize = 64;
    // Rows beyond these lie so dense that the hardware fetches ahead by itself.
    const ROWS: u16 = 16;
    let run = leaf.run;
    let Some(bytes) = usize::try_from(run.len)
        .ok()
        .and_then(|len| pages.source.slice(run.offset, len))
    else {
        return 0;
    };
    let line = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let (mut sum, mut end) = (0, HEADER);
    for index in 0..run.count.min(ROWS) {
        let at = HEADER + ELEMENT * usize::from(index);
        let field = |offset| pages.endian().u32(bytes, at + offset).unwrap_or(0) as usize;
        let row = at.saturating_add(field(4));
        // Revision, name and how the value begins.
        for lines in 0..3 {
            sum ^= line(row.saturating_add(lines * LINE));
        }
        end = row.saturating_add(field(8)).saturating_add(field(12));
    }
    // What lies behind the last row: from the second line on it is a stream.
    for lines in 0..2 {
        sum ^= line(end.saturating_add(lines * LINE));
    }
    sum
}

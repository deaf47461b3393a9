//! Bucket values: `root page u64 | sequence u64`, and a small leaf page behind it when the root page is 0.

use crate::endian::Endian;
use crate::page::{ELEMENT, HEADER, Header, LEAF, Run};
use crate::{Error, ErrorKind, Warning};

const BUCKET: usize = 16;

/// Where the elements of a bucket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Tree(u64),
    /// A leaf page image inside element `element` of `run.page`; `run` gives its place in the file.
    Inline {
        run: Run,
        element: u32,
    },
}

impl Root {
    /// Parses the value of a bucket element; `offset` is the value's own place in the file.
    pub(crate) fn parse(
        endian: Endian,
        value: &[u8],
        offset: u64,
        page: u64,
        element: u32,
    ) -> Result<(Self, Option<Warning>), Error> {
        let root = endian.u64(value, 0).filter(|_| value.len() >= BUCKET);
        let root = root.ok_or(Error::at(ErrorKind::BadBucket, page, element))?;
        if root != 0 {
            let long = (value.len() > BUCKET).then_some(Warning::LongBucketValue { page, element });
            return Ok((Self::Tree(root), long));
        }
        let bad = Error::at(ErrorKind::BadInlineBucket, page, element);
        let image = value.get(BUCKET..).ok_or(bad)?;
        let header = Header::parse(endian, image).ok_or(bad)?;
        let fits = HEADER + ELEMENT * usize::from(header.count) <= image.len();
        if header.flags != LEAF || header.overflow != 0 || !fits {
            return Err(bad);
        }
        let run = Run {
            page,
            pages: 0,
            offset: offset.saturating_add(BUCKET as u64),
            len: image.len() as u64,
            flags: LEAF,
            count: header.count,
        };
        Ok((Self::Inline { run, element }, None))
    }
}

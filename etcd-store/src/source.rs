//! Where the bytes come from.

use core::fmt;

/// Random access to the bytes of one file that does not change while it is read.
///
/// Implementations take `&self`, so that several threads may read at once when the implementing type is `Sync`.
pub trait PageSource {
    /// Length of the file in bytes.
    fn len(&self) -> u64;

    /// Fills `buf` with the bytes at `off`; anything less than all of `buf` is an error.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being read. The reader never asks twice.
    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError>;

    /// The same bytes without a copy, where the source has them in memory (a slice, a mapped file).
    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        let _ = (off, len);
        None
    }

    /// Says that these bytes will probably be read soon; a source on a slow disk may start to fetch them.
    ///
    /// A hint taken from the file as it is: the range may lie outside it.
    fn will_need(&self, off: u64, len: u64) {
        let _ = (off, len);
    }

    /// Whether the file has no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a [`PageSource`] could not give the bytes asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// The range is not inside the file, or fewer bytes came than were asked for.
    Short,
    /// The bytes differ from what was read there before.
    Changed,
    /// The platform's own error number.
    Os(i32),
    /// A failure that has no number.
    Other,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the file ended early"),
            Self::Changed => f.write_str("the file changed while it was read"),
            Self::Os(code) => write!(f, "the operating system answered error {code}"),
            Self::Other => f.write_str("the bytes could not be read"),
        }
    }
}

impl core::error::Error for SourceError {}

impl PageSource for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        let found = self.slice(off, buf.len()).ok_or(SourceError::Short)?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(off).ok()?;
        self.get(start..start.checked_add(len)?)
    }
}

impl<T: PageSource + ?Sized> PageSource for &T {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        (**self).read_at(off, buf)
    }

    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        (**self).slice(off, len)
    }

    fn will_need(&self, off: u64, len: u64) {
        (**self).will_need(off, len);
    }
}

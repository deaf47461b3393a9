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
    /// Whatever keeps the bytes from being read. A page is asked for once more at most, alone, where a longer read failed.
    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError>;

    /// The same bytes without a copy, where the source has them in memory (a slice, a mapped file).
    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        let _ = (off, len);
        None
    }

    /// What a read of this source is worth.
    fn reach(&self) -> Reach {
        Reach::default()
    }

    /// Whether the file has no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a reader goes about a source that lends no slices. A file's leaves lie in it in any order, so that a walk over them is a walk
/// to and fro; a reader that knows where it will go reads ahead in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Bytes held at once. Where leaves lie in no order the file is read about as many times as this goes into it.
    pub hold: usize,
    /// Longest read.
    pub piece: usize,
    /// Bytes that nobody wants and that are read along, because a second read costs more.
    pub skip: usize,
}

/// For a file of the system's, where a read costs little more than its bytes.
impl Default for Reach {
    fn default() -> Self {
        Self {
            hold: 1 << 20,
            piece: 256 << 10,
            skip: 8 << 10,
        }
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

    fn reach(&self) -> Reach {
        (**self).reach()
    }
}

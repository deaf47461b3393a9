//! A file as a source of pages.

use std::fs::File;
use std::path::Path;

use etcd_store::{PageSource, Reach, SourceError};

use crate::AuditError;

/// A regular file, read at offsets: nothing is mapped, so a file that somebody truncates gives an error, not a signal.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Opens the file; its length counts from here on.
    ///
    /// # Errors
    /// [`AuditError::Open`], and [`AuditError::NotAFile`] for what has no fixed length.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        // Asked before opening, because opening a pipe waits for its writer.
        if !std::fs::metadata(path).map_err(AuditError::Open)?.is_file() {
            return Err(AuditError::NotAFile);
        }
        Self::new(File::open(path).map_err(AuditError::Open)?)
    }

    /// Takes an open file, at whatever position it is.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(file: File) -> Result<Self, AuditError> {
        let facts = file.metadata().map_err(AuditError::Open)?;
        if !facts.is_file() {
            return Err(AuditError::NotAFile);
        }
        Ok(Self {
            file,
            len: facts.len(),
        })
    }
}

impl PageSource for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        read_exact_at(&self.file, buf, off).map_err(|error| match error.raw_os_error() {
            Some(code) => SourceError::Os(code),
            None if error.kind() == std::io::ErrorKind::UnexpectedEof => SourceError::Short,
            None => SourceError::Other,
        })
    }
}

/// A file read in the fastest way that is safe for it.
#[derive(Debug)]
pub enum AnySource {
    /// Read at offsets.
    Read(FileSource),
    /// Mapped.
    #[cfg(unix)]
    Mapped(crate::MappedSource),
}

impl AnySource {
    /// Maps a finished snapshot (one with a SHA-256 behind its pages) that only this user can write, and reads any other
    /// file at offsets: the db file of a running etcd, and files that somebody else may truncate meanwhile.
    ///
    /// # Errors
    /// As [`FileSource::open`].
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let file = FileSource::open(path)?;
        #[cfg(unix)]
        if file.len % 512 == 32
            && is_ours(&file.file)
            && let Ok(mapped) = crate::MappedSource::open(path)
        {
            return Ok(Self::Mapped(mapped));
        }
        Ok(Self::Read(file))
    }

    fn inner(&self) -> &dyn PageSource {
        match self {
            Self::Read(file) => file,
            #[cfg(unix)]
            Self::Mapped(file) => file,
        }
    }
}

/// Where the system does not say who this process is, no file is taken for its own.
#[cfg(unix)]
fn is_ours(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let me = std::fs::metadata("/proc/self").map(|facts| facts.uid());
    matches!((file.metadata(), me), (Ok(facts), Ok(me)) if facts.uid() == me)
}

impl PageSource for AnySource {
    fn len(&self) -> u64 {
        self.inner().len()
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.inner().read_at(off, buf)
    }

    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        self.inner().slice(off, len)
    }

    fn reach(&self) -> Reach {
        self.inner().reach()
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], off: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, off)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buf: &mut [u8], mut off: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        let got = file.seek_read(buf, off)?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        off += got as u64;
        buf = buf.get_mut(got..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
fn read_exact_at(mut file: &File, buf: &mut [u8], off: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    // Where there is no reading at an offset, there are no threads either.
    file.seek(SeekFrom::Start(off))?;
    file.read_exact(buf)
}

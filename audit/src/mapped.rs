//! A file mapped into memory: no copies, and no errors either when somebody truncates it, but a signal. The only file of the
//! crate with unsafe code.
#![allow(
    unsafe_code,
    reason = "mapping a file is unsafe in any library; this file is the one place for it"
)]

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use etcd_store::{PageSource, SourceError};
use memmap2::{Advice, Mmap};

use crate::AuditError;

/// A regular file that only its owner can write, mapped. For snapshots at rest; never for the db file of a running etcd.
///
/// The owner must leave the file alone while it is read: when it gets shorter the operating system ends the process.
/// [`FileSource`](crate::FileSource) has no such condition and costs one copy of the file.
#[derive(Debug)]
pub struct MappedSource {
    map: Mmap,
}

impl MappedSource {
    /// Maps the file.
    ///
    /// # Errors
    /// [`AuditError::Open`], [`AuditError::NotAFile`], and [`AuditError::NotPrivate`] where others than the owner may write.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        if !std::fs::metadata(path).map_err(AuditError::Open)?.is_file() {
            return Err(AuditError::NotAFile);
        }
        let file = File::open(path).map_err(AuditError::Open)?;
        let facts = file.metadata().map_err(AuditError::Open)?;
        if !facts.is_file() {
            return Err(AuditError::NotAFile);
        }
        if !is_private(&facts) {
            return Err(AuditError::NotPrivate);
        }
        // SAFETY: the map is read-only, and only the owner of the file, who started this, can change it meanwhile; the type's
        // contract asks him not to. Nothing is kept between two looks at the same bytes but checked numbers, so a change that
        // happens all the same gives wrong figures or an error.
        let map = unsafe { Mmap::map(&file) }.map_err(AuditError::Open)?;
        // Only a hint: without it the pages come in as they are touched.
        let _ = map.advise(Advice::WillNeed);
        Ok(Self { map })
    }
}

fn is_private(facts: &Metadata) -> bool {
    facts.mode() & 0o022 == 0
}

impl PageSource for MappedSource {
    fn len(&self) -> u64 {
        self.map.len() as u64
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        <[u8] as PageSource>::read_at(&self.map, off, buf)
    }

    fn slice(&self, off: u64, len: usize) -> Option<&[u8]> {
        <[u8] as PageSource>::slice(&self.map, off, len)
    }
}

//! etcd's write-ahead log: every write as clients sent it, kept long after the database has forgotten it.
//!     file: frame ... frame | zeros
//!     frame: length u64, little-endian (bits 0..55 record bytes; bit 63: bits 56..58 padding bytes) | record | padding
//!     record: 1 type | 2 crc | 3 data       crc: CRC-32C over all data so far, carried on from file to file
//!     entry: 1 type | 2 term | 3 index | 4 data       state: 1 term | 2 vote | 3 commit

use alloc::vec::Vec;
use core::fmt;

use crate::hash::crc32c;
use crate::key_value::{Data, Field};
use crate::{Error, ErrorKind, PageSource};

mod request;
pub use request::{Place, Written};

/// etcd refuses records above 10 MB; a configured request limit may be higher.
const MAX_RECORD: u64 = 128 << 20;

/// Reader of one log file, from its first record to its end or to its torn tail.
///
/// A file that is still written, or was when the machine died, ends in the middle of a frame or in zeros; that is no
/// error, see [`is_torn`](Self::is_torn).
pub struct Log<S> {
    source: S,
    at: u64,
    crc: Option<u32>,
    torn: bool,
    ended: bool,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Place of its frame in the file, in bytes.
    pub offset: u64,
    /// What the data is.
    pub kind: Kind,
    /// The message inside.
    pub data: &'a [u8],
    /// Whether the checksum holds. A record whose checksum does not was damaged or torn; what follows it may be sound.
    pub sound: bool,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Ids of member and cluster.
    Metadata,
    /// A raft entry: see [`Record::entry`].
    Entry,
    /// Raft's hard state: see [`Record::commit`].
    State,
    /// The checksum the file starts from.
    Crc,
    /// A mark that a raft snapshot was taken.
    Snapshot,
    /// Nothing etcd writes today.
    Other(u64),
}

/// One raft entry. A later entry with the same or a lower index replaces this one and all behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Raft term.
    pub term: u64,
    /// Raft index.
    pub index: u64,
    /// Whether it is a request; if not, it changes the cluster's members.
    pub normal: bool,
    /// The request.
    pub data: &'a [u8],
    offset: u64,
}

impl<S: PageSource> Log<S> {
    /// Starts at the first record. `crc` is [`Log::crc`] of the file before this one, where that was read.
    pub const fn new(source: S, crc: Option<u32>) -> Self {
        Self {
            source,
            at: 0,
            crc,
            torn: false,
            ended: false,
        }
    }

    /// The next record, or `None` at the end. `buffer` is used when the source cannot lend its bytes; reuse it.
    ///
    /// # Errors
    /// [`ErrorKind::BadWalRecord`] when a frame holds no record, [`ErrorKind::RunTooLarge`] above 128 MiB,
    /// [`ErrorKind::Io`]; the log ends there.
    pub fn next_record<'a>(
        &'a mut self,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<Record<'a>>, Error> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let offset = self.at;
        let left = self.source.len().saturating_sub(offset);
        let io = |e| Error::new(ErrorKind::Io(e));
        let Some(room) = left.checked_sub(8) else {
            self.torn = left != 0;
            return Ok(None);
        };
        let mut word = [0; 8];
        self.source.read_at(offset, &mut word).map_err(io)?;
        let word = u64::from_le_bytes(word);
        if word == 0 {
            return Ok(None);
        }
        let len = word & 0x00ff_ffff_ffff_ffff;
        let padding = if word >> 63 == 1 { (word >> 56) & 7 } else { 0 };
        if len + padding > room {
            self.torn = true;
            return Ok(None);
        }
        if len > MAX_RECORD {
            return Err(Error::new(ErrorKind::RunTooLarge { bytes: len }));
        }
        let size = usize::try_from(len).map_err(|_| Error::new(ErrorKind::OutOfRange))?;
        let message = match self.source.slice(offset + 8, size) {
            Some(found) => found,
            None => {
                buffer.clear();
                buffer
                    .try_reserve(size)
                    .map_err(|_| Error::new(ErrorKind::OutOfMemory { bytes: len }))?;
                buffer.resize(size, 0);
                self.source.read_at(offset + 8, buffer).map_err(io)?;
                buffer
            }
        };
        let bad = Error::new(ErrorKind::BadWalRecord { offset });
        let (kind, stated, data) = record(message).ok_or(bad)?;
        let expected = match (kind, self.crc) {
            // A log's first record states the value to start from; with a file before it, both must agree.
            (Kind::Crc, None) => stated,
            (Kind::Crc, Some(crc)) => crc,
            (_, crc) => crc32c(crc.unwrap_or(0), data),
        };
        self.crc = Some(stated);
        self.at = offset + 8 + len + padding;
        self.ended = false;
        Ok(Some(Record {
            offset,
            kind,
            data,
            sound: expected == stated,
        }))
    }

    /// The running checksum, with which the next file of the log starts.
    #[must_use]
    pub const fn crc(&self) -> Option<u32> {
        self.crc
    }

    /// Place behind the last record read, in bytes.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.at
    }

    /// Whether the log ended inside a frame.
    #[must_use]
    pub const fn is_torn(&self) -> bool {
        self.torn
    }
}

fn record(mut message: &[u8]) -> Option<(Kind, u32, &[u8])> {
    let (mut kind, mut crc, mut data) = (0, 0, [].as_slice());
    while !message.is_empty() {
        let (field, rest) = Field::parse(message)?;
        message = rest;
        match (field.number, field.data) {
            (1, Data::Varint(v)) => kind = v,
            (2, Data::Varint(v)) => crc = v as u32,
            (3, Data::Bytes(b)) => data = b,
            (1..=3, _) => return None,
            _ => {}
        }
    }
    let kind = match kind {
        1 => Kind::Metadata,
        2 => Kind::Entry,
        3 => Kind::State,
        4 => Kind::Crc,
        5 => Kind::Snapshot,
        other => Kind::Other(other),
    };
    Some((kind, crc, data))
}

impl<'a> Record<'a> {
    /// The raft entry of a record of that kind.
    ///
    /// # Errors
    /// [`ErrorKind::BadWalRecord`].
    pub fn entry(&self) -> Result<Option<Entry<'a>>, Error> {
        if self.kind != Kind::Entry {
            return Ok(None);
        }
        let mut entry = Entry {
            term: 0,
            index: 0,
            normal: true,
            data: &[],
            offset: self.offset,
        };
        self.fields(|number, data| match (number, data) {
            (1, Data::Varint(v)) => entry.normal = v == 0,
            (2, Data::Varint(v)) => entry.term = v,
            (3, Data::Varint(v)) => entry.index = v,
            (4, Data::Bytes(b)) => entry.data = b,
            _ => {}
        })?;
        Ok(Some(entry))
    }

    /// The index up to which a record of raft's hard state says all is committed.
    ///
    /// # Errors
    /// [`ErrorKind::BadWalRecord`].
    pub fn commit(&self) -> Result<Option<u64>, Error> {
        if self.kind != Kind::State {
            return Ok(None);
        }
        let mut commit = 0;
        self.fields(|number, data| {
            if let (3, Data::Varint(v)) = (number, data) {
                commit = v;
            }
        })?;
        Ok(Some(commit))
    }

    fn fields(&self, mut take: impl FnMut(u64, Data<'a>)) -> Result<(), Error> {
        let mut message = self.data;
        while !message.is_empty() {
            let bad = Error::new(ErrorKind::BadWalRecord {
                offset: self.offset,
            });
            let (field, rest) = Field::parse(message).ok_or(bad)?;
            take(field.number, field.data);
            message = rest;
        }
        Ok(())
    }
}

impl<'a> Entry<'a> {
    /// Calls `visit` with each value a client sent in this request: puts, both branches of transactions, and the
    /// values transactions compare with (a failed branch is on disk all the same).
    ///
    /// # Errors
    /// [`ErrorKind::BadWalRecord`]: no request of etcd's v3 interface. Old members write a few such; count and go on.
    pub fn values(&self, visit: &mut dyn FnMut(Written<'a>)) -> Result<(), Error> {
        if !self.normal {
            return Ok(());
        }
        request::values(self.data, visit).ok_or(Error::new(ErrorKind::BadWalRecord {
            offset: self.offset,
        }))
    }
}

impl<S> fmt::Debug for Log<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("at", &self.at)
            .field("torn", &self.torn)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("offset", &self.offset)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("term", &self.term)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

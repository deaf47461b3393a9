//! The one error type of the crate, and the warnings that do not stop a reader.

use core::fmt;

use crate::SourceError;

/// Why the file, or one part of it, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Page whose content is wrong, where one page is to blame.
    pub page: Option<u64>,
    /// Element of that page (or of the inline bucket in it), counted from 0.
    pub element: Option<u32>,
}

/// What is wrong with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Neither meta page is one: not an etcd backend file.
    NotBbolt {
        /// What the file looks like instead.
        hint: Hint,
    },
    /// A meta page with a good checksum names an impossible page size, in bytes.
    BadPageSize {
        /// The page size found.
        found: u32,
    },
    /// The file is shorter than its meta page says.
    Truncated {
        /// Bytes the pages need.
        need: u64,
        /// Bytes present, without a trailer.
        have: u64,
    },
    /// A number in the file leads outside what 64 bits or this machine can address.
    OutOfRange,
    /// A page id that no tree page can have (0, 1, or at or above the high-water mark).
    BadPageId {
        /// The id found.
        id: u64,
    },
    /// The page says it is another one.
    PageIdMismatch {
        /// The id its header holds.
        found: u64,
    },
    /// Not a branch or leaf page where one is due.
    BadPageType {
        /// The flags found.
        flags: u16,
    },
    /// A page reached twice: a cycle, a shared child, or overlapping runs.
    PageReused,
    /// The run reaches beyond the high-water mark or the file.
    BadOverflow {
        /// Further pages the header claims.
        overflow: u32,
    },
    /// One run is larger than the reader's limit, in bytes.
    RunTooLarge {
        /// Bytes of the run.
        bytes: u64,
    },
    /// The element array does not fit the run, or the page is empty where it may not be.
    BadCount {
        /// Elements the header claims.
        count: u16,
    },
    /// An element's key or value leaves its run, or overlaps another's.
    BadElement,
    /// Keys are not strictly ascending, or lie outside their parent's separators.
    BadOrder,
    /// The tree is deeper than 32 levels.
    TooDeep,
    /// A bucket's value is too short to name its root.
    BadBucket,
    /// A bucket inside a bucket, which etcd never writes.
    NestedBucket,
    /// The small bucket stored inside its parent's page is malformed.
    BadInlineBucket,
    /// A bbolt file, but without etcd's buckets.
    NotEtcd,
    /// The root page holds what no root holds: a copy taken while the file was written.
    TornCopy,
    /// A key of bucket `key` is not a revision.
    BadRevisionKey,
    /// A row's value is not a `KeyValue` message.
    BadKeyValue,
    /// The source failed.
    Io(SourceError),
    /// The allocator refused memory for one run.
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// A revision later than the newest one of the file was asked for.
    FutureRevision {
        /// The newest revision.
        current: i64,
    },
    /// A revision was asked for whose rows compaction may have removed.
    Compacted {
        /// The compact revision.
        compact: i64,
    },
    /// A record or request of a write-ahead log is malformed.
    BadWalRecord {
        /// Place of the record in its file, in bytes.
        offset: u64,
    },
}

/// What a file that is not an etcd backend looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// Nothing known.
    Unknown,
    /// No bytes.
    Empty,
    /// Shorter than two pages.
    TooShort,
    /// SQLite 3, as k3s writes through kine.
    Sqlite,
    /// SQLite's own write-ahead log.
    SqliteWal,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// A tar archive.
    Tar,
    /// A zip archive.
    Zip,
    /// etcd's write-ahead log.
    EtcdWal,
    /// JSON text.
    Json,
    /// Only zero bytes where the metas belong.
    Zeros,
    /// bbolt's magic is there, but no meta page has a good checksum.
    DamagedMetas,
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            page: None,
            element: None,
        }
    }

    pub(crate) const fn on(kind: ErrorKind, page: u64) -> Self {
        Self {
            kind,
            page: Some(page),
            element: None,
        }
    }

    pub(crate) const fn at(kind: ErrorKind, page: u64, element: u32) -> Self {
        Self {
            kind,
            page: Some(page),
            element: Some(element),
        }
    }

    /// The stable name of the kind, for reports and bindings. Never reworded.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl ErrorKind {
    /// See [`Error::code`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotBbolt { .. } => "not-bbolt",
            Self::BadPageSize { .. } => "bad-page-size",
            Self::Truncated { .. } => "truncated",
            Self::OutOfRange => "out-of-range",
            Self::BadPageId { .. } => "bad-page-id",
            Self::PageIdMismatch { .. } => "page-id-mismatch",
            Self::BadPageType { .. } => "bad-page-type",
            Self::PageReused => "page-reused",
            Self::BadOverflow { .. } => "bad-overflow",
            Self::RunTooLarge { .. } => "run-too-large",
            Self::BadCount { .. } => "bad-count",
            Self::BadElement => "bad-element",
            Self::BadOrder => "bad-order",
            Self::TooDeep => "too-deep",
            Self::BadBucket => "bad-bucket",
            Self::NestedBucket => "nested-bucket",
            Self::BadInlineBucket => "bad-inline-bucket",
            Self::NotEtcd => "not-etcd",
            Self::TornCopy => "torn-copy",
            Self::BadRevisionKey => "bad-revision-key",
            Self::BadKeyValue => "bad-key-value",
            Self::Io(_) => "io",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::FutureRevision { .. } => "future-revision",
            Self::Compacted { .. } => "compacted",
            Self::BadWalRecord { .. } => "bad-wal-record",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBbolt { hint } => write!(f, "not an etcd backend file: {hint}"),
            Self::BadPageSize { found } => {
                write!(f, "page size is {found}, a power of two from 512 to 16777216 is needed")
            }
            Self::Truncated { need, have } => write!(f, "file is truncated: its pages need {need} bytes, {have} are there"),
            Self::OutOfRange => f.write_str("a page lies beyond what can be addressed"),
            Self::BadPageId { id } => write!(f, "page id {id} is not one of a tree page of this file"),
            Self::PageIdMismatch { found } => write!(f, "page says it is page {found}"),
            Self::BadPageType { flags } => write!(f, "page flags are {flags:#06x}, a branch (0x0001) or leaf (0x0002) is needed"),
            Self::PageReused => f.write_str("page is reached twice"),
            Self::BadOverflow { overflow } => write!(f, "{overflow} overflow pages reach beyond the file"),
            Self::RunTooLarge { bytes } => write!(f, "one page run is {bytes} bytes, more than the reader's limit"),
            Self::BadCount { count } => write!(f, "element count {count} does not fit the page"),
            Self::BadElement => f.write_str("element leaves its page or overlaps another"),
            Self::BadOrder => f.write_str("keys are not in order"),
            Self::TooDeep => f.write_str("tree is deeper than 32 levels"),
            Self::BadBucket => f.write_str("bucket value is shorter than the 16 bytes of a bucket header"),
            Self::NestedBucket => f.write_str("bucket inside a bucket, which etcd never writes"),
            Self::BadInlineBucket => f.write_str("inline bucket is malformed"),
            Self::NotEtcd => f.write_str("a bbolt file without etcd's buckets `key` and `meta`"),
            Self::TornCopy => f.write_str(
                "root page does not hold etcd's buckets: probably a copy taken while etcd was writing; use `etcdctl snapshot save`",
            ),
            Self::BadRevisionKey => f.write_str("row key is not an etcd revision"),
            Self::BadKeyValue => f.write_str("row value is not an etcd KeyValue message"),
            Self::Io(source) => write!(f, "{source}"),
            Self::OutOfMemory { bytes } => write!(f, "no memory for a run of {bytes} bytes"),
            Self::FutureRevision { current } => write!(f, "revision is in the future, the newest is {current}"),
            Self::Compacted { compact } => write!(f, "revision has been compacted, the oldest readable is {compact}"),
            Self::BadWalRecord { offset } => write!(f, "write-ahead log record at byte {offset} is malformed"),
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no bbolt meta page found",
            Self::Empty => "the file is empty",
            Self::TooShort => "the file is shorter than two pages",
            Self::Sqlite => "it is a SQLite database (k3s keeps its state so; read it as kine)",
            Self::SqliteWal => "it is a SQLite write-ahead log; the database lies beside it",
            Self::Gzip => "it is gzip-compressed; decompress it first",
            Self::Zstd => "it is zstd-compressed; decompress it first",
            Self::Tar => "it is a tar archive; unpack it first",
            Self::Zip => "it is a zip archive; unpack it first",
            Self::EtcdWal => "it is an etcd write-ahead log; the database is member/snap/db",
            Self::Json => "it is JSON text",
            Self::Zeros => "it starts with zeros only",
            Self::DamagedMetas => "bbolt's mark is there, but both meta pages are damaged",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.page, self.element) {
            (Some(page), Some(element)) => {
                write!(f, "page {page}, element {element}: {}", self.kind)
            }
            (Some(page), None) => write!(f, "page {page}: {}", self.kind),
            _ => write!(f, "{}", self.kind),
        }
    }
}

impl core::error::Error for Error {}

/// Something odd that does not keep the file from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// One meta page (0 or 1) is torn or damaged; the other was used.
    DamagedMeta {
        /// Which one.
        slot: u8,
    },
    /// The file is shorter than its pages; read only because the options allow it.
    Truncated {
        /// Bytes the pages need.
        need: u64,
        /// Bytes present.
        have: u64,
    },
    /// The freelist named by the meta page is not one, or disagrees with the tree.
    BadFreelist {
        /// Its page.
        page: u64,
    },
    /// A bucket's value is longer than its header.
    LongBucketValue {
        /// Page of the root bucket that holds it.
        page: u64,
        /// Element there.
        element: u32,
    },
    /// A value of bucket `meta` has the wrong length and is ignored.
    BadMetaValue {
        /// Name of the value, as etcd spells it.
        name: &'static str,
    },
    /// Elements do not lie directly behind each other, as every bbolt writer lays them.
    LoosePacking {
        /// The page.
        page: u64,
    },
}

impl Warning {
    /// The stable name, for reports and bindings. Never reworded.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DamagedMeta { .. } => "damaged-meta",
            Self::Truncated { .. } => "truncated",
            Self::BadFreelist { .. } => "bad-freelist",
            Self::LongBucketValue { .. } => "long-bucket-value",
            Self::BadMetaValue { .. } => "bad-meta-value",
            Self::LoosePacking { .. } => "loose-packing",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DamagedMeta { slot } => write!(
                f,
                "meta page {slot} is torn or damaged, the other one was used"
            ),
            Self::Truncated { need, have } => write!(
                f,
                "file is truncated: its pages need {need} bytes, {have} are there"
            ),
            Self::BadFreelist { page } => write!(
                f,
                "page {page}: freelist is damaged, free pages were found by walking the tree"
            ),
            Self::LongBucketValue { page, element } => write!(
                f,
                "page {page}, element {element}: bucket value is longer than its header"
            ),
            Self::BadMetaValue { name } => write!(
                f,
                "value {name} of bucket meta has the wrong length and was ignored"
            ),
            Self::LoosePacking { page } => write!(
                f,
                "page {page}: elements are not packed as bbolt packs them"
            ),
        }
    }
}

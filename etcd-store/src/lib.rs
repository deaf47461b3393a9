//! Read-only reader of etcd v3 backend files and snapshots (bbolt pages, MVCC rows).
//!
//! The crate has no file, thread, clock or random source: bytes come from a [`PageSource`], hash keys from the
//! caller, and nothing in the file is trusted. Each page of the tree is visited at most once, no allocation follows
//! an unchecked number, and every refusal is an [`Error`] with kind, page and element.
//!
//! ```text
//! Store::open   metas, trailer, root bucket, every bucket but `key`     -> facts and warnings
//! store.leaves  the leaf runs of bucket `key`, newest first, in batches -> claims pages, reads headers only
//! store.leaf    one run, checked row by row; independent of all others  -> may run on any thread
//! LiveSet       decides, newest first, which row is the current one of its name
//! store.free    what the tree does not reach
//! wal::Log      the records of a write-ahead log, which keeps what clients wrote longer than the database does
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bucket;
mod claims;
mod endian;
mod error;
mod free;
mod hash;
mod key_value;
mod layout;
mod leaf;
mod leaves;
mod live;
mod page;
mod revision;
mod source;
mod store;
mod tree;
pub mod wal;
mod window;

pub use claims::Claims;
pub use endian::Endian;
pub use error::{Error, ErrorKind, Hint, Warning};
pub use free::{FreeKind, FreePages, FreeRun, FreeRuns};
pub use key_value::{KeyValue, KeyValueFault};
pub use layout::{Layout, Meta, looks_like_store};
pub use leaf::{Leaf, Row, Rows};
pub use leaves::{LeafRun, Leaves};
pub use live::{Class, HashKey, LiveSet, NameHash};
pub use revision::{Revision, RowKey};
pub use source::{PageSource, Reach, SourceError};
pub use store::{Info, Options, Store};
pub use window::Batch;

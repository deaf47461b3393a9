//! Revision keys: the names of the rows in bucket `key`.
//!     main (8, big-endian) | '_' | sub (8, big-endian) | 't' on tombstones only

use core::fmt;

/// One step of the store's history: `main` counts transactions, `sub` the writes inside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Transaction, never negative.
    pub main: i64,
    /// Write within the transaction, never negative.
    pub sub: i64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.main, self.sub)
    }
}

/// A parsed revision key. Orders as the bytes order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The revision.
    pub revision: Revision,
    /// Whether the row says that its name was deleted.
    pub tombstone: bool,
}

impl RowKey {
    /// Parses 17 or 18 bytes; `None` for anything etcd never writes.
    #[must_use]
    pub fn parse(key: &[u8]) -> Option<Self> {
        let (main, rest) = key.split_first_chunk::<8>()?;
        let (mark, rest) = rest.split_first_chunk::<1>()?;
        let (sub, rest) = rest.split_first_chunk::<8>()?;
        let tombstone = match rest {
            [] => false,
            [b't'] => true,
            _ => return None,
        };
        let revision = Revision {
            main: i64::from_be_bytes(*main),
            sub: i64::from_be_bytes(*sub),
        };
        (mark == b"_" && revision.main >= 0 && revision.sub >= 0).then_some(Self {
            revision,
            tombstone,
        })
    }
}

//! Requests inside raft entries, and the values clients sent in them.
//!     request: 4 put | 6 txn       put: 1 key | 2 value | 3 lease       compare: 3 key | 7 value
//!     txn: 1 compare | 2 success op | 3 failure op       op: 2 put | 4 txn

use alloc::vec::Vec;
use core::fmt;

use crate::key_value::{Data, Field};

/// Transactions inside transactions beyond this are not looked into; etcd's own parsers give up far later.
const MAX_NESTING: usize = 64;

/// Where in a request a value stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A put of its own.
    Put,
    /// The branch of a transaction taken when its comparisons hold, as Kubernetes writes.
    Success,
    /// The other branch.
    Failure,
    /// A value compared with.
    Compare,
}

/// A value a client sent. `Debug` prints no content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// Where it stood.
    pub place: Place,
    /// The etcd key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// Lease id, 0 for none.
    pub lease: i64,
}

impl fmt::Debug for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written")
            .field("place", &self.place)
            .field("len", &self.value.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Message {
    Request,
    Txn,
    Op(Place),
}

/// `None` if any message is malformed.
pub(super) fn values<'a>(request: &'a [u8], visit: &mut dyn FnMut(Written<'a>)) -> Option<()> {
    let mut stack = Vec::from([(Message::Request, request)]);
    while let Some((message, bytes)) = stack.last_mut() {
        if bytes.is_empty() {
            stack.pop();
            continue;
        }
        let (field, rest) = Field::parse(bytes)?;
        *bytes = rest;
        let Data::Bytes(inner) = field.data else {
            continue;
        };
        let nested = match (*message, field.number) {
            (Message::Request, 4) => {
                visit(written(Place::Put, inner, 1, 2)?);
                continue;
            }
            (Message::Op(place), 2) => {
                visit(written(place, inner, 1, 2)?);
                continue;
            }
            (Message::Txn, 1) => {
                let compare = written(Place::Compare, inner, 3, 7)?;
                if !compare.value.is_empty() {
                    visit(compare);
                }
                continue;
            }
            (Message::Request, 6) | (Message::Op(_), 4) => Message::Txn,
            (Message::Txn, 2) => Message::Op(Place::Success),
            (Message::Txn, 3) => Message::Op(Place::Failure),
            _ => continue,
        };
        if stack.len() >= MAX_NESTING {
            return None;
        }
        stack.push((nested, inner));
    }
    Some(())
}

fn written(place: Place, mut message: &[u8], key: u64, value: u64) -> Option<Written<'_>> {
    let mut found = Written {
        place,
        key: &[],
        value: &[],
        lease: 0,
    };
    while !message.is_empty() {
        let (field, rest) = Field::parse(message)?;
        message = rest;
        match field.data {
            Data::Bytes(b) if field.number == key => found.key = b,
            Data::Bytes(b) if field.number == value => found.value = b,
            Data::Varint(v) if field.number == 3 => found.lease = v.cast_signed(),
            _ => {}
        }
    }
    Some(found)
}

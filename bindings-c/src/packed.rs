//! Lists of byte strings in one buffer, so that a call takes one pointer: each with its length in front (4 bytes, big endian).

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::status::Status;

/// The strings of a list, in order.
pub(crate) fn unpack<'a>(packed: &'a [u8], name: &str) -> Result<Vec<&'a [u8]>, Fault> {
    let mut rest = packed;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let short = || Fault::argument(format!("{name} is cut short"));
        let (len, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let len = u32::from_be_bytes(*len) as usize;
        let (item, behind) = behind.split_at_checked(len).ok_or_else(short)?;
        found.push(item);
        rest = behind;
    }
    Ok(found)
}

/// Annotations: name, value, name, value.
pub(crate) fn annotations(packed: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let items = unpack(packed, "annotations")?;
    let mut found = BTreeMap::new();
    for pair in items.chunks(2) {
        let &[name, value] = pair else {
            return Err(Fault::argument(
                "annotations end with a name without a value",
            ));
        };
        let name = std::str::from_utf8(name)
            .map_err(|_| Fault::call(Status::NotUtf8, "the name of an annotation is not UTF-8"))?;
        if found.insert(name.to_owned(), value.to_vec()).is_some() {
            return Err(Fault::argument(format!(
                "annotation {name:?} is given twice"
            )));
        }
    }
    Ok(found)
}

/// The list of these strings.
pub(crate) fn pack<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        // Longer strings than that do not get here: plugins' messages end far below.
        let len = u32::try_from(item.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(item);
    }
    out
}

/// A batch of values, laid end to end in one buffer.
pub(crate) struct Batch<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Batch<'a> {
    /// `ends` are the offsets behind each value; they must ascend, and the last be the length of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], ends: &'a [usize], name: &str) -> Result<Self, Fault> {
        if !ends.is_sorted() || ends.last().copied().unwrap_or(0) != bytes.len() {
            return Err(Fault::argument(format!(
                "the ends of {name} do not ascend to its length {}",
                bytes.len()
            )));
        }
        Ok(Self { bytes, ends })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let (bytes, ends) = (self.bytes, self.ends);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        // Checked in `new`, so no value is left out.
        starts
            .zip(ends)
            .filter_map(move |(start, &end)| bytes.get(start..end))
    }
}

//! Objects in plaintext in raw bytes, told from those that rows hold.

use std::collections::HashSet;

use etcd_store::{HashKey, NameHash};
use k8s_object::find_protobuf;

/// Bytes from an object's beginning on that tell it from others; less is not compared.
const HEAD: usize = 64;
/// Beginnings remembered.
const MOST: usize = 4_000_000;

/// Beginnings of plaintext objects, in rows and in raw bytes.
#[derive(Default)]
pub(crate) struct Starts {
    rows: HashSet<NameHash>,
    raw: HashSet<NameHash>,
    bytes: u64,
}

impl Starts {
    /// Takes the value of a row.
    pub(crate) fn row(&mut self, value: &[u8], key: &HashKey) {
        if self.rows.len() < MOST
            && find_protobuf(value.get(..HEAD).unwrap_or_default()) == Some(0)
            && let Some(head) = value.get(..HEAD)
        {
            self.rows.insert(key.hash(head));
        }
    }

    /// Takes one page.
    pub(crate) fn page(&mut self, page: &[u8], key: &HashKey) {
        self.bytes += page.len() as u64;
        let mut rest = page;
        while let Some(at) = find_protobuf(rest) {
            let found = rest.get(at..).unwrap_or_default();
            if let (Some(head), true) = (found.get(..HEAD), self.raw.len() < MOST) {
                self.raw.insert(key.hash(head));
            }
            rest = found.get(4..).unwrap_or_default();
        }
    }

    /// How many objects begin in the raw bytes and in no row; `None` when no raw bytes were given.
    pub(crate) fn beyond_rows(&self) -> Option<u64> {
        (self.bytes > 0).then(|| self.raw.difference(&self.rows).count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use etcd_store::HashKey;

    use super::Starts;

    fn object(name: u8) -> Vec<u8> {
        let mut object = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12".to_vec();
        object.resize(200, name);
        object
    }

    #[test]
    fn what_rows_hold_is_not_residue() {
        let key = HashKey::new([1; 16]);
        let mut starts = Starts::default();
        assert_eq!(starts.beyond_rows(), None);
        starts.row(&object(1), &key);
        starts.row(b"short", &key);
        let page = [
            &[0; 100][..],
            &object(1),
            &object(2),
            &object(2),
            &object(3)[..40],
        ]
        .concat();
        starts.page(&page, &key);
        // The cut one is too short to be told from others.
        assert_eq!(starts.beyond_rows(), Some(1));
    }
}

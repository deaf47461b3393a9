//! Objects in plaintext in raw bytes, told from those that rows hold.

use std::collections::HashSet;

use etcd_store::{HashKey, NameHash};
use k8s_object::object_starts;

/// Bytes from an object's beginning on that tell it from others; less is not compared.
const HEAD: usize = 64;
/// As many of JSON, whose type and names of fields take up the first ones.
const TEXT_HEAD: usize = 192;
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
    /// Takes the value of a row, with what it holds in text of its own, such as a manifest in a ConfigMap.
    pub(crate) fn row(&mut self, value: &[u8], key: &HashKey) {
        add(&mut self.rows, value, key);
    }

    /// Takes one page.
    pub(crate) fn page(&mut self, page: &[u8], key: &HashKey) {
        self.bytes += page.len() as u64;
        add(&mut self.raw, page, key);
    }

    /// How many objects begin in the raw bytes and in no row; `None` when no raw bytes were given.
    pub(crate) fn beyond_rows(&self) -> Option<u64> {
        (self.bytes > 0).then(|| self.raw.difference(&self.rows).count() as u64)
    }
}

fn add(starts: &mut HashSet<NameHash>, bytes: &[u8], key: &HashKey) {
    for at in object_starts(bytes) {
        let head = bytes.get(at..).and_then(head);
        if let (Some(head), true) = (head, starts.len() < MOST) {
            starts.insert(key.hash(head));
        }
    }
}

/// What tells the object that begins here from others; all of it, where it is short text.
fn head(object: &[u8]) -> Option<&[u8]> {
    if object.first() != Some(&b'{') {
        return object.get(..HEAD);
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in object.iter().take(TEXT_HEAD).enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted && depth == 1 => return object.get(..=at),
            b'}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    object.get(..TEXT_HEAD)
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

    #[test]
    fn json_is_plaintext_too() {
        let key = HashKey::new([1; 16]);
        let custom = |name: &str| {
            format!(
                r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"{name}","uid":"0"}}}}"#
            )
        };
        let mut starts = Starts::default();
        starts.row(custom("kept").as_bytes(), &key);
        starts.row(
            format!("k8s text of a manifest: {}", custom("shown")).as_bytes(),
            &key,
        );
        let page = ["kept", "shown", "gone"].map(custom).join("\n");
        starts.page(page.as_bytes(), &key);
        assert_eq!(starts.beyond_rows(), Some(1));
    }
}

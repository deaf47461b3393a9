//! Where Kubernetes objects begin in bytes that begin and end anywhere, such as pages of a file.
//!     protobuf: 6b 38 73 00 | 0a length | 0a apiVersion | 12 kind
//!     JSON: { "apiVersion" : "v1" ,  or  { "kind" : "Secret" , "apiVersion"        CBOR: d9 d9 f7 | map | text

use crate::proto;

const JSON: u8 = b'{';
const CBOR: &[u8] = &[0xd9, 0xd9, 0xf7];
/// Longest apiVersion or kind looked for: a DNS name, a slash and a version fit.
const WORD: usize = 320;

/// Where objects begin, in the order of the bytes. The objects themselves may be cut behind their first words. An object
/// inside another's JSON, such as an owner's reference, begins nowhere.
pub fn object_starts(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let starts = bytes.iter().enumerate();
    starts
        .filter(|(_, byte)| matches!(**byte, b'k' | JSON | 0xd9))
        .map(|(at, _)| at)
        .filter(|at| {
            let (before, rest) = bytes.split_at(*at);
            proto::begins(rest) || (json_begins(rest) && !in_json(before)) || cbor_begins(rest)
        })
}

/// Whether these bytes end where a value of JSON may stand.
fn in_json(before: &[u8]) -> bool {
    let text = before.trim_ascii_end();
    match text {
        [.., b'"', b':'] | [.., b':' | b'[' | b',', b'['] => true,
        [.., last, b','] => matches!(last, b'}' | b']' | b'"' | b'0'..=b'9' | b'e' | b'l'),
        _ => false,
    }
}

fn json_begins(bytes: &[u8]) -> bool {
    member(bytes, JSON).is_some_and(|(name, word, rest)| match name {
        b"apiVersion" => is_version(word) && next_name(rest).is_some(),
        b"kind" => {
            word.iter().all(u8::is_ascii_alphanumeric) && next_name(rest) == Some(b"apiVersion")
        }
        _ => false,
    })
}

/// A group and a version, or a version: `apps/v1`, `v1`.
fn is_version(word: &[u8]) -> bool {
    let version = word.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"-./".contains(byte);
    matches!(version, [b'v', b'0'..=b'9', ..]) && word.iter().all(named)
}

/// A name and its text behind `mark`, and what follows.
fn member(bytes: &[u8], mark: u8) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = quoted(marked(bytes, mark)?)?;
    let (word, rest) = quoted(marked(rest, b':')?)?;
    Some((name, word, rest))
}

fn next_name(bytes: &[u8]) -> Option<&[u8]> {
    Some(quoted(marked(bytes, b',')?)?.0)
}

fn marked(bytes: &[u8], mark: u8) -> Option<&[u8]> {
    bytes.trim_ascii_start().strip_prefix(&[mark])
}

fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = marked(bytes, b'"')?;
    let end = text.iter().take(WORD).position(|byte| *byte == b'"')?;
    let (word, rest) = text.split_at(end);
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    (!word.is_empty() && word.iter().all(plain)).then(|| (word, rest.get(1..).unwrap_or_default()))
}

/// The mark, a map, and a name of letters as its first key.
fn cbor_begins(bytes: &[u8]) -> bool {
    let Some([map, key, rest @ ..]) = bytes.strip_prefix(CBOR) else {
        return false;
    };
    let length = usize::from(key & 0x1f);
    let name = rest.get(..length).unwrap_or_default();
    // kube-apiserver writes names as byte strings.
    map >> 5 == 5
        && matches!(key >> 5, 2 | 3)
        && matches!(length, 1..24)
        && name.len() == length
        && name.iter().all(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::object_starts;

    fn starts(bytes: &[u8]) -> Vec<usize> {
        object_starts(bytes).collect()
    }

    #[test]
    fn every_encoding_begins_somewhere() {
        let protobuf = b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12";
        // As kube-apiserver writes a built-in type, a custom resource, and as others space it.
        let built_in = br#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"}}"#;
        let custom = br#"{"apiVersion":"example.com/v1alpha1","data":{},"kind":"Widget"}"#;
        let spaced = br#"{"apiVersion": "v1", "kind": "Secret"}"#;
        let cbor = b"\xd9\xd9\xf7\xa2\x44kind\x46Widget\x4aapiVersion\x62v1";
        for object in [&protobuf[..], built_in, custom, spaced, cbor] {
            assert_eq!(starts(object), [0]);
            let two = [b"\0\x07k8s{\xd9", object, b"\n", object].concat();
            assert_eq!(starts(&two), [7, 8 + object.len()]);
            assert!(starts(&object[..8]).is_empty());
        }
    }

    #[test]
    fn what_stands_inside_an_object_begins_none() {
        let owned = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet"}, {"apiVersion":"apps/v1","kind":"X"}],"o": {"kind":"A","apiVersion":"v1"}}}"#;
        assert_eq!(starts(owned), [0]);
    }

    #[test]
    fn nothing_else_begins_an_object() {
        for other in [
            &br#"{"apiVersion":"v1"}"#[..],
            br#"{"apiVersion":"latest","kind":"Secret"}"#,
            br#"{"kind":"Secret","metadata":{}}"#,
            br#"{"kind":"a b","apiVersion":"v1"}"#,
            br#"{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}"#,
            b"k8s\0\x0a\x04\x0a\x02v1",
            b"\xd9\xd9\xf7\x82\x44kind",
            b"\xd9\xd9\xf7\xa2\x44k\0nd",
        ] {
            assert!(starts(other).is_empty(), "{}", other.escape_ascii());
        }
    }
}

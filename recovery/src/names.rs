//! Names of files, from names that an attacker may have chosen.

use k8s_object::EtcdName;

/// Longest part of a path, in bytes; file systems take 255.
const LONGEST: usize = 150;

/// One part of a path: letters, digits, `-`, `_` and inner dots stay, every other byte becomes `%XX`. Never empty, never
/// `.` or `..`, never with a separator, never hidden.
#[must_use]
pub fn file_name(name: &[u8]) -> String {
    let mut out = String::new();
    for (at, byte) in name.iter().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_')
            || (*byte == b'.' && at > 0);
        if plain {
            out.push(char::from(*byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    if out.is_empty() {
        out.push('%');
    }
    out
}

/// Folders below the output and the file without its extension. `tag` tells apart what else would share a name.
pub(crate) fn path_of(
    name: Option<&EtcdName<'_>>,
    etcd_key: &[u8],
    tag: &str,
) -> (Vec<String>, String) {
    let Some(name) = name else {
        return (vec!["other".to_owned()], cut(file_name(etcd_key), tag));
    };
    let mut folders = vec![cut(file_name(name.to_string().as_bytes()), tag)];
    if let Some(namespace) = name.namespace {
        folders.push(cut(file_name(namespace), tag));
    }
    (folders, cut(file_name(name.name), tag))
}

fn cut(mut name: String, tag: &str) -> String {
    if name.len() > LONGEST {
        name.truncate(LONGEST);
        name = format!("{name}~{tag}");
    }
    name
}

#[cfg(test)]
mod tests {
    use k8s_object::EtcdName;

    use super::{file_name, path_of};

    #[test]
    fn no_name_leaves_its_folder() {
        let cases: [(&[u8], &str); 10] = [
            (b"db-credentials", "db-credentials"),
            (b"app.v1", "app.v1"),
            (b"system:node", "system%3Anode"),
            (b"..", "%2E."),
            (b".", "%2E"),
            (b".bashrc", "%2Ebashrc"),
            (b"../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            (b"a\\b\0c\n", "a%5Cb%00c%0A"),
            (b"", "%"),
            ("caf\u{e9}\u{202e}".as_bytes(), "caf%C3%A9%E2%80%AE"),
        ];
        for (name, expected) in cases {
            assert_eq!(file_name(name), expected);
        }
    }

    #[test]
    fn long_names_stay_apart() {
        let key = [b"/registry/secrets/ns/".as_slice(), &[b'a'; 4000]].concat();
        let name = EtcdName::from_etcd_key(&key, None).unwrap();
        let (folders, one) = path_of(Some(&name), &key, "7.0");
        assert_eq!(folders, ["secrets", "ns"]);
        assert!(one.len() < 200 && one.ends_with("~7.0"), "{one}");
        assert_ne!(one, path_of(Some(&name), &key, "8.0").1);
    }
}

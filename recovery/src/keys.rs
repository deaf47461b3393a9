//! Keys that come without a configuration: from a file, a file descriptor, a prompt or the environment.

use k8senc::secret::SecretBytes;
use k8senc_audit::trial::{SIZES, decode, unhex};

/// A key, and in a few words what was left out of the text it was in, such as a line feed.
pub type ParsedKey = (SecretBytes, Option<&'static str>);

/// A key as people keep it: 16, 24 or 32 raw bytes, or base64 or hex of so many, with or without white space around.
/// Where that gives none, the line feed that `echo` or an editor adds is left out: behind raw bytes, or before they were
/// encoded. A key of 17, 25 or 33 bytes is none to kube-apiserver. `None` for anything else.
#[must_use]
pub fn parse_key(text: &[u8]) -> Option<ParsedKey> {
    let sized = |key: &[u8]| SIZES.contains(&key.len());
    let whole = |key: &[u8]| Some((SecretBytes::from_slice(key), None));
    if sized(text) && !text.iter().all(|b| b.is_ascii_graphic()) {
        return whole(text);
    }
    let trimmed = text.trim_ascii();
    let decoded = [decode(trimmed), unhex(trimmed)];
    if let Some(key) = decoded.iter().flatten().find(|key| sized(key)) {
        return whole(key);
    }
    if sized(text) {
        return whole(text);
    }
    let cut = decoded
        .iter()
        .flatten()
        .map(|key| key.as_slice())
        .chain([text])
        .filter_map(|key| key.strip_suffix(b"\n"))
        .flat_map(|key| [Some(key), key.strip_suffix(b"\r")])
        .flatten();
    let key = cut.into_iter().find(|key| sized(key))?;
    Some((
        SecretBytes::from_slice(key),
        Some("without the line feed at its end"),
    ))
}

#[cfg(test)]
mod tests {
    use super::parse_key;

    fn parsed(text: &[u8]) -> Option<(Vec<u8>, bool)> {
        let (key, cut) = parse_key(text)?;
        Some((key.expose().to_vec(), cut.is_some()))
    }

    #[test]
    fn keys_are_taken_in_every_usual_form() {
        let raw: Vec<u8> = (200..232).collect();
        // base64 and hex by coreutils.
        let forms: [&[u8]; 4] = [
            &raw,
            b"yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc=\n",
            b"yMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7f4OHi4-Tl5uc",
            b"c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7\r\n",
        ];
        for form in forms {
            assert_eq!(parsed(form).unwrap(), (raw.clone(), false));
        }
        // Sixteen bytes in base64 are 24 characters: the key is what was encoded.
        assert_eq!(
            parsed(b"MDEyMzQ1Njc4OWFiY2RlZg==").unwrap(),
            (b"0123456789abcdef".to_vec(), false)
        );
        assert_eq!(
            parsed(b"thirty-two characters, as it is!").unwrap().0.len(),
            32
        );
        for none in [&b""[..], b"short", b"\n", &[b'a'; 45]] {
            assert!(parse_key(none).is_none(), "{none:?}");
        }
    }

    #[test]
    fn a_line_feed_that_makes_no_key_is_left_out() {
        let typed = b"thirty-two characters, as it is!";
        // The last is what `echo 'thirty-two characters, as it is!' | base64` prints.
        let forms: [&[u8]; 4] = [
            b"thirty-two characters, as it is!\n",
            b"thirty-two characters, as it is!\r\n",
            b"thirty-two characters, as it is!\n\n",
            b"dGhpcnR5LXR3byBjaGFyYWN0ZXJzLCBhcyBpdCBpcyEK\n",
        ];
        for (form, same) in forms.into_iter().zip([true, true, false, true]) {
            let found = parsed(form);
            assert_eq!(found.is_some(), same, "{form:?}");
            assert!(found.is_none_or(|key| key == (typed.to_vec(), true)));
        }
        // One of 32 bytes with it is a key as it is: kube-apiserver takes it.
        let whole = b"thirty-one characters and a LF!\n";
        assert_eq!(parsed(whole).unwrap(), (whole.to_vec(), false));
    }
}

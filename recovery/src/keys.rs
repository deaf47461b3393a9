//! Keys that come without a configuration: from a file, a file descriptor, a prompt or the environment.

use k8senc::secret::SecretBytes;
use k8senc_audit::trial::{SIZES, decode};
use zeroize::Zeroizing;

/// A key as people keep it: 16, 24 or 32 raw bytes, or base64 or hex of so many, with or without white space around.
/// `None` for anything else.
#[must_use]
pub fn parse_key(text: &[u8]) -> Option<SecretBytes> {
    if SIZES.contains(&text.len()) && !text.iter().all(|b| b.is_ascii_graphic()) {
        return Some(SecretBytes::from_slice(text));
    }
    let trimmed = text.trim_ascii();
    let decoded = [decode(trimmed), unhex(trimmed)];
    decoded
        .into_iter()
        .flatten()
        .find(|key| SIZES.contains(&key.len()))
        .map(|key| SecretBytes::from_slice(&key))
        .or_else(|| {
            SIZES
                .contains(&text.len())
                .then(|| SecretBytes::from_slice(text))
        })
}

fn unhex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut key = Zeroizing::new(Vec::with_capacity(32));
    if text.len() > 64 || !text.len().is_multiple_of(2) {
        return None;
    }
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        key.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::parse_key;

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
            assert_eq!(parse_key(form).unwrap().expose(), raw);
        }
        // Sixteen bytes in base64 are 24 characters: the key is what was encoded.
        assert_eq!(
            parse_key(b"MDEyMzQ1Njc4OWFiY2RlZg==").unwrap().expose(),
            b"0123456789abcdef"
        );
        assert_eq!(
            parse_key(b"thirty-two characters, as it is!")
                .unwrap()
                .len(),
            32
        );
        for none in [&b""[..], b"short", b"\n", &[b'a'; 45]] {
            assert!(parse_key(none).is_none(), "{none:?}");
        }
    }
}

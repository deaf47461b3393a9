//! Keys that come without a configuration: from a file, a file descriptor, a prompt or the environment.

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use k8senc::secret::SecretBytes;
use zeroize::Zeroizing;

const SIZES: [usize; 3] = [16, 24, 32];

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

/// A key and what it may have been before somebody encoded it once too often, or once too few; with words for that.
pub(crate) fn variants(key: &[u8]) -> Vec<(SecretBytes, Option<&'static str>)> {
    let mut all = vec![(SecretBytes::from_slice(key), None)];
    if let Some(inner) = decode(key.trim_ascii()).filter(|inner| SIZES.contains(&inner.len())) {
        let why = "the key was base64-encoded twice: decode it once more";
        all.push((SecretBytes::from_slice(&inner), Some(why)));
    }
    let mut outer = Zeroizing::new(vec![0; key.len().div_ceil(3) * 4]);
    if let Ok(text) = Base64::encode(key, &mut outer)
        && SIZES.contains(&text.len())
    {
        let why = "the value was written with the base64 text of this key as the key: encode it once more";
        all.push((SecretBytes::from_slice(text.as_bytes()), Some(why)));
    }
    all
}

fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // A crafted file of keys is no reason to allocate much.
    if text.is_empty() || text.len() > 1024 {
        return None;
    }
    let mut room = Zeroizing::new(vec![0; text.len()]);
    let text = core::str::from_utf8(text).ok()?;
    type Decode = fn(&str, &mut [u8]) -> Option<usize>;
    let forms: [Decode; 4] = [
        |text, room| Some(Base64::decode(text, room).ok()?.len()),
        |text, room| Some(Base64Unpadded::decode(text, room).ok()?.len()),
        |text, room| Some(Base64Url::decode(text, room).ok()?.len()),
        |text, room| Some(Base64UrlUnpadded::decode(text, room).ok()?.len()),
    ];
    let length = forms.iter().find_map(|decode| decode(text, &mut room))?;
    room.truncate(length);
    Some(room)
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
    use super::{parse_key, variants};

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

    #[test]
    fn a_base64_too_many_or_too_few_is_tried() {
        let of = |key: &[u8]| -> Vec<Vec<u8>> {
            variants(key)
                .into_iter()
                .map(|(key, _)| key.expose().to_vec())
                .collect()
        };
        assert_eq!(
            of(b"MDEyMzQ1Njc4OWFiY2RlZg=="),
            [
                &b"MDEyMzQ1Njc4OWFiY2RlZg=="[..],
                b"0123456789abcdef",
                b"TURFeU16UTFOamM0T1dGaVkyUmxaZz09"
            ]
        );
        assert_eq!(
            of(b"0123456789abcdef"),
            [&b"0123456789abcdef"[..], b"MDEyMzQ1Njc4OWFiY2RlZg=="]
        );
        assert_eq!(of(&[0xff; 32]), [[0xff; 32]]);
    }
}

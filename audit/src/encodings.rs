//! Keys that were encoded once too often, or once too few.

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use k8senc::secret::SecretBytes;
use zeroize::Zeroizing;

/// Lengths that a local key can have, in bytes.
pub const SIZES: [usize; 3] = [16, 24, 32];

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

/// What base64 of any usual alphabet, with or without padding, stands for.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
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

#[cfg(test)]
mod tests {
    use super::variants;

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

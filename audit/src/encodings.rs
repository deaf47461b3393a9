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
    if let Some(inner) = unhex(key.trim_ascii()).filter(|inner| SIZES.contains(&inner.len())) {
        let why = "the key is the hexadecimal text of the right one: decode it";
        all.push((SecretBytes::from_slice(&inner), Some(why)));
    }
    if SIZES.contains(&(key.len() * 2)) {
        let mut text = Zeroizing::new(Vec::with_capacity(key.len() * 2));
        for digit in key.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            text.push(digit + if digit < 10 { b'0' } else { b'a' - 10 });
        }
        let why = "the value was written with the hexadecimal text of this key as the key";
        all.push((SecretBytes::from_slice(&text), Some(why)));
    }
    all
}

/// What hexadecimal text of at most 64 digits stands for.
#[must_use]
pub fn unhex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
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
        // By coreutils: base64, and od -An -tx1.
        assert_eq!(
            of(b"0123456789abcdef"),
            [
                &b"0123456789abcdef"[..],
                b"MDEyMzQ1Njc4OWFiY2RlZg==",
                b"30313233343536373839616263646566"
            ]
        );
        // 32 digits are base64 of 24 bytes, too.
        assert!(of(b"30313233343536373839616263646566").contains(&b"0123456789abcdef".to_vec()));
        assert_eq!(of(&[0xff; 32]), [[0xff; 32]]);
    }
}

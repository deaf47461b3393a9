//! `base64.StdEncoding`: padding required, line breaks ignored anywhere, trailing bits not checked.

use zeroize::Zeroizing;

use crate::tree::Text;

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The decoded bytes, or `None` where Go's decoder returns an error.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let mut bytes = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n'));
    loop {
        let mut quad = Zeroizing::new(0u32);
        let mut have = 0u32;
        let mut pads = 0u32;
        while have + pads < 4 {
            match bytes.next() {
                None if have == 0 && pads == 0 => return Some(out),
                None => return None,
                Some(b'=') if have >= 2 => pads += 1,
                Some(b) if pads == 0 => {
                    *quad = *quad << 6 | u32::from(value(b)?);
                    have += 1;
                }
                Some(_) => return None,
            }
        }
        *quad <<= 6 * pads;
        let [_, a, b, c] = quad.to_be_bytes();
        out.push(a);
        if pads < 2 {
            out.push(b);
        }
        if pads == 0 {
            out.push(c);
        } else {
            // Nothing but line breaks may follow the padding.
            return bytes.next().is_none().then_some(out);
        }
    }
}

/// The text of some bytes, with padding.
pub(crate) fn encode(bytes: &[u8]) -> Text {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = Zeroizing::new([0_u8; 4]);
        for (to, from) in three.iter_mut().skip(1).zip(chunk) {
            *to = *from;
        }
        let bits = u32::from_be_bytes(*three);
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let digit = DIGITS.get(digit).filter(|_| place <= chunk.len());
            out.push(char::from(digit.copied().unwrap_or(b'=')));
        }
    }
    Text::new(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_encoded_decodes() {
        for len in 0..=33_u8 {
            let bytes: Vec<u8> = (0..len).map(|b| b.wrapping_mul(37) ^ 0xa5).collect();
            let text = super::encode(&bytes);
            assert_eq!(text.len() % 4, 0);
            assert_eq!(super::decode(&text).map(|d| d.to_vec()), Some(bytes));
        }
        assert_eq!(super::encode(b"Man").as_str(), "TWFu");
        assert_eq!(super::encode(b"Ma").as_str(), "TWE=");
        assert_eq!(super::encode(b"M").as_str(), "TQ==");
    }
}

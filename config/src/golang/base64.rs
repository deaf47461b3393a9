//! `base64.StdEncoding`: padding required, line breaks ignored anywhere, trailing bits not checked.

use zeroize::Zeroizing;

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

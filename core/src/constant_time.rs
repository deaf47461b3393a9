//! What must not tell by its time what it looked at.

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _, ConstantTimeGreater as _};

/// What kube-apiserver finds at the end of a decrypted aescbc value.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Pad {
    /// This many bytes of padding, all alike.
    Good(usize),
    /// The last byte is 0 or more than there is.
    Length,
    /// One of the padding bytes differs from the last one.
    Bytes,
}

/// Takes what kube-apiserver takes: any pad byte from 1 up to the whole length (at most 255), not 1 to 16.
/// The time depends on `plain.len()` and on which of the three answers it is, which the caller reports anyway.
pub(crate) fn pad(plain: &[u8]) -> Pad {
    let Some(&last) = plain.last() else {
        return Pad::Length;
    };
    let pad = u64::from(last);
    let bad_length = pad.ct_eq(&0) | pad.ct_gt(&(plain.len() as u64));
    let mut differs = 0u8;
    for (back, &byte) in plain.iter().rev().take(255).enumerate() {
        let inside = pad.ct_gt(&(back as u64));
        differs |= u8::conditional_select(&0, &(byte ^ last), inside);
    }
    let bad_bytes: Choice = !differs.ct_eq(&0);
    if bool::from(bad_length) {
        Pad::Length
    } else if bool::from(bad_bytes) {
        Pad::Bytes
    } else {
        Pad::Good(usize::from(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// The branches of upstream's `encrypt/aes/aes.go`, read line by line.
    fn model(plain: &[u8]) -> Pad {
        let last = plain[plain.len() - 1];
        let size = usize::from(last);
        if size == 0 || size > plain.len() {
            return Pad::Length;
        }
        if plain[plain.len() - size..].iter().any(|&b| b != last) {
            return Pad::Bytes;
        }
        Pad::Good(size)
    }

    #[test]
    fn pad_agrees_with_the_model() {
        for len in [16, 32, 272] {
            for pad_byte in 0..=255u8 {
                let mut plain = vec![0xa5u8; len];
                let from = len.saturating_sub(usize::from(pad_byte));
                plain[from..].fill(pad_byte);
                plain[len - 1] = pad_byte;
                assert_eq!(pad(&plain), model(&plain), "len {len} pad {pad_byte}");
                for flip in from.saturating_sub(1)..len {
                    plain[flip] ^= 1;
                    assert_eq!(
                        pad(&plain),
                        model(&plain),
                        "len {len} pad {pad_byte} flip {flip}"
                    );
                    plain[flip] ^= 1;
                }
            }
        }
    }
}

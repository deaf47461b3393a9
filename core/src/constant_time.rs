//! What must not tell by its time what it looked at.

use subtle::{Choice, ConstantTimeEq as _, ConstantTimeGreater as _};

/// No padding is longer than its last byte can say, in whole blocks.
const WIDEST: usize = 256;
/// How many bytes of a block follow each of its bytes.
const LEFT: [u8; 16] = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

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

/// All ones if fewer than `pad` bytes follow a byte that `left` bytes follow, else 0.
fn inside(left: u8, pad: u8) -> u8 {
    pad.saturating_sub(left).min(1).wrapping_neg()
}

/// Takes what kube-apiserver takes: any pad byte from 1 up to the whole length (at most 255), not 1 to 16.
/// The time depends on `plain.len()` and on which of the three answers it is, which the caller reports anyway.
pub(crate) fn pad(plain: &[u8]) -> Pad {
    let Some(&last) = plain.last() else {
        return Pad::Length;
    };
    let (bad_length, bad_bytes) = faults(plain, last);
    if bool::from(bad_length) {
        Pad::Length
    } else if bool::from(bad_bytes) {
        Pad::Bytes
    } else {
        Pad::Good(usize::from(last))
    }
}

/// Looks at the same bytes in the same way whatever they are. Never inlined, so that a look at the branches of the compiled
/// program (`scripts/test-secrets`) can tell it from the decision.
#[inline(never)]
fn faults(plain: &[u8], last: u8) -> (Choice, Choice) {
    // Whole blocks from the end, the first of which starts with nothing behind it: 16 bytes side by side, without a branch,
    // are a loop that the compiler makes one of wide instructions.
    let (head, blocks) = plain.as_rchunks::<16>();
    let mut differs = [0u8; 16];
    let mut behind = 0u8;
    for block in blocks.iter().rev().take(WIDEST / 16) {
        for (differs, (byte, left)) in differs.iter_mut().zip(block.iter().zip(LEFT)) {
            *differs |= (byte ^ last) & inside(left.saturating_add(behind), last);
        }
        behind = behind.saturating_add(16);
    }
    // Decrypted values are whole blocks; this is for the rest of a slice that is not.
    let mut differs = differs.iter().fold(0, |all, one| all | one);
    for (byte, left) in head.iter().rev().zip(0..) {
        differs |= (byte ^ last) & inside(behind.saturating_add(left), last);
    }
    let bad_length = last.ct_eq(&0) | u64::from(last).ct_gt(&(plain.len() as u64));
    (bad_length, !differs.ct_eq(&0))
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
        for len in [1, 8, 16, 17, 32, 255, 257, 272] {
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

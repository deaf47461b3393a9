//! AES key schedules, which give the key away as well as the key does. Written from FIPS 197; slow, and full of what a real
//! implementation must not do.

/// `x * 2` in AES's field.
const fn double(x: u8) -> u8 {
    (x << 1) ^ ((x >> 7) * 0x1b)
}

fn times(mut x: u8, mut by: u8) -> u8 {
    let mut product = 0;
    while by != 0 {
        product ^= x * (by & 1);
        x = double(x);
        by >>= 1;
    }
    product
}

/// The S-box of one byte: its inverse, and an affine map.
fn sbox(x: u8) -> u8 {
    let inverse = (1..=255).find(|&y| times(x, y) == 1).unwrap_or(0);
    [1, 2, 3, 4]
        .iter()
        .fold(inverse ^ 0x63, |sum, &by| sum ^ inverse.rotate_left(by))
}

/// The round keys of a key of 16, 24 or 32 bytes, in the order of encryption, 16 bytes each.
pub fn round_keys(key: &[u8]) -> Vec<[u8; 16]> {
    let mut words: Vec<[u8; 4]> = key.as_chunks::<4>().0.to_vec();
    let (own, rounds) = (words.len(), words.len().saturating_add(6));
    let mut constant = 1;
    while words.len() < rounds.saturating_add(1).saturating_mul(4) {
        let mut word = words.last().copied().unwrap_or_default();
        if words.len().is_multiple_of(own) {
            word.rotate_left(1);
            word = word.map(sbox);
            word[0] ^= constant;
            constant = double(constant);
        } else if own > 6 && words.len() % own == 4 {
            word = word.map(sbox);
        }
        let back = words.len().wrapping_sub(own);
        let before = words.get(back).copied().unwrap_or_default();
        word.iter_mut()
            .zip(before)
            .for_each(|(to, from)| *to ^= from);
        words.push(word);
    }
    let flat = words.concat();
    flat.as_chunks::<16>().0.to_vec()
}

/// The round keys that the CPU's decryption instructions want: all but the first and last through InvMixColumns.
pub fn inverse_round_keys(key: &[u8]) -> Vec<[u8; 16]> {
    let keys = round_keys(key);
    let last = keys.len().saturating_sub(1);
    let column = |c: &[u8; 4]| -> [u8; 4] {
        core::array::from_fn(|row| {
            let factors: [u8; 4] = [14, 11, 13, 9];
            (0..4).fold(0, |sum, at| {
                let factor = factors.get((at + 4 - row) % 4).copied().unwrap_or(0);
                sum ^ times(c.get(at).copied().unwrap_or(0), factor)
            })
        })
    };
    keys.into_iter()
        .enumerate()
        .map(|(at, round)| {
            if at == 0 || at == last {
                return round;
            }
            let mixed = round.as_chunks::<4>().0.iter().flat_map(column);
            let mut out = [0; 16];
            out.iter_mut().zip(mixed).for_each(|(to, from)| *to = from);
            out
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .filter_map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
            .collect()
    }

    /// FIPS 197, appendix A.
    #[test]
    fn schedules_are_those_of_the_standard() {
        for (key, count, last) in [
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                11,
                "d014f9a8c9ee2589e13f0cc8b6630ca6",
            ),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                13,
                "e98ba06f448c773c8ecc720401002202",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                15,
                "fe4890d1e6188d0b046df344706c631e",
            ),
        ] {
            let keys = round_keys(&hex(key));
            assert_eq!(keys.len(), count);
            assert_eq!(keys.last().map(|k| k.to_vec()), Some(hex(last)));
        }
    }

    /// FIPS 197, appendix C.1, equivalent inverse cipher: `round[ 1].ik_sch`.
    #[test]
    fn the_inverse_schedule_is_that_of_the_standard() {
        let keys = inverse_round_keys(&hex("000102030405060708090a0b0c0d0e0f"));
        assert_eq!(
            keys.get(9).map(|k| k.to_vec()),
            Some(hex("13aa29be9c8faff6f770f58000f7bf03"))
        );
    }
}

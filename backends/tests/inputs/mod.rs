//! What the tests encrypt.

/// How many lengths there are.
pub const LENGTHS: usize = 301 + 5 * 35;

/// Every length to 300, and the neighbourhood of larger powers of two and of a page.
pub fn lengths() -> impl Iterator<Item = usize> {
    (0..=300).chain(
        [512usize, 1024, 4096, 8192, 65_536]
            .into_iter()
            .flat_map(|n| n - 17..=n + 17),
    )
}

/// Bytes without a pattern that a cipher could hide behind.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// [`bytes`] of a fixed length.
pub fn array<const N: usize>(seed: u64) -> [u8; N] {
    bytes(N, seed).try_into().unwrap()
}

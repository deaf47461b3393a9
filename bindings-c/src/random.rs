//! Randomness of the operating system: core draws none.

use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::status::Status;

pub(crate) fn draw(len: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut random = Zeroizing::new(vec![0; len]);
    fill(&mut random)?;
    Ok(random)
}

/// As [`draw`], of a fixed number.
pub(crate) fn fixed<const N: usize>() -> Result<Zeroizing<[u8; N]>, Fault> {
    let mut random = Zeroizing::new([0; N]);
    fill(&mut *random)?;
    Ok(random)
}

pub(crate) fn fill(random: &mut [u8]) -> Result<(), Fault> {
    getrandom::fill(random).map_err(|error| {
        Fault::call(
            Status::NoRandomness,
            format!("the operating system gave no random bytes: {error}"),
        )
    })
}

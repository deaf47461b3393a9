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

#[cfg(target_os = "linux")]
pub(crate) fn fill(random: &mut [u8]) -> Result<(), Fault> {
    use rustix::io::Errno;
    use rustix::rand::{GetRandomFlags, getrandom};

    let mut done = 0;
    while let Some(rest) = random.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => done = done.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(error) => return Err(none(&error)),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn fill(random: &mut [u8]) -> Result<(), Fault> {
    getrandom::fill(random).map_err(|error| none(&error))
}

fn none(error: &dyn std::fmt::Display) -> Fault {
    let text = format!("the operating system gave no random bytes: {error}");
    Fault::call(Status::NoRandomness, text)
}

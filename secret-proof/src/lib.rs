//! Looks for what should have been wiped.
//!
//! [`Checking`] is an allocator that looks into every block when it is given back, and into the old block when one grows,
//! for any 8 bytes in a row of the secrets that were [watched](watch). Blocks are zeroed when they are handed out, so what is
//! found was written by whoever had the block. [`freed`] adds the same for C libraries linked into the program.
//!
//! What no allocator sees: the stack and the registers.

pub mod aes;
mod allocator;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod freed;
pub mod taint;
mod watched;

pub use allocator::Checking;
pub use watched::{Found, WINDOW, leaked_by, watch};

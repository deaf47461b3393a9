//! The reader against files real servers wrote, files nobody writes, and damage.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod damage;
mod hostile;
mod image;
mod log;
mod real;

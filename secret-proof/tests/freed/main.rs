//! No key, DEK, seed or plaintext is left in memory that is given back: not by what works, and not by what fails.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helper fails its test"
)]

use k8senc_secret_proof::{Checking, Found, leaked_by};

mod chain;
mod config;
mod control;
mod keyset;
mod secrets;

#[global_allocator]
static ALLOCATOR: Checking = Checking;

/// Runs `work` and fails with the first places that left a secret behind.
fn clean(what: &str, work: impl FnOnce()) {
    let found = leaked_by(work);
    assert!(found.is_empty(), "{}", told(what, &found));
}

/// What was found and who gave the first one back, without the frames that are always there.
fn told(what: &str, found: &[Found]) -> String {
    let Some(Found { block, at, trace }) = found.first() else {
        return String::new();
    };
    let count = found.len();
    let ours: Vec<&str> = trace
        .lines()
        .filter(|line| {
            line.contains(".rs:") && !line.contains("/rustc/") && !line.contains("secret-proof/src")
        })
        .take(8)
        .collect();
    format!(
        "{what}: {count} blocks given back with a secret in them; the first has {block} bytes, at {at}:\n{}",
        ours.join("\n")
    )
}

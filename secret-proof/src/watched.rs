//! The secrets, and the search for them. Nothing here allocates while it searches, because the allocator calls it.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// So many bytes of a secret in a row are a leak: two random ones agree by chance once in 2^64.
pub const WINDOW: usize = 8;

const SLOTS: usize = 1 << 18;
/// Every window of every secret, by hash; 0 is a free slot.
static TABLE: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Backtraces are long; the first ones of a run will do.
const KEPT: usize = 12;

thread_local! {
    /// Whether what this thread gives back is searched.
    static SEARCHING: Cell<bool> = const { Cell::new(false) };
    static FOUND: RefCell<Vec<Found>> = const { RefCell::new(Vec::new()) };
}

/// A block that was given back with a piece of a secret in it.
#[derive(Debug)]
pub struct Found {
    /// Bytes of the block.
    pub block: usize,
    /// Where in it.
    pub at: usize,
    /// Who gave it back.
    pub trace: String,
}

/// Where a window may stand: from its hash on, round the table.
fn slots(window: u64) -> impl Iterator<Item = &'static AtomicU64> {
    let start = usize::try_from(window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 46).unwrap_or(0);
    let (before, after) = TABLE.split_at(start.min(SLOTS));
    after.iter().chain(before)
}

/// Looks for every 8 bytes in a row of `secret` from now on, until the program ends. The caller's own copy must not be in
/// memory that is given back. Windows of one byte only, such as zeros, are left out.
///
/// # Panics
/// When more is watched than there is room for.
pub fn watch(secret: &[u8]) {
    for window in secret.windows(WINDOW) {
        let Ok(bytes) = <[u8; WINDOW]>::try_from(window) else {
            continue;
        };
        if window
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a == b))
        {
            continue;
        }
        let value = u64::from_ne_bytes(bytes);
        for slot in slots(value) {
            let here = slot.load(Relaxed);
            if here == value {
                break;
            }
            if here == 0 {
                slot.store(value, Relaxed);
                let count = COUNT.fetch_add(1, Relaxed);
                assert!(count < SLOTS / 2, "more secrets than there is room for");
                break;
            }
        }
    }
}

fn known(value: u64) -> bool {
    for slot in slots(value) {
        match slot.load(Relaxed) {
            0 => return false,
            here if here == value => return true,
            _ => {}
        }
    }
    false
}

/// Called with each block that is given back.
pub(crate) fn look(block: &[u8]) {
    // What the search itself gives back is not searched, nor what a thread does that is ending.
    if !SEARCHING.try_with(Cell::take).unwrap_or(false) {
        return;
    }
    for (at, window) in block.windows(WINDOW).enumerate() {
        let value = <[u8; WINDOW]>::try_from(window).map_or(0, u64::from_ne_bytes);
        if value != 0 && known(value) {
            FOUND.with_borrow_mut(|found| {
                let trace = if found.len() < KEPT {
                    Backtrace::force_capture().to_string()
                } else {
                    String::new()
                };
                let block = block.len();
                found.push(Found { block, at, trace });
            });
            break;
        }
    }
    SEARCHING.set(true);
}

/// Runs `work` and says what this thread gave back with a secret in it meanwhile.
pub fn leaked_by(work: impl FnOnce()) -> Vec<Found> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    crate::freed::link();
    SEARCHING.set(true);
    work();
    SEARCHING.set(false);
    FOUND.take()
}

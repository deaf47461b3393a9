//! The panic guard around every entry.
//!
//! A panic would end the process: no unwinding may cross into C. It becomes [`Status::Panic`], and nothing is printed,
//! because the message could hold data and stderr is not ours. The hook that was there before stays in charge of all
//! other panics, of this thread outside our calls and of all other threads.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::fault::{Error, Fault};
use crate::status::Status;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

fn keep_quiet() {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            // A thread that is being torn down has no flag, and no call of ours either.
            if !INSIDE.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
}

/// Runs the body of an entry. `error` is written if it fails and the caller wants to know more.
pub(crate) fn guard(
    error: Option<&mut MaybeUninit<*mut Error>>,
    body: impl FnOnce() -> Result<(), Fault>,
) -> Status {
    let fault = match caught(body) {
        Some(Ok(())) => return Status::Ok,
        Some(Err(fault)) => fault,
        None => Fault::call(Status::Panic, "a fault of this library was caught"),
    };
    let status = fault.status();
    if let Some(out) = error
        // Describing an error allocates and formats, which is as little certain as the rest.
        && let Some(Ok(made)) = caught(|| Ok(fault.into_error()))
    {
        out.write(made);
    }
    status
}

/// For entries that return nothing: frees, and numbers that cannot fail.
pub(crate) fn quietly<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    match caught(|| Ok(body())) {
        Some(Ok(value)) => value,
        _ => otherwise,
    }
}

fn caught<T>(body: impl FnOnce() -> Result<T, Fault>) -> Option<Result<T, Fault>> {
    keep_quiet();
    let before = INSIDE.replace(true);
    // What a panic leaves half done are locks, which are taken over, and handles, which the contract tells to free.
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(before);
    result.map_err(drop_quietly).ok()
}

/// The payload of a panic may itself panic when it is dropped.
fn drop_quietly(payload: Box<dyn std::any::Any + Send>) {
    std::mem::forget(payload);
}

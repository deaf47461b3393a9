//! Long work without the GIL, with signals and progress between two steps.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use k8senc_audit::Progress;
use pyo3::prelude::*;

const POLL: Duration = Duration::from_millis(80);

/// What the work tells, and what it looks at.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    pub progress: Progress<'a>,
    pub cancel: &'a AtomicBool,
}

/// Works without the GIL, and comes back between two steps for signals and to tell the progress. The error, if any, is
/// the signal's or the progress function's; the work was cancelled then.
pub fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(Watch<'_>) -> T + Send,
) -> (T, Option<PyErr>) {
    let (done, total, cancel) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let note = |now: u64, of: u64| {
        done.fetch_max(now, Ordering::Relaxed);
        total.store(of, Ordering::Relaxed);
    };
    let watch = Watch {
        progress: &note,
        cancel: &cancel,
    };
    let mut interrupted = None;
    let finished = py.detach(|| {
        std::thread::scope(|scope| {
            let (ended, end) = channel::<()>();
            let worker = scope.spawn(move || {
                let _ended = ended;
                work(watch)
            });
            while end.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                let told = Python::attach(|py| {
                    py.check_signals()?;
                    if let Some(progress) = &progress {
                        let so_far = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
                        progress.call1(py, so_far)?;
                    }
                    Ok(())
                });
                if let (Err(error), None) = (told, &interrupted) {
                    cancel.store(true, Ordering::Relaxed);
                    interrupted = Some(error);
                }
            }
            worker.join()
        })
    });
    match finished {
        Ok(result) => (result, interrupted),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

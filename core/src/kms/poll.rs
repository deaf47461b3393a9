//! When kube-apiserver probes a KMS v2 plugin by itself.
//!
//! Two loops, as upstream has them: one every minute, which probes every 10 s instead while the last probe failed, and
//! one every 10 s after a failed start that ends at the first success. A tick that passes while a loop waits for its
//! own probe is lost.

use core::time::Duration;

/// From one probe to the next while all is well.
pub const HEALTHY_INTERVAL: Duration = Duration::from_secs(60);
/// From one probe to the next while the plugin fails.
pub const FAILING_INTERVAL: Duration = Duration::from_secs(10);

/// Ticks at `start + n * period`, from n = 1 on.
#[derive(Debug, Clone, Copy)]
struct Ticker {
    start: Duration,
    period: Duration,
    next: Duration,
}

impl Ticker {
    fn new(start: Duration, period: Duration) -> Self {
        let next = start.saturating_add(period);
        Self {
            start,
            period,
            next,
        }
    }

    /// Drops the ticks up to `now`.
    fn skip(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.start).as_nanos() / self.period.as_nanos().max(1);
        let ticks = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
        self.next = self.start.saturating_add(self.period.saturating_mul(ticks));
    }
}

/// Which of the loops a probe belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    /// The one of a failed start.
    Early,
    /// The one of every minute.
    Main,
}

/// The loops of one provider.
#[derive(Debug)]
pub(super) struct Loops {
    early: Option<Ticker>,
    main: Ticker,
    fast: Option<Ticker>,
}

impl Loops {
    /// Begins at the end of the probe inside loading.
    pub(super) fn new(now: Duration, started_well: bool) -> Self {
        Self {
            early: (!started_well).then(|| Ticker::new(now, FAILING_INTERVAL)),
            main: Ticker::new(now, HEALTHY_INTERVAL),
            fast: None,
        }
    }

    /// Which loop probes next, and when.
    pub(super) fn next(&self) -> (Loop, Duration) {
        let main = self.fast.unwrap_or(self.main).next;
        match self.early {
            Some(early) if early.next <= main => (Loop::Early, early.next),
            _ => (Loop::Main, main),
        }
    }

    /// Takes the result of the probe of `which`.
    pub(super) fn probed(&mut self, which: Loop, now: Duration, well: bool) {
        match (which, well) {
            (Loop::Early, true) => self.early = None,
            (Loop::Early, false) => {
                if let Some(early) = &mut self.early {
                    early.skip(now);
                }
            }
            (Loop::Main, true) => {
                self.fast = None;
                self.main.skip(now);
            }
            (Loop::Main, false) => match &mut self.fast {
                Some(fast) => fast.skip(now),
                None => self.fast = Some(Ticker::new(now, FAILING_INTERVAL)),
            },
        }
    }
}

//! When a revision was written, inferred: objects say when they were created, and rows say at which revision.
//!
//! A revision is no older than the latest object created before it, and no younger than the earliest one created after it.
//! Where the two contradict each other, as after copying objects from one etcd to another, nothing is said.

use crate::report::{Dated, Time};

/// Anchors kept; beyond, every second one goes.
const MOST: usize = 65_536;
/// Anchors that one batch of rows gives.
pub(crate) const A_BATCH: usize = 8;

/// Revision, and seconds since 1970.
pub(crate) type Anchor = (i64, i64);

/// The anchors of a file.
#[derive(Default)]
pub(crate) struct Timeline {
    anchors: Vec<Anchor>,
}

/// Anchors in order, and for each the latest time up to it and the earliest from it on.
pub(crate) struct Dates {
    anchors: Vec<Anchor>,
    latest: Vec<i64>,
    earliest: Vec<i64>,
}

impl Timeline {
    pub(crate) fn add(&mut self, anchors: &[Anchor]) {
        self.anchors.extend(anchors);
        if self.anchors.len() > MOST {
            let mut keep = false;
            self.anchors.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    pub(crate) fn finish(mut self) -> Dates {
        self.anchors.sort_unstable();
        self.anchors.dedup();
        let mut latest = Vec::with_capacity(self.anchors.len());
        for (_, time) in &self.anchors {
            latest.push((*time).max(latest.last().copied().unwrap_or(i64::MIN)));
        }
        let mut earliest = Vec::with_capacity(self.anchors.len());
        for (_, time) in self.anchors.iter().rev() {
            earliest.push((*time).min(earliest.last().copied().unwrap_or(i64::MAX)));
        }
        earliest.reverse();
        Dates {
            anchors: self.anchors,
            latest,
            earliest,
        }
    }
}

impl Dates {
    /// Bounds of the time at which a revision was written; `None` where no object bounds it, or they contradict each other.
    pub(crate) fn of(&self, revision: i64) -> Option<Dated> {
        if revision <= 0 {
            return None;
        }
        let after = self.anchors.partition_point(|(at, _)| *at <= revision);
        let from = self.anchors.partition_point(|(at, _)| *at < revision);
        let not_before = after
            .checked_sub(1)
            .and_then(|at| self.latest.get(at))
            .copied();
        let not_after = self.earliest.get(from).copied();
        // Clocks of API servers differ by seconds.
        if let (Some(before), Some(after)) = (not_before, not_after)
            && before > after + 60
        {
            return None;
        }
        (not_before.is_some() || not_after.is_some()).then_some(Dated {
            not_before: not_before.map(Time),
            not_after: not_after.map(Time),
        })
    }

    /// The latest time any object names, which is not after the file was written.
    pub(crate) fn newest(&self) -> Option<Time> {
        self.latest.last().copied().map(Time)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Timeline};

    fn bounds(anchors: &[(i64, i64)], revision: i64) -> Option<(Option<i64>, Option<i64>)> {
        let mut line = Timeline::default();
        line.add(anchors);
        let found = line.finish().of(revision)?;
        Some((found.not_before.map(|t| t.0), found.not_after.map(|t| t.0)))
    }

    #[test]
    fn neighbours_bound_a_revision() {
        let anchors = [(30, 3000), (10, 1000), (20, 2000)];
        assert_eq!(bounds(&anchors, 10), Some((Some(1000), Some(1000))));
        assert_eq!(bounds(&anchors, 15), Some((Some(1000), Some(2000))));
        assert_eq!(bounds(&anchors, 5), Some((None, Some(1000))));
        assert_eq!(bounds(&anchors, 99), Some((Some(3000), None)));
        assert_eq!(bounds(&anchors, 0), None);
        assert_eq!(bounds(&[], 5), None);
    }

    #[test]
    fn a_copied_object_says_nothing_rather_than_something_wrong() {
        // Created long ago elsewhere, and put here at revision 30.
        let anchors = [(10, 1000), (20, 2000), (30, 500), (40, 4000)];
        assert_eq!(bounds(&anchors, 25), None);
        assert_eq!(bounds(&anchors, 35), Some((Some(2000), Some(4000))));
    }

    #[test]
    fn endless_anchors_take_bounded_room() {
        let mut line = Timeline::default();
        for n in 0..200_000 {
            line.add(&[(n, n)]);
        }
        assert!(line.anchors.len() <= MOST);
        assert_eq!(
            line.finish().of(100).unwrap().not_after.map(|t| t.0 >= 100),
            Some(true)
        );
    }
}

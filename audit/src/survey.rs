//! Which DEKs a KMS must unwrap before an audit can decide everything.

use std::collections::BTreeMap;

use etcd_store::{Class, LiveSet};
use k8senc::kms::DekRequest;

use crate::AuditError;
use crate::part::Part;

/// Distinct requests kept. Asking a KMS that often takes hours; a crafted file can hold millions.
const MAX_REQUESTS: usize = 100_000;

/// The distinct Decrypt requests of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DekSurvey {
    /// Those of live values first, then by how many values wait for them.
    pub needs: Vec<DekNeed>,
    /// Requests met after 100,000 distinct ones; they are not in `needs`, and one may count twice.
    pub beyond: u64,
}

/// One request, and what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DekNeed {
    /// What to ask.
    pub request: DekRequest,
    /// Live values that wait for the answer.
    pub live: u64,
    /// Superseded or deleted ones.
    pub history: u64,
}

#[derive(Default)]
pub(crate) struct Collector {
    live: LiveSet,
    requests: BTreeMap<DekRequest, usize>,
    counts: Vec<(u64, u64)>,
    beyond: u64,
}

impl Collector {
    pub(crate) fn add(&mut self, part: Part) -> Result<(), AuditError> {
        let mut known: Vec<Vec<usize>> = Vec::new();
        for dek in part.deks {
            let mut places = Vec::new();
            for request in dek.requests {
                if let Some(at) = self.requests.get(&request) {
                    places.push(*at);
                } else if self.counts.len() < MAX_REQUESTS {
                    places.push(self.counts.len());
                    self.requests.insert(request, self.counts.len());
                    self.counts.push((0, 0));
                } else {
                    self.beyond += 1;
                }
            }
            known.push(places);
        }
        for seen in &part.rows {
            let class = self.live.decide(seen.key, seen.name)?;
            for at in seen.dek.and_then(|d| known.get(d)).into_iter().flatten() {
                if let Some((live, history)) = self.counts.get_mut(*at) {
                    *live += u64::from(class == Class::Live);
                    *history += u64::from(class == Class::Superseded);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> DekSurvey {
        let counts = &self.counts;
        let needs = self.requests.into_iter().filter_map(|(request, at)| {
            let (live, history) = *counts.get(at)?;
            (live + history > 0).then_some(DekNeed {
                request,
                live,
                history,
            })
        });
        let mut needs: Vec<DekNeed> = needs.collect();
        // Stable: equal ones stay in the order of their requests.
        needs.sort_by_key(|need| std::cmp::Reverse((need.live, need.history)));
        DekSurvey {
            needs,
            beyond: self.beyond,
        }
    }
}

//! What the free pages of the file still hold: values that no row names any more, and that anybody with the file can read.
//!
//! bbolt never wipes a page it frees, and a snapshot copies free pages too. A row found there is residue only when no row
//! of the tree has its revision: copy-on-write leaves duplicates of rows that are still there.

use std::collections::HashMap;

use etcd_store::{Claims, FreeKind, FreeRun, PageSource, RowKey, Store};
use k8s_object::object_starts;

use crate::AuditError;
use crate::escape::{clip, shown};
use crate::examine::Context;
use crate::kinds::Kinds;
use crate::report::{Example, Residue, ResidueGroup};

/// Rows kept; real files hold no more than they have pages, a crafted one could cost memory.
const MAX_ROWS: usize = 2_000_000;
/// Pages of a run without header that are looked at in one go.
const PIECE: u64 = 256;
/// Names kept for examples, since many of them turn out to be duplicates of rows.
const MAX_NAMES: usize = 100_000;

struct ResidueRow {
    kind: u32,
    name: Option<Box<[u8]>>,
}

/// Rows in free pages, until the tree's rows have been taken out.
#[derive(Default)]
pub(crate) struct Leftovers {
    rows: HashMap<RowKey, ResidueRow>,
    kinds: Kinds,
    names: usize,
    duplicates: u64,
    beyond: u64,
    pages: u64,
    /// Pages, or pieces of them, where a plaintext object begins without its row.
    pub fragments: u64,
}

impl Leftovers {
    /// Reads all free pages.
    pub(crate) fn collect<S: PageSource>(
        store: &Store<S>,
        claims: &Claims,
        shared: &Context<'_>,
        cancelled: impl Fn() -> bool,
    ) -> Result<Self, AuditError> {
        let mut found = Self::default();
        let (mut runs, mut buffer) = (store.free(claims), Vec::new());
        while let Some(run) = runs.next_run()? {
            if cancelled() {
                return Err(AuditError::Cancelled);
            }
            found.pages += run.pages;
            // Tails of long values can be of any length; an old leaf is read as a whole.
            let most = if run.kind == FreeKind::Leaf {
                run.pages
            } else {
                PIECE
            };
            let mut done = 0;
            while done < run.pages && matches!(run.kind, FreeKind::Leaf | FreeKind::Fragment) {
                if cancelled() {
                    return Err(AuditError::Cancelled);
                }
                let piece = FreeRun {
                    page: run.page + done,
                    pages: most.min(run.pages - done),
                    ..run
                };
                done += piece.pages;
                let pages = store.free_pages(&piece, &mut buffer)?;
                if run.kind == FreeKind::Fragment {
                    // A tail begins and ends anywhere; only what shows the beginning of an object counts.
                    found.fragments += u64::from(object_starts(pages.bytes()).next().is_some());
                    continue;
                }
                for row in pages.rows() {
                    if let (false, Ok(kv)) = (row.key.tombstone, row.key_value()) {
                        found.add(row.key, kv.key, kv.value, shared);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Takes one old value.
    pub(crate) fn add(&mut self, key: RowKey, etcd_key: &[u8], value: &[u8], shared: &Context<'_>) {
        if self.rows.len() >= MAX_ROWS {
            self.beyond += 1;
            return;
        }
        let Some((at, exposed)) = self.kinds.of(etcd_key, value, shared) else {
            return;
        };
        let name = (exposed && self.names < MAX_NAMES).then(|| clip(etcd_key).into_boxed_slice());
        self.names += usize::from(name.is_some());
        // The same old row may lie in several pages.
        if self
            .rows
            .insert(key, ResidueRow { kind: at, name })
            .is_some()
        {
            self.duplicates += 1;
        }
    }

    /// Takes out what a row of the tree still holds.
    pub(crate) fn seen(&mut self, key: &RowKey) {
        if !self.rows.is_empty() && self.rows.remove(key).is_some() {
            self.duplicates += 1;
        }
    }

    /// What is left when all rows were seen.
    pub(crate) fn report(&self, most: usize) -> Residue {
        let mut sums: Vec<(u64, Vec<Example>)> = vec![(0, Vec::new()); self.kinds.all().len()];
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(key, _)| std::cmp::Reverse(**key));
        for (key, row) in rows {
            let Some((count, examples)) = sums.get_mut(row.kind as usize) else {
                continue;
            };
            *count += 1;
            if let (true, Some(name)) = (examples.len() < most, &row.name) {
                examples.push(Example {
                    etcd_key: shown(name),
                    revision: key.revision.main,
                });
            }
        }
        let mut groups: Vec<ResidueGroup> = self
            .kinds
            .all()
            .iter()
            .zip(sums)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(kind, (rows, examples))| ResidueGroup {
                resource: shown(&kind.resource),
                provider: kind.provider,
                key: kind.key.as_deref().map(shown),
                exposed: kind.exposed,
                rows,
                examples,
            })
            .collect();
        groups.sort_by(|a, b| {
            (&a.resource, a.provider, &a.key, a.exposed).cmp(&(
                &b.resource,
                b.provider,
                &b.key,
                b.exposed,
            ))
        });
        Residue {
            pages: self.pages,
            rows: groups.iter().map(|g| g.rows).sum(),
            exposed: groups.iter().filter(|g| g.exposed).map(|g| g.rows).sum(),
            duplicates: self.duplicates,
            fragments: self.fragments,
            beyond: self.beyond,
            groups,
        }
    }
}

//! What the free pages of the file still hold: values that no row names any more, and that anybody with the file can read.
//!
//! bbolt never wipes a page it frees, and a snapshot copies free pages too. A row found there is residue only when no row
//! of the tree has its revision: copy-on-write leaves duplicates of rows that are still there.

use std::cmp::Reverse;

use etcd_store::{Claims, FreeKind, FreeRun, PageSource, RowKey, Store};
use k8s_object::object_starts;

use crate::AuditError;
use crate::escape::{clip, shown};
use crate::examine::Context;
use crate::kinds::Kinds;
use crate::options::Pace;
use crate::report::{Example, Residue, ResidueGroup};
use crate::revisions::Revisions;

/// Rows kept; real files hold no more than they have pages, a crafted one could cost memory.
const MAX_ROWS: usize = 2_000_000;
/// Pages of a run without header that are looked at in one go.
const PIECE: u64 = 256;
/// Names kept for examples, since many of them turn out to be duplicates of rows.
const MAX_NAMES: usize = 50_000;

/// A row of a free page, in 16 bytes.
#[derive(Clone, Copy)]
struct Old {
    main: i64,
    sub: u32,
    /// Its kind, or [`GONE`].
    kind: u32,
}

/// The kind of what a row of the tree repeats.
const GONE: u32 = u32::MAX;

impl Old {
    const fn revision(&self) -> (i64, u32) {
        (self.main, self.sub)
    }
}

/// A row's revision and etcd key.
type Named = ((i64, u32), Box<[u8]>);

/// Rows in free pages, and the revisions of the tree's rows, which are taken out of them at the end.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// Whether anybody wants to know.
    pub wanted: bool,
    /// The newest first, each once, unless `untidy`.
    rows: Vec<Old>,
    untidy: bool,
    held: Revisions,
    /// Putting them in order makes little room any more.
    full: bool,
    /// The first one that is not newer than the row seen last.
    cursor: usize,
    names: Vec<Named>,
    kinds: Kinds,
    duplicates: u64,
    beyond: u64,
    pages: u64,
    /// Pages, or pieces of them, where a plaintext object begins without its row.
    pub fragments: u64,
}

impl Leftovers {
    /// Reads all pages that `claims`, of the finished walk, does not hold.
    pub(crate) fn collect<S: PageSource>(
        &mut self,
        store: &Store<S>,
        claims: &Claims,
        shared: &Context<'_>,
        pace: &Pace<'_>,
    ) -> Result<(), AuditError> {
        let (mut runs, mut buffer) = (store.free(claims), Vec::new());
        let page_size = u64::from(store.layout().meta.page_size);
        while let Some(run) = runs.next_run()? {
            pace.step(run.pages * page_size)?;
            self.pages += run.pages;
            // Tails of long values can be of any length; an old leaf is read as a whole.
            let most = if run.kind == FreeKind::Leaf {
                run.pages
            } else {
                PIECE
            };
            let mut done = 0;
            while done < run.pages && matches!(run.kind, FreeKind::Leaf | FreeKind::Fragment) {
                if pace.stopped() {
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
                    self.fragments += u64::from(object_starts(pages.bytes()).next().is_some());
                    continue;
                }
                for row in pages.rows() {
                    if let (false, Ok(kv)) = (row.key.tombstone, row.key_value()) {
                        self.add(row.key, kv.key, kv.value, shared);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one old value.
    pub(crate) fn add(&mut self, key: RowKey, etcd_key: &[u8], value: &[u8], shared: &Context<'_>) {
        if self.rows.len() >= MAX_ROWS && !self.full {
            self.tidy();
            self.full = self.rows.len() > MAX_ROWS / 8 * 7;
        }
        let (main, sub) = (key.revision.main, u32::try_from(key.revision.sub));
        let (true, Ok(sub)) = (self.rows.len() < MAX_ROWS, sub) else {
            self.beyond += 1;
            return;
        };
        let Some((kind, exposed)) = self.kinds.of(etcd_key, value, shared) else {
            return;
        };
        if exposed && self.names.len() < MAX_NAMES {
            let name = clip(etcd_key).into_boxed_slice();
            self.names.push(((main, sub), name));
        }
        self.push(Old { main, sub, kind });
    }

    fn push(&mut self, old: Old) {
        let last = self.rows.last().map(Old::revision);
        self.untidy |= last.is_some_and(|last| last <= old.revision());
        self.rows.push(old);
    }

    /// Puts the rows in order; the same old row may lie in several pages.
    fn tidy(&mut self) {
        if !self.untidy {
            return;
        }
        // What is gone comes first among equals, and stays.
        self.rows
            .sort_unstable_by_key(|row| Reverse((row.revision(), row.kind)));
        let before = self.rows.len();
        self.rows.dedup_by_key(|row| row.revision());
        self.duplicates += (before - self.rows.len()) as u64;
        (self.untidy, self.cursor) = (false, 0);
    }

    /// Remembers a row of the tree: its old copies are no residue.
    pub(crate) fn seen(&mut self, key: &RowKey) {
        if self.wanted
            && !key.tombstone
            && let Ok(sub) = u32::try_from(key.revision.sub)
        {
            self.held.push((key.revision.main, sub));
        }
    }

    fn take_out(&mut self, wanted: (i64, u32)) {
        self.tidy();
        let newer = |row: Option<&Old>| row.is_some_and(|row| row.revision() > wanted);
        let behind = self.cursor.checked_sub(1).and_then(|at| self.rows.get(at));
        if behind.is_some_and(|row| row.revision() <= wanted) {
            self.cursor = self.rows.partition_point(|row| newer(Some(row)));
        }
        while newer(self.rows.get(self.cursor)) {
            self.cursor += 1;
        }
        if let Some(row) = self.rows.get_mut(self.cursor)
            && row.revision() == wanted
            && row.kind != GONE
        {
            row.kind = GONE;
            self.duplicates += 1;
        }
    }

    /// What is left when all rows were seen.
    pub(crate) fn report(&mut self, most: usize) -> Residue {
        let held = core::mem::take(&mut self.held);
        if !self.rows.is_empty() {
            held.iter().for_each(|row| self.take_out(row));
        }
        self.tidy();
        self.names.sort_unstable();
        let mut sums: Vec<(u64, Vec<Example>)> = vec![(0, Vec::new()); self.kinds.all().len()];
        for row in &self.rows {
            let Some((count, examples)) = sums.get_mut(row.kind as usize) else {
                continue;
            };
            *count += 1;
            if examples.len() < most
                && let Ok(at) = (self.names).binary_search_by_key(&row.revision(), |name| name.0)
                && let Some((_, name)) = self.names.get(at)
            {
                examples.push(Example {
                    etcd_key: shown(name),
                    revision: row.main,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use etcd_store::{Revision, RowKey};

    use super::{GONE, Leftovers, Old};

    fn key(main: i64) -> RowKey {
        RowKey {
            revision: Revision { main, sub: 0 },
            tombstone: false,
        }
    }

    /// Against a plain set: pages in any order, rows almost in order.
    #[test]
    fn what_is_left_is_what_no_row_repeats() {
        let mut state = 7_u64;
        let mut draw = |most: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % most).unwrap()
        };
        for rows in [0, 1, 50, 3000] {
            let (mut found, mut model, mut copies) = (wanted(), BTreeSet::new(), 0);
            for _ in 0..rows {
                let main = draw(2000);
                let (sub, kind) = (0, 0);
                found.push(Old { main, sub, kind });
                copies += u64::from(!model.insert(main));
            }
            for main in (0..2000).rev() {
                // A damaged row of a batch is told before the others.
                let main = if main % 97 == 0 { main + 50 } else { main };
                if draw(3) > 0 {
                    found.seen(&key(main));
                    copies += u64::from(model.remove(&main));
                }
            }
            assert_eq!(left(&mut found), Vec::from_iter(model.into_iter().rev()));
            assert_eq!(found.duplicates, copies);
        }
    }

    #[test]
    fn a_tombstone_takes_no_value_out() {
        for (tombstone, duplicates) in [(true, 0), (false, 1)] {
            let mut found = wanted();
            let (main, sub, kind) = (5, 0, 0);
            found.push(Old { main, sub, kind });
            found.seen(&RowKey {
                tombstone,
                ..key(5)
            });
            let _ = found.report(0);
            assert_eq!(found.duplicates, duplicates);
        }
    }

    #[test]
    fn a_row_takes_its_old_copy_out_whichever_comes_first() {
        let mut found = wanted();
        let (sub, kind) = (0, 0);
        for main in [7, 3, 5] {
            found.seen(&key(5));
            found.push(Old { main, sub, kind });
        }
        assert_eq!((left(&mut found), found.duplicates), (vec![7, 3], 1));
    }

    fn wanted() -> Leftovers {
        Leftovers {
            wanted: true,
            ..Leftovers::default()
        }
    }

    fn left(found: &mut Leftovers) -> Vec<i64> {
        let _ = found.report(0);
        let rows = found.rows.iter().filter(|row| row.kind != GONE);
        rows.map(|row| row.main).collect()
    }
}

//! Which row decides for its name: the first one met when rows are taken newest first.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{Error, ErrorKind, RowKey};

/// What a row means for the state at the chosen revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The current value of its name.
    Live,
    /// A value that a later row replaced or deleted: history, readable until compacted.
    Superseded,
    /// A tombstone; it holds a name and no value.
    Tombstone,
    /// A row the server keeps but never lists: an empty name (left by `snapshot restore --bump-revision`) or revision 0.
    Unlisted,
}

/// 128 bits the caller drew at random, so that names in a hostile file cannot be made to collide.
#[derive(Clone, Copy)]
pub struct HashKey([u8; 16]);

impl HashKey {
    /// Takes the random bytes.
    #[must_use]
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The keyed hash that stands for `name`. Pure and cheap: compute it on the thread that parses the row.
    #[must_use]
    #[inline]
    pub fn hash(&self, name: &[u8]) -> NameHash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(name);
        let hash = hasher.finish128();
        NameHash {
            high: hash.h1,
            low: hash.h2,
            named: !name.is_empty(),
        }
    }
}

impl core::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashKey(16 bytes)")
    }
}

/// A name's keyed 128-bit hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NameHash {
    high: u64,
    low: u64,
    named: bool,
}

impl NameHash {
    /// The hash itself.
    #[must_use]
    pub const fn bits(&self) -> (u64, u64) {
        (self.high, self.low)
    }
}

/// The names met so far, 20 to 27 bytes each: a set of hashes in 64 open-addressed tables.
///
/// Feed it every row of the file, newest first, on one thread; hashing and parsing can happen elsewhere before.
#[derive(Debug)]
pub struct LiveSet {
    tables: Vec<Table>,
    names: u64,
    deleted: u64,
}

/// A slot is (high, low); (0, 0) is empty. The slot index follows the hash's order, so a table grows in one sweep.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<(u64, u64)>,
    used: usize,
}

const TABLES: u32 = 64;

impl Default for LiveSet {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tables: (0..TABLES).map(|_| Table::default()).collect(),
            names: 0,
            deleted: 0,
        }
    }

    /// Loads the places of names that [`decide`](Self::decide) is asked about next. A large set lies far from the CPU, and loads
    /// that do not wait for one another take the time of one.
    pub fn warm(&self, names: impl Iterator<Item = NameHash>) {
        let touched = names.fold(0, |sum, name| {
            let table = (self.tables).get((name.high % u64::from(TABLES)) as usize);
            table.map_or(sum, |table| {
                let at = ((u128::from(name.low) * table.slots.len() as u128) >> 64) as usize;
                // A search goes on for a few lines of memory; a slot is a quarter of one.
                let slots = [at, at + 4, at + 8].map(|at| table.slots.get(at));
                slots.iter().flatten().fold(sum, |sum, slot| sum ^ slot.0)
            })
        });
        core::hint::black_box(touched);
    }

    /// Decides the class of the next older row.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] only.
    #[inline]
    pub fn decide(&mut self, key: RowKey, name: NameHash) -> Result<Class, Error> {
        // etcd rebuilds its index from revision 1 on and never lists an empty name.
        if !name.named || key.revision.main == 0 {
            return Ok(Class::Unlisted);
        }
        let new = self.insert(name)?;
        self.deleted += u64::from(new && key.tombstone);
        Ok(match (key.tombstone, new) {
            (true, _) => Class::Tombstone,
            (false, true) => Class::Live,
            (false, false) => Class::Superseded,
        })
    }

    /// Distinct names met, deleted ones included.
    #[must_use]
    pub const fn names(&self) -> u64 {
        self.names
    }

    /// Names whose newest row is a tombstone.
    #[must_use]
    pub const fn deleted(&self) -> u64 {
        self.deleted
    }

    /// Bytes the tables hold.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.tables
            .iter()
            .map(|t| t.slots.capacity() * size_of::<(u64, u64)>())
            .sum()
    }

    fn insert(&mut self, name: NameHash) -> Result<bool, Error> {
        let index = (name.high % u64::from(TABLES)) as usize;
        let Some(table) = self.tables.get_mut(index) else {
            return Ok(false);
        };
        let low = if (name.high, name.low) == (0, 0) {
            1
        } else {
            name.low
        };
        let new = table.insert((name.high, low))?;
        self.names += u64::from(new);
        Ok(new)
    }
}

impl Table {
    fn insert(&mut self, hash: (u64, u64)) -> Result<bool, Error> {
        // At most 13/16 full, and a third larger each time: 16 bytes a name become 20 to 27 (small tables double).
        if self.used * 16 >= self.slots.len() * 13 {
            self.grow()?;
        }
        let new = place(&mut self.slots, hash);
        self.used += usize::from(new);
        Ok(new)
    }

    fn grow(&mut self) -> Result<(), Error> {
        let len = self.slots.len();
        let size = if len < 512 {
            (2 * len).max(16)
        } else {
            len + len / 3
        };
        let mut slots = Vec::new();
        slots.try_reserve_exact(size).map_err(|_| {
            Error::new(ErrorKind::OutOfMemory {
                bytes: size as u64 * 16,
            })
        })?;
        slots.resize(size, (0, 0));
        for hash in self.slots.iter().filter(|h| **h != (0, 0)) {
            place(&mut slots, *hash);
        }
        self.slots = slots;
        Ok(())
    }
}

/// Puts `hash` into its slot or the next empty one; `false` if it was there already.
fn place(slots: &mut [(u64, u64)], hash: (u64, u64)) -> bool {
    let mut at = ((u128::from(hash.1) * slots.len() as u128) >> 64) as usize;
    // A table is never full, so an empty slot ends the search.
    for _ in 0..slots.len() {
        let Some(slot) = slots.get_mut(at) else {
            at = 0;
            continue;
        };
        if *slot == hash {
            return false;
        }
        if *slot == (0, 0) {
            *slot = hash;
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Class, HashKey, LiveSet, NameHash};
    use crate::{Revision, RowKey};

    fn row(main: i64, tombstone: bool) -> RowKey {
        RowKey {
            revision: Revision { main, sub: 0 },
            tombstone,
        }
    }

    #[test]
    fn the_first_row_met_decides() {
        let (mut set, key) = (LiveSet::new(), HashKey::new([1; 16]));
        let rows = [
            (9, false, "/a", Class::Live),
            (8, true, "/b", Class::Tombstone),
            (7, false, "/b", Class::Superseded),
            (6, false, "", Class::Unlisted),
            (5, true, "/a", Class::Tombstone),
            (4, false, "/a", Class::Superseded),
            (0, false, "/z", Class::Unlisted),
        ];
        for (main, tombstone, name, class) in rows {
            assert_eq!(
                set.decide(row(main, tombstone), key.hash(name.as_bytes())),
                Ok(class),
                "{main}"
            );
        }
        assert_eq!((set.names(), set.deleted()), (2, 1));
    }

    #[test]
    fn a_name_costs_at_most_28_bytes() {
        let (mut set, key) = (LiveSet::new(), HashKey::new([2; 16]));
        for n in 0..300_000_u32 {
            let name = key.hash(&n.to_be_bytes());
            assert_eq!(set.decide(row(1, false), name), Ok(Class::Live));
            if n > 100_000 && n % 1000 == 0 {
                assert!(
                    set.memory() as u64 <= 28 * set.names(),
                    "{} for {}",
                    set.memory(),
                    set.names()
                );
            }
        }
        for n in (0..300_000_u32).rev() {
            assert_eq!(
                set.decide(row(1, false), key.hash(&n.to_be_bytes())),
                Ok(Class::Superseded)
            );
        }
    }

    #[test]
    fn hashes_at_the_edges_are_names_like_others() {
        let mut set = LiveSet::new();
        for low in [0, 1, u64::MAX, u64::MAX - 1, u64::MAX - 2] {
            let name = NameHash {
                high: 64,
                low,
                named: true,
            };
            assert_eq!(set.decide(row(2, false), name), Ok(Class::Live));
            assert_eq!(set.decide(row(1, false), name), Ok(Class::Superseded));
        }
        let zero = NameHash {
            high: 0,
            low: 0,
            named: true,
        };
        assert_eq!(set.decide(row(2, false), zero), Ok(Class::Live));
        assert_eq!(set.decide(row(1, false), zero), Ok(Class::Superseded));
    }
}

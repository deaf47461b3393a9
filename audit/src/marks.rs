//! Nonces met so far: whether a value shares its nonce with another one under the same key, or is another one once more.

use etcd_store::NameHash;

/// A nonce under its key or DEK, and what tells two values with it apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Keyed hash of format, key and nonce.
    pub nonce: NameHash,
    /// Keyed hash of the tag.
    pub seal: NameHash,
    /// Whether a nonce that is used twice gives the values away: GCM and XSalsa20, not CBC.
    pub fatal: bool,
}

/// What an earlier (newer) row says of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    First,
    /// Another value under the same nonce.
    Reused,
    /// The same ciphertext, byte for byte.
    Repeated,
    /// There was no room to remember it, and it is not among those remembered.
    Beyond,
}

/// Nonces compared; 20 to 27 bytes each.
pub(crate) const MOST: usize = 1 << 20;

/// A slot is 64 bits of the nonce's hash, and 16 more of it above 48 bits of the seal's; (0, 0) is empty.
type Slot = (u64, u64);

const SEAL: u64 = (1 << 48) - 1;

/// Open-addressed tables that grow by a third, one at a time: while a table grows, its old self is there too.
#[derive(Default)]
pub(crate) struct Marks {
    tables: Vec<Table>,
    used: usize,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    used: usize,
}

const TABLES: u64 = 64;

/// The table of a nonce. Its place in it follows from the hash's upper bits.
const fn table_of(high: u64) -> usize {
    ((high >> 1) % TABLES) as usize
}

impl Marks {
    /// How many are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    /// Loads the places of nonces that are met next, many at a time.
    pub(crate) fn warm<'m>(&self, marks: impl Iterator<Item = &'m Mark>) {
        let touched = marks.fold(0, |sum, mark| {
            let high = mark.nonce.bits().0 | 1;
            let Some(table) = self.tables.get(table_of(high)) else {
                return sum;
            };
            let at = usize::try_from((u128::from(high) * table.slots.len() as u128) >> 64);
            let at = at.unwrap_or(0);
            let slots = [at, at + 4, at + 8].map(|at| table.slots.get(at));
            slots.iter().flatten().fold(sum, |sum, slot| sum ^ slot.0)
        });
        std::hint::black_box(touched);
    }

    pub(crate) fn meet(&mut self, mark: &Mark) -> Met {
        let (high, low) = mark.nonce.bits();
        let slot = (high | 1, (low & !SEAL) | (mark.seal.bits().0 & SEAL));
        if self.tables.is_empty() {
            self.tables.resize_with(TABLES as usize, Table::default);
        }
        let room = self.used < MOST;
        let Some(table) = self.tables.get_mut(table_of(slot.0)) else {
            return Met::Beyond;
        };
        let met = table.meet(slot, room);
        self.used += usize::from(met == Met::First);
        met
    }
}

impl Table {
    fn meet(&mut self, slot: Slot, room: bool) -> Met {
        if self.used * 16 >= self.slots.len() * 13 && room {
            self.grow();
        }
        let Some(at) = self.find(slot) else {
            return Met::Beyond;
        };
        match self.slots.get_mut(at) {
            Some(found) if *found == (0, 0) => {
                if !room {
                    return Met::Beyond;
                }
                *found = slot;
                self.used += 1;
                Met::First
            }
            Some(found) if *found == slot => Met::Repeated,
            Some(_) => Met::Reused,
            None => Met::Beyond,
        }
    }

    /// The slot of this nonce, or the empty one where it would go.
    fn find(&self, slot: Slot) -> Option<usize> {
        let mut at = usize::try_from((u128::from(slot.0) * self.slots.len() as u128) >> 64).ok()?;
        for _ in 0..self.slots.len() {
            let Some(found) = self.slots.get(at) else {
                at = 0;
                continue;
            };
            if *found == (0, 0) || (found.0, found.1 & !SEAL) == (slot.0, slot.1 & !SEAL) {
                return Some(at);
            }
            at += 1;
        }
        // The search may have begun behind the only empty slot.
        self.slots.iter().position(|found| *found == (0, 0))
    }

    fn grow(&mut self) {
        // Small ones double: exact growth is for what counts.
        let len = self.slots.len();
        let size = if len < 512 {
            (2 * len).max(16)
        } else {
            len + len / 3
        };
        let old = core::mem::replace(&mut self.slots, vec![(0, 0); size]);
        for slot in old.into_iter().filter(|slot| *slot != (0, 0)) {
            if let Some(place) = self.find(slot).and_then(|at| self.slots.get_mut(at)) {
                *place = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use etcd_store::HashKey;

    use super::{Mark, Marks, Met};

    fn mark(nonce: u32, seal: u32) -> Mark {
        let key = HashKey::new([3; 16]);
        Mark {
            nonce: key.hash(&nonce.to_be_bytes()),
            seal: key.hash(&seal.to_be_bytes()),
            fatal: true,
        }
    }

    #[test]
    fn one_nonce_for_two_values_is_reuse_and_for_one_value_twice_is_not() {
        let mut marks = Marks::default();
        for (nonce, seal, met) in [
            (1, 1, Met::First),
            (2, 1, Met::First),
            (1, 1, Met::Repeated),
            (1, 2, Met::Reused),
            (2, 1, Met::Repeated),
        ] {
            assert_eq!(marks.meet(&mark(nonce, seal)), met, "{nonce} {seal}");
        }
    }

    #[test]
    fn a_hundred_thousand_nonces_are_found_again_in_the_room_they_may_take() {
        let mut marks = Marks::default();
        for n in 0..100_000 {
            assert_eq!(marks.meet(&mark(n, n)), Met::First);
        }
        for n in 0..100_000 {
            assert_eq!(marks.meet(&mark(n, n)), Met::Repeated);
            assert_eq!(marks.meet(&mark(n, n + 1)), Met::Reused);
        }
        assert_eq!(marks.len(), 100_000);
        let slots: usize = marks
            .tables
            .iter()
            .map(|table| table.slots.capacity())
            .sum();
        assert!(slots * 16 <= 28 * marks.len());
    }
}

//! The revisions of all rows of a tree, in little room.

/// Revisions in the order they came. Each is its distance from the one before: two bytes where rows follow one another.
#[derive(Default)]
pub(crate) struct Revisions {
    bytes: Vec<u8>,
    last: i64,
}

impl Revisions {
    pub(crate) fn push(&mut self, (main, sub): (i64, u32)) {
        let step = main.wrapping_sub(self.last);
        self.last = main;
        // The sign in the lowest bit: small steps are short in either direction.
        self.put(((step << 1) ^ (step >> 63)).cast_unsigned());
        self.put(sub.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        let (mut bytes, mut main) = (self.bytes.iter(), 0_i64);
        std::iter::from_fn(move || {
            let step = take(&mut bytes)?;
            let sub = take(&mut bytes)?;
            main = main.wrapping_add((step >> 1).cast_signed() ^ -(step & 1).cast_signed());
            Some((main, u32::try_from(sub).ok()?))
        })
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn put(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

fn take<'a>(bytes: &mut impl Iterator<Item = &'a u8>) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::Revisions;

    #[test]
    fn what_went_in_comes_out() {
        let rows = [
            (0, 0),
            (i64::MAX, u32::MAX),
            (i64::MIN, 0),
            (-1, 1),
            (1, 127),
            (1, 128),
            (5_000_000_000, 0),
            (4_999_999_936, 0),
            (4_999_999_871, 300),
        ];
        let mut held = Revisions::default();
        rows.into_iter().for_each(|row| held.push(row));
        assert_eq!(held.iter().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn a_row_that_follows_costs_two_bytes() {
        let mut held = Revisions::default();
        (0..10_000).rev().for_each(|main| held.push((main, 0)));
        assert!(held.bytes.len() < 20_010, "{}", held.bytes.len());
        assert!(held.iter().map(|row| row.0).eq((0..10_000).rev()));
    }
}

//! A hash map from order numbers to 32-bit values, made for order books.

/// A map from 64-bit order numbers to 32-bit values: open addressing with linear probing, 16 bytes
/// an entry, at most half full.
///
/// A lookup touches one cache line in the common case. Removal shifts the entries behind it back,
/// so nothing is left over from orders that went away. It allocates only to double its size.
/// The hash is a fixed multiplication: fast, the same in every run, and good for the running
/// numbers that exchanges give; it is no defence against numbers chosen to collide.
#[derive(Clone, Debug)]
pub(crate) struct ReferenceMap {
    entries: Box<[Entry]>,
    /// 64 minus the logarithm of the number of entries.
    shift: u32,
    length: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    reference: u64,
    value: u32,
    occupied: u32,
}

/// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const LEAST_ENTRIES: usize = 64;

impl ReferenceMap {
    /// A map that holds `capacity` entries before it grows.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::with_entries((capacity * 2).next_power_of_two().max(LEAST_ENTRIES))
    }

    fn with_entries(count: usize) -> Self {
        ReferenceMap {
            entries: vec![Entry::default(); count].into_boxed_slice(),
            shift: 64 - count.trailing_zeros(),
            length: 0,
        }
    }

    /// Entries in the map.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    #[inline(always)]
    fn home(&self, reference: u64) -> usize {
        (reference.wrapping_mul(MULTIPLIER) >> self.shift) as usize
    }

    #[inline(always)]
    fn mask(&self) -> usize {
        self.entries.len() - 1
    }

    /// Where `reference` is, or else where it would go.
    #[inline(always)]
    fn find(&self, reference: u64) -> Result<usize, usize> {
        let mut at = self.home(reference);
        loop {
            let entry = &self.entries[at];
            if entry.occupied == 0 {
                return Err(at);
            }
            if entry.reference == reference {
                return Ok(at);
            }
            at = (at + 1) & self.mask();
        }
    }

    /// The value of `reference`.
    #[inline]
    pub(crate) fn get(&self, reference: u64) -> Option<u32> {
        self.find(reference).ok().map(|at| self.entries[at].value)
    }

    /// Sets the value of `reference`, present or not.
    #[inline]
    pub(crate) fn insert(&mut self, reference: u64, value: u32) {
        match self.find(reference) {
            Ok(at) => self.entries[at].value = value,
            Err(mut at) => {
                if (self.length + 1) * 2 > self.entries.len() {
                    self.grow();
                    at = match self.find(reference) {
                        Ok(at) | Err(at) => at,
                    };
                }
                self.entries[at] = Entry {
                    reference,
                    value,
                    occupied: 1,
                };
                self.length += 1;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Self::with_entries(self.entries.len() * 2);
        for entry in self.entries.iter().filter(|entry| entry.occupied != 0) {
            larger.insert(entry.reference, entry.value);
        }
        *self = larger;
    }

    /// Takes `reference` out; the value it had.
    #[inline]
    pub(crate) fn remove(&mut self, reference: u64) -> Option<u32> {
        let mut hole = self.find(reference).ok()?;
        let value = self.entries[hole].value;
        let mask = self.mask();
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at];
            if entry.occupied == 0 {
                break;
            }
            // An entry may move back to the hole unless its home lies behind the hole.
            let displacement = at.wrapping_sub(self.home(entry.reference)) & mask;
            let distance = at.wrapping_sub(hole) & mask;
            if displacement >= distance {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole].occupied = 0;
        self.length -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u32),
        Remove(u64),
    }

    /// Few numbers, so that they meet again; multiples of a large power of two, so that many share
    /// a home.
    fn reference() -> impl Strategy<Value = u64> {
        prop_oneof![
            0u64..40,
            (0u64..40).prop_map(|n| n << 58),
            (u64::MAX - 20)..=u64::MAX
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (reference(), any::<u32>())
                .prop_map(|(reference, value)| Step::Insert(reference, value)),
            reference().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_does_as_the_standard_map(steps in proptest::collection::vec(step(), 0..400)) {
            let mut map = ReferenceMap::with_capacity(0);
            let mut model = HashMap::new();
            for step in steps {
                match step {
                    Step::Insert(reference, value) => {
                        map.insert(reference, value);
                        model.insert(reference, value);
                    }
                    Step::Remove(reference) => {
                        prop_assert_eq!(map.remove(reference), model.remove(&reference));
                    }
                }
                prop_assert_eq!(map.len(), model.len());
                for (&reference, &value) in &model {
                    prop_assert_eq!(map.get(reference), Some(value));
                }
            }
        }
    }
}

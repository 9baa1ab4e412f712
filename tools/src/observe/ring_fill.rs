//! How many messages wait in a producer's ring: found from the publication words, without a word
//! to the producer.

use selvedge_fabric::Fabric;
use selvedge_fabric::memory::{Access, Mapping};
use selvedge_fabric::protocol::ingress::RingShape;
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_fabric::shared::paths::source_ring;
use selvedge_fabric::shared::registration::Registration;

/// The largest ring that is mapped to look into it.
const MAX_MAPPED_BYTES: u64 = 1 << 30;

/// A producer's ring, mapped for reading.
#[derive(Debug)]
pub struct RingFill {
    slots: Words,
    shape: RingShape,
}

impl RingFill {
    /// Maps the ring; `None` where it has gone, is not what its registration says, or is larger
    /// than 1 GiB.
    pub fn open(fabric: &Fabric, name: &str, registration: &Registration) -> Option<Self> {
        let slot_bytes = u64::from(fabric.control().slot_bytes);
        if registration.ring_bytes(slot_bytes) > MAX_MAPPED_BYTES {
            return None;
        }
        let path = source_ring(&fabric.ring_directory(), name, registration.nonce);
        let mapping = Mapping::open(&path, Access::Read).ok()?;
        let bytes = registration.capacity.checked_mul(slot_bytes)?;
        let slots = mapping
            .words(registration.slots_offset as usize, bytes as usize)
            .ok()?;
        let shape = RingShape::new(registration.capacity, fabric.control().slot_words())?;
        shape.fits(&slots).then_some(RingFill { slots, shape })
    }

    /// Whether every slot after source sequence `consumed` is published: its producer has no room.
    /// One read.
    pub fn full(&self, consumed: u64) -> bool {
        let last = consumed + self.shape.capacity();
        self.slots
            .get(self.shape.slot(last))
            .is_some_and(|word| word.load(Ordering::Acquire) >= last)
    }

    /// Messages published after source sequence `consumed`.
    ///
    /// What is published is contiguous, so the end is found by bisection: a dozen reads. A slot
    /// that holds a later lap's message, published while this looks, counts as published too.
    pub fn waiting(&self, consumed: u64) -> u64 {
        let published = |ahead: u64| {
            let sequence = consumed + ahead;
            self.slots
                .get(self.shape.slot(sequence))
                .is_some_and(|word| word.load(Ordering::Acquire) >= sequence)
        };
        let (mut waiting, mut beyond) = (0, self.shape.capacity() + 1);
        while waiting + 1 < beyond {
            let middle = waiting + (beyond - waiting) / 2;
            if published(middle) {
                waiting = middle;
            } else {
                beyond = middle;
            }
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(words: &[(usize, u64)]) -> RingFill {
        let shape = RingShape::new(16, 8).expect("a possible shape");
        let slots = Words::private(shape.words());
        for &(slot, value) in words {
            slots
                .get(slot * 8)
                .expect("inside")
                .store(value, Ordering::Relaxed);
        }
        RingFill { slots, shape }
    }

    #[test]
    fn what_waits_is_counted_empty_part_full_and_full() {
        assert_eq!(ring(&[]).waiting(0), 0);
        assert_eq!(ring(&[(1, 1), (2, 2), (3, 3)]).waiting(0), 3);
        let full: Vec<_> = (1..=16)
            .map(|sequence| (sequence % 16, sequence as u64))
            .collect();
        assert_eq!(ring(&full).waiting(0), 16);
        assert!(ring(&full).full(0) && !ring(&full).full(1) && !ring(&[]).full(0));
        // A second lap: messages 5 to 16 are of the first and consumed, 17 and 18 wait.
        let mut lapped = full;
        lapped.extend([(1, 17), (2, 18)]);
        assert_eq!(ring(&lapped).waiting(16), 2);
        // Looked at with a position that was stale: the ring went on from 16 to 32 meanwhile.
        let later: Vec<_> = (17..=32)
            .map(|sequence| (sequence % 16, sequence as u64))
            .collect();
        assert_eq!(ring(&later).waiting(2), 16);
    }
}

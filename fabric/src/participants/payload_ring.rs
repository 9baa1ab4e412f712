//! Where payloads that do not fit a slot lie: a ring of bytes, each payload contiguous.

use std::collections::VecDeque;

/// Payloads begin on cache lines.
const PAYLOAD_ALIGNMENT: u64 = 64;

/// The writer's account of a payload ring. Positions are counted from the ring's beginning
/// without wrapping; a payload that would cross the ring's end begins at the next lap.
#[derive(Debug)]
pub struct PayloadRing {
    capacity: u64,
    head: u64,
    tail: u64,
    outstanding: VecDeque<(u64, u64)>,
}

impl PayloadRing {
    /// An empty ring of `capacity` bytes (a power of two), for at most `messages` payloads at a
    /// time.
    pub fn new(capacity: u64, messages: usize) -> Self {
        PayloadRing {
            capacity,
            head: 0,
            tail: 0,
            outstanding: VecDeque::with_capacity(messages),
        }
    }

    /// Where a payload of `length` bytes would lie; `None` while there is no room.
    pub fn place(&self, length: usize) -> Option<u64> {
        let length = (length as u64).next_multiple_of(PAYLOAD_ALIGNMENT);
        let offset = self.head & (self.capacity - 1);
        let start = if offset + length > self.capacity {
            self.head + (self.capacity - offset)
        } else {
            self.head
        };
        let full = start + length - self.tail > self.capacity
            || self.outstanding.len() == self.outstanding.capacity();
        (!full).then_some(start)
    }

    /// Takes the place that [`PayloadRing::place`] gave, for the message `sequence`. Returns the
    /// lowest position that is still whole.
    pub fn take(&mut self, position: u64, length: usize, sequence: u64) -> u64 {
        self.head = position + (length as u64).next_multiple_of(PAYLOAD_ALIGNMENT);
        self.outstanding.push_back((sequence, self.head));
        self.head.saturating_sub(self.capacity)
    }

    /// Gives back the places of all messages up to and including `sequence`.
    pub fn release_through(&mut self, sequence: u64) {
        while let Some(&(oldest, end)) = self.outstanding.front() {
            if oldest > sequence {
                break;
            }
            self.tail = end;
            self.outstanding.pop_front();
        }
        if self.outstanding.is_empty() {
            self.tail = self.head;
        }
    }

    /// Offset of `position` in the ring's memory.
    pub fn offset(&self, position: u64) -> usize {
        (position & (self.capacity - 1)) as usize
    }
}

/// Checks a position and length that another process wrote: the offset into a ring of `capacity`
/// bytes (a power of two), if the payload lies inside. The one check of its kind.
#[inline]
pub fn checked_offset(position: u64, length: usize, capacity: u64) -> Option<usize> {
    let offset = position & (capacity - 1);
    (offset.is_multiple_of(8) && offset + length as u64 <= capacity).then_some(offset as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn payloads_never_overlap(lengths in proptest::collection::vec(1usize..512, 1..200), lag in 1usize..8) {
            let mut ring = PayloadRing::new(4096, 64);
            let mut live: VecDeque<(u64, u64, u64)> = VecDeque::new();
            for (index, &length) in lengths.iter().enumerate() {
                let sequence = index as u64 + 1;
                while live.len() >= lag {
                    let (oldest, ..) = live.pop_front().unwrap();
                    ring.release_through(oldest);
                }
                let position = loop {
                    match ring.place(length) {
                        Some(position) => break position,
                        None => {
                            let (oldest, ..) = live.pop_front().expect("an empty ring has room");
                            ring.release_through(oldest);
                        }
                    }
                };
                ring.take(position, length, sequence);
                let offset = ring.offset(position) as u64;
                prop_assert!(offset + length as u64 <= 4096, "contiguous");
                for &(_, start, end) in &live {
                    prop_assert!(offset + length as u64 <= start || offset >= end);
                }
                live.push_back((sequence, offset, offset + length as u64));
            }
        }

        #[test]
        fn no_position_leads_outside(position: u64, length in 0usize..10_000) {
            if let Some(offset) = checked_offset(position, length, 4096) {
                prop_assert!(offset + length <= 4096);
            }
        }
    }
}

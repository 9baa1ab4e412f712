//! Snapshots: source → last source sequence in the stream, as of a sequence.
//!
//! A source may be quieter than the ring is deep: then none of its frames is left to tell a
//! successor where it stands. So the sequencer writes the whole table into one of two slots in
//! turn, tagged with the epoch and the sequence that it reflects, at least every quarter lap. A
//! successor takes the newest snapshot not above `closed_at` and applies the frames after it.
//!
//! Slot layout in words: 0 tag when writing begins, 1 tag when it is complete, 2 number of
//! sources, 3.. last source sequence by source id.

use super::epoch::EpochWord;
use super::ordering::{SyncPoint, acquire, fence, release};
use super::sync::Ordering;
use super::words::Words;
use crate::frame::{FrameHeader, MAX_SEQUENCE};

/// Words before the table in a snapshot slot.
const SNAPSHOT_HEADER_WORDS: usize = 3;

/// The two alternating slots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    words: Words,
    sources: usize,
}

impl Snapshots {
    /// Words that two snapshots of `sources` sources take.
    pub const fn words(sources: usize) -> usize {
        2 * (SNAPSHOT_HEADER_WORDS + sources)
    }

    /// The snapshots in `words`. `None` where those are too few.
    pub fn new(words: Words, sources: usize) -> Option<Self> {
        (words.count() >= Self::words(sources)).then_some(Snapshots { words, sources })
    }

    fn at(&self, slot: usize, index: usize) -> &super::sync::AtomicU64 {
        debug_assert!(slot < 2 && index < SNAPSHOT_HEADER_WORDS + self.sources);
        // SAFETY: `new` checked the size; `slot` is 0 or 1 and `index` below the slot's size at
        // every call below.
        unsafe {
            self.words
                .at(slot * (SNAPSHOT_HEADER_WORDS + self.sources) + index)
        }
    }

    /// Writes a snapshot into slot `turn mod 2`: `last[id]` is the last source sequence among
    /// frames below `sequence`. Entries beyond the table's size are ignored.
    pub fn write(&self, turn: u64, epoch: EpochWord, sequence: u64, last: &[u64]) {
        let slot = (turn & 1) as usize;
        let tag = FrameHeader::publication_word(epoch.tag(), sequence);
        self.at(slot, 0).store(tag, Ordering::Relaxed);
        // Pairs with the acquire fence in `read`: who sees any of the new table sees this tag.
        fence(SyncPoint::SnapshotRelease, Ordering::Release);
        crash_point!("snapshot.begun");
        let count = last.len().min(self.sources);
        self.at(slot, 2).store(count as u64, Ordering::Relaxed);
        for (id, &value) in last.iter().enumerate().take(count) {
            self.at(slot, SNAPSHOT_HEADER_WORDS + id)
                .store(value, Ordering::Relaxed);
        }
        crash_point!("snapshot.filled");
        // Pairs with the acquire in `read`.
        self.at(slot, 1)
            .store(tag, release(SyncPoint::SnapshotRelease));
        crash_point!("snapshot.written");
    }

    /// The newest whole snapshot of `epoch` that reflects no frame at or above `closed_at`:
    /// fills `last` and returns the sequence it stands for.
    pub fn read(&self, epoch: EpochWord, closed_at: u64, last: &mut Vec<u64>) -> Option<u64> {
        let mut best = None;
        let mut candidate = Vec::with_capacity(self.sources);
        for slot in 0..2 {
            // Pairs with the release in `write`.
            let tag = self.at(slot, 1).load(acquire(SyncPoint::SnapshotAcquire));
            let sequence = tag & MAX_SEQUENCE;
            if tag != FrameHeader::publication_word(epoch.tag(), sequence)
                || sequence > closed_at
                || best.is_some_and(|found| found >= sequence)
            {
                continue;
            }
            let count = self.at(slot, 2).load(Ordering::Relaxed) as usize;
            candidate.clear();
            candidate.extend((0..count.min(self.sources)).map(|id| {
                self.at(slot, SNAPSHOT_HEADER_WORDS + id)
                    .load(Ordering::Relaxed)
            }));
            // Pairs with the release fence in `write`.
            fence(SyncPoint::SnapshotAcquire, Ordering::Acquire);
            if self.at(slot, 0).load(Ordering::Relaxed) == tag {
                best = Some(sequence);
                std::mem::swap(last, &mut candidate);
            }
        }
        best
    }
}

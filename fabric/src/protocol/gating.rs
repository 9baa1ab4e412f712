//! Cursors of gating consumers: how far each has read, and so how far the sequencer may write.

use super::epoch::EpochCell;
use super::ordering::{SyncPoint, acquire, fence, release};
use super::sync::Ordering;
use super::words::Words;

/// A cursor word: the next sequence that the consumer will read; everything below is released.
/// Zero: not started.
#[derive(Clone, Debug)]
pub struct GatingCursor {
    word: Words,
}

impl GatingCursor {
    /// The cursor in the first of `word`'s words. `None` where there is none.
    pub fn new(word: Words) -> Option<Self> {
        (word.count() >= 1).then_some(GatingCursor { word })
    }

    /// Releases everything below `next`: the consumer's references into those slots are gone.
    #[inline(always)]
    pub fn release(&self, next: u64) {
        // SAFETY: `new` checked that there is a word.
        let word = unsafe { self.word.at(0) };
        // Pairs with the acquire in `load`: the consumer has finished reading those slots.
        word.store(next, release(SyncPoint::CursorRelease));
    }

    /// Begins at `granted`, which the sequencer of the epoch `admitted_in` has agreed to hold.
    ///
    /// `false`: that sequencer was replaced meanwhile and its successor may not have seen the
    /// cursor; wait for the successor's grant and start again.
    pub fn start(
        &self,
        granted: u64,
        epoch: &EpochCell,
        admitted_in: super::epoch::EpochWord,
    ) -> bool {
        self.release(granted);
        // Pairs with the fence in `EpochCell::take_over`: either the epoch read below is new, or
        // the successor reads this cursor.
        fence(SyncPoint::GrantFence, Ordering::SeqCst);
        epoch.load() == admitted_in
    }

    /// How far the consumer is; 0 before it started.
    #[inline(always)]
    pub fn load(&self) -> u64 {
        // SAFETY: `new` checked that there is a word.
        let word = unsafe { self.word.at(0) };
        // Pairs with the release in `release`.
        word.load(acquire(SyncPoint::CursorAcquire))
    }
}

/// One consumer in the sequencer's set.
#[derive(Debug)]
struct Member {
    key: u64,
    cursor: GatingCursor,
    /// What it is known to have released.
    granted: u64,
}

/// The cursors that hold the sequencer back.
#[derive(Debug, Default)]
pub struct GatingSet {
    members: Vec<Member>,
}

impl GatingSet {
    /// An empty set with room for `limit` members.
    pub fn with_capacity(limit: usize) -> Self {
        GatingSet {
            members: Vec::with_capacity(limit),
        }
    }

    /// Adds a consumer that was granted to read from `granted` on.
    pub fn add(&mut self, key: u64, cursor: GatingCursor, granted: u64) {
        self.members.push(Member {
            key,
            cursor,
            granted,
        });
    }

    /// Lets a consumer go: it holds nobody back any more.
    pub fn remove(&mut self, key: u64) {
        self.members.retain(|member| member.key != key);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The lowest sequence that any consumer still holds, `None` without consumers.
    ///
    /// A cursor is never taken to be below where it was before, or below its grant (a consumer
    /// that has not started yet), nor above `published` (a cursor that claims to have read what is
    /// not there).
    pub fn lowest(&mut self, published: u64) -> Option<u64> {
        let mut lowest = None;
        for member in &mut self.members {
            let position = member.cursor.load().max(member.granted).min(published);
            member.granted = position;
            lowest = Some(lowest.map_or(position, |other: u64| other.min(position)));
        }
        lowest
    }
}

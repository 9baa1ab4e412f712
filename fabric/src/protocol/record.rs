//! A small table entry that one process writes and any may read: never torn.
//!
//! Word 0 is the key, 0 while the entry is empty or being written. Each content has a key of its
//! own that is never used again for another content.

use super::ordering::{SyncPoint, acquire, fence, release};
use super::sync::Ordering;
use super::words::Words;

/// The entry.
#[derive(Clone, Debug)]
pub struct Record {
    words: Words,
}

impl Record {
    /// The entry in `words`: the key and as many fields as there are further words. `None` where
    /// there is not even a key.
    pub fn new(words: Words) -> Option<Self> {
        (words.count() >= 1).then_some(Record { words })
    }

    /// Fields that fit.
    pub fn fields(&self) -> usize {
        self.words.count() - 1
    }

    /// Replaces the entry. Fields beyond the entry's size are ignored.
    pub fn write(&self, key: u64, fields: &[u64]) {
        let Some(key_word) = self.words.get(0) else {
            return;
        };
        key_word.store(0, Ordering::Relaxed);
        // Pairs with the acquire fence in `read`: who sees any new field sees the key gone.
        fence(SyncPoint::RecordRelease, Ordering::Release);
        for (index, &field) in fields.iter().enumerate() {
            if let Some(word) = self.words.get(index + 1) {
                word.store(field, Ordering::Relaxed);
            }
        }
        // Pairs with the acquire in `read`.
        key_word.store(key, release(SyncPoint::RecordRelease));
    }

    /// Empties the entry.
    pub fn clear(&self) {
        self.write(0, &[]);
    }

    /// Changes one field in place: readers see the old value or the new one.
    pub fn update(&self, field: usize, value: u64) {
        if let Some(word) = self.words.get(field + 1) {
            word.store(value, Ordering::Release);
        }
    }

    /// The key; 0 while empty or being written.
    pub fn key(&self) -> u64 {
        self.words
            .get(0)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Copies the fields out and returns the key; `None` while empty or being written.
    pub fn read(&self, fields: &mut [u64]) -> Option<u64> {
        let key_word = self.words.get(0)?;
        // Pairs with the release in `write`.
        let key = key_word.load(acquire(SyncPoint::RecordAcquire));
        if key == 0 {
            return None;
        }
        for (index, field) in fields.iter_mut().enumerate() {
            *field = self
                .words
                .get(index + 1)
                .map_or(0, |word| word.load(Ordering::Relaxed));
        }
        // Pairs with the release fence in `write`.
        fence(SyncPoint::RecordAcquire, Ordering::Acquire);
        (key_word.load(Ordering::Relaxed) == key).then_some(key)
    }
}

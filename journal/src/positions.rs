//! How far the journal has come, readable from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a journal has come: sequences that only ever grow. Cheap to clone and to read.
#[derive(Clone, Debug)]
pub struct JournalPositions {
    shared: Arc<Words>,
}

// Each word is read by others while the writing thread moves it; they share a line because one
// thread writes both, and no reader is in a hurry.
#[derive(Debug)]
struct Words {
    recorded: AtomicU64,
    durable: AtomicU64,
}

impl JournalPositions {
    pub(crate) fn new(sequence: u64) -> Self {
        JournalPositions {
            shared: Arc::new(Words {
                recorded: AtomicU64::new(sequence),
                durable: AtomicU64::new(sequence),
            }),
        }
    }

    /// The last sequence handed to the kernel: it survives the death of this process. Readers of
    /// the files find every frame up to here.
    pub fn recorded(&self) -> u64 {
        // Pairs with the release in `set_recorded`: the write to the file came before.
        self.shared.recorded.load(Ordering::Acquire)
    }

    /// The last sequence that `fdatasync` has put on the disk: it survives the loss of power.
    pub fn durable(&self) -> u64 {
        // Pairs with the release in `set_durable`: the sync came before.
        self.shared.durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_recorded(&self, sequence: u64) {
        self.shared.recorded.store(sequence, Ordering::Release);
    }

    pub(crate) fn set_durable(&self, sequence: u64) {
        self.shared.durable.store(sequence, Ordering::Release);
    }
}

//! The lives of processes: one row for each process that was started, written by that process, so
//! that what it knew is known after its death.
//!
//! A producer writes `intent` before it commits a message and `committed` after: when it is killed
//! between the two, that one message is uncertain and known to be.

use super::words::MappedWords;
use crate::error::Result;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Words of a row.
const ROW: usize = 8;

/// The table.
#[derive(Debug)]
pub struct Lives {
    words: MappedWords,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    lives: &'a Lives,
    number: u64,
}

/// What a producer's life came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commits {
    /// Source sequence of its first message; 0: it was never admitted.
    pub first: u64,
    /// The last message that it may have committed.
    pub intent: u64,
    /// The last message that it certainly committed.
    pub committed: u64,
}

impl Lives {
    /// A table for `count` lives.
    pub fn create(path: &Path, count: u64) -> Result<Self> {
        Ok(Lives {
            words: MappedWords::create(path, count as usize * ROW)?,
        })
    }

    /// The table that is there.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Lives {
            words: MappedWords::open(path)?,
        })
    }

    /// Life `number`.
    pub fn life(&self, number: u64) -> Life<'_> {
        Life {
            lives: self,
            number,
        }
    }
}

impl Life<'_> {
    fn store(&self, field: usize, value: u64) {
        if let Some(word) = self.lives.words.get(self.number as usize * ROW + field) {
            // Release: what precedes in the program precedes for whoever reads after a death.
            word.store(value, Ordering::Release);
        }
    }

    fn load(&self, field: usize) -> u64 {
        self.lives
            .words
            .get(self.number as usize * ROW + field)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// The process does what it is for, since UTC `now_ns`.
    pub fn works(&self, now_ns: u64) {
        if self.load(0) == 0 {
            self.store(0, now_ns);
        }
    }

    /// Since when it does what it is for; 0: it never did.
    pub fn working_since(&self) -> u64 {
        self.load(0)
    }

    /// The producer was admitted and goes on with `first`.
    pub fn admitted(&self, first: u64) {
        self.store(2, first - 1);
        self.store(3, first - 1);
        self.store(1, first);
    }

    /// The producer is about to commit `source_sequence`.
    pub fn intends(&self, source_sequence: u64) {
        self.store(2, source_sequence);
    }

    /// The producer has committed `source_sequence`.
    pub fn committed(&self, source_sequence: u64) {
        self.store(3, source_sequence);
    }

    /// What became of it.
    pub fn commits(&self) -> Commits {
        Commits {
            first: self.load(1),
            intent: self.load(2),
            committed: self.load(3),
        }
    }
}

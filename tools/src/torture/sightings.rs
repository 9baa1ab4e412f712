//! What one reader has been handed: for each sequence a digest of the frame and whose message it
//! was, and what was wrong as it happened. Kept over the deaths of the reader's processes.

use super::message::{Content, content, digest};
use super::words::MappedWords;
use crate::error::Result;
use selvedge_fabric::frame::FrameHeader;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Sequences that can be recorded. The file is sparse.
pub const MOST_FRAMES: u64 = 1 << 27;

/// Words before the first entry.
const HEADER: usize = 512;

/// Words of an entry: digest; life and source sequence of a message, or what else it is.
const ENTRY: usize = 2;

/// Entry word 1 of the fabric's own frames.
const SYSTEM: u64 = u64::MAX;

/// Entry word 1 of frames that nobody sent.
const RUBBISH: u64 = u64::MAX - 1;

/// Bits of a source sequence in entry word 1.
const SEQUENCE_BITS: u32 = 40;

/// What a reader counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Count {
    /// The sequence after the highest handed out.
    Next = 0,
    /// Frames that were handed out as something else before.
    Conflicts = 1,
    /// Frames left out although the reader held the stream.
    Gaps = 2,
    /// Frames handed out twice in one life, or further back than a run after a death.
    Repeats = 3,
    /// Frames that the reader was told it missed.
    Missed = 4,
    /// Frames that could not be recorded.
    Beyond = 5,
}

/// What is known of one sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// The frame's digest.
    pub digest: u64,
    /// Whose it was.
    pub whose: Whose,
}

/// Whose a frame was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// The fabric's.
    System,
    /// A message of this life of a producer.
    Message {
        /// The life.
        life: u64,
        /// Place among the producer's messages.
        source_sequence: u64,
    },
    /// Nobody's.
    Rubbish,
}

/// See the module.
#[derive(Debug)]
pub struct Sightings {
    words: MappedWords,
    /// The sequence that must come next; 0: whatever comes first.
    expected: u64,
    scratch: Vec<u8>,
}

impl Sightings {
    /// An empty record.
    pub fn create(path: &Path) -> Result<()> {
        MappedWords::create(path, HEADER + MOST_FRAMES as usize * ENTRY)?;
        Ok(())
    }

    /// The record that is there.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Sightings {
            words: MappedWords::open(path)?,
            expected: 0,
            scratch: Vec::new(),
        })
    }

    /// What was counted.
    pub fn count(&self, count: Count) -> u64 {
        self.words
            .get(count as usize)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn set(&self, count: Count, value: u64) {
        if let Some(word) = self.words.get(count as usize) {
            word.store(value, Ordering::Release);
        }
    }

    fn add(&self, count: Count, value: u64) {
        self.set(count, self.count(count) + value);
    }

    /// The reader begins a life at `position`; at most `run` frames before the highest may come
    /// again. `complete`: nothing may have been left out since.
    pub fn begin(&mut self, position: u64, run: u64, complete: bool) {
        let next = self.count(Count::Next);
        if next != 0 {
            if position > next {
                let kind = if complete { Count::Gaps } else { Count::Missed };
                self.add(kind, position - next);
            } else if next - position > run {
                self.add(Count::Repeats, next - position - run);
            }
        }
        self.expected = position;
    }

    /// The reader was told that it missed everything before `next`.
    pub fn missed(&mut self, next: u64) {
        self.add(Count::Missed, next.saturating_sub(self.expected));
        self.expected = next;
    }

    /// A frame was handed out.
    pub fn take(&mut self, header: &FrameHeader, payload: &[u8]) {
        let sequence = header.sequence();
        if sequence > self.expected {
            self.add(Count::Gaps, sequence - self.expected);
        } else if sequence < self.expected {
            self.add(Count::Repeats, 1);
        }
        self.expected = sequence + 1;
        let whose = match content(header, payload, &mut self.scratch) {
            Content::System => SYSTEM,
            Content::Tick(tick) => tick.life << SEQUENCE_BITS | tick.source_sequence,
            Content::Rubbish => RUBBISH,
        };
        let found = digest(header, payload);
        let at = HEADER + sequence as usize * ENTRY;
        let (Some(digest), Some(owner)) = (self.words.get(at), self.words.get(at + 1)) else {
            self.add(Count::Beyond, 1);
            return;
        };
        let before = digest.load(Ordering::Acquire);
        if before != 0 && before != found {
            self.add(Count::Conflicts, 1);
        }
        owner.store(whose, Ordering::Release);
        digest.store(found, Ordering::Release);
        if sequence >= self.count(Count::Next) {
            self.set(Count::Next, sequence + 1);
        }
    }

    /// What is known of `sequence`.
    pub fn sighting(&self, sequence: u64) -> Option<Sighting> {
        let at = HEADER + sequence as usize * ENTRY;
        let digest = self.words.get(at)?.load(Ordering::Acquire);
        if digest == 0 {
            return None;
        }
        let whose = match self.words.get(at + 1)?.load(Ordering::Acquire) {
            SYSTEM => Whose::System,
            RUBBISH => Whose::Rubbish,
            word => Whose::Message {
                life: word >> SEQUENCE_BITS,
                source_sequence: word & ((1 << SEQUENCE_BITS) - 1),
            },
        };
        Some(Sighting { digest, whose })
    }
}

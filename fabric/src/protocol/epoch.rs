//! Epochs: which sequencer counts, and up to where.
//!
//! One word, changed only by compare-exchange, names the current epoch and its bank. A bank is the
//! memory that the sequencer of an epoch writes: its stream ring and its state. A sequencer that
//! takes over:
//!
//! 1. moves the word on with a sequentially consistent compare-exchange, then fences;
//! 2. scans the predecessor's stream for the first sequence that is not published: `closed_at`;
//! 3. opens its own bank, saying that it begins at `closed_at` and which epoch it follows;
//! 4. publishes from `closed_at` on.
//!
//! A reader loads a publication word, fences, and loads the epoch word. If that still names the
//! epoch whose frame it saw, the successor's scan (which comes after the move) sees the frame too,
//! so the frame counts. If it names another, frames of the old epoch count only below the
//! `closed_at` that the chain of banks gives. The same argument fences producers.

use super::LINE_WORDS;
use super::ordering::{SyncPoint, acquire, epoch_check_fence, fence, release};
use super::sync::Ordering;
use super::words::Words;
use crate::frame::MAX_EPOCH_TAG;

/// The most banks a fabric may have. Three are enough unless replaced sequencers stay frozen.
pub const MAX_BANKS: usize = 16;

/// The longest chain of epochs that a reader follows back: each has a bank of its own.
const MAX_CHAIN: usize = MAX_BANKS;

/// An epoch and its bank in one word: 56 bits of epoch, 8 bits of bank. Zero: no epoch yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EpochWord(u64);

impl EpochWord {
    /// No epoch.
    pub const NONE: EpochWord = EpochWord(0);

    /// The word of `epoch` (from 1) in `bank`.
    pub const fn new(epoch: u64, bank: usize) -> Self {
        EpochWord(epoch << 8 | (bank & 0xFF) as u64)
    }

    /// The word with this value.
    pub const fn from_bits(bits: u64) -> Self {
        EpochWord(bits)
    }

    /// The value.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The epoch's number.
    #[inline(always)]
    pub const fn epoch(self) -> u64 {
        self.0 >> 8
    }

    /// The bank it writes.
    #[inline(always)]
    pub const fn bank(self) -> usize {
        (self.0 & 0xFF) as usize
    }

    /// The epoch's low 16 bits, as publication words carry them.
    #[inline(always)]
    pub const fn tag(self) -> u64 {
        self.epoch() & MAX_EPOCH_TAG
    }

    /// Whether there is an epoch at all.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// The word that says which epoch is current.
#[derive(Clone, Debug)]
pub struct EpochCell {
    word: Words,
}

impl EpochCell {
    /// The cell in the first of `word`'s words. `None` where there is none.
    pub fn new(word: Words) -> Option<Self> {
        (word.count() >= 1).then_some(EpochCell { word })
    }

    /// The current epoch.
    #[inline(always)]
    pub fn load(&self) -> EpochWord {
        // SAFETY: `new` checked that there is a word.
        EpochWord(unsafe { self.word.at(0) }.load(Ordering::Acquire))
    }

    /// The current epoch, loaded after everything that was loaded before: the readers' check.
    #[inline(always)]
    pub fn load_after_publication(&self) -> EpochWord {
        epoch_check_fence();
        self.load()
    }

    /// Moves the epoch on, if it still is `from`; what is read afterwards is read after the move.
    /// `false`: another sequencer was faster.
    pub fn take_over(&self, from: EpochWord, to: EpochWord) -> bool {
        // SAFETY: `new` checked that there is a word.
        let word = unsafe { self.word.at(0) };
        let moved = word
            .compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
        // Pairs with the fences in `load_after_publication`, `consumed_in_current_epoch` and
        // `GatingCursor::start`.
        fence(SyncPoint::TakeoverFence, Ordering::SeqCst);
        moved
    }
}

/// Where a bank says which epoch it serves: one line, written by that epoch's sequencer.
///
/// Words: 0 the epoch word once open (0 while it is being prepared), 1 the first sequence,
/// 2 the epoch word that it follows.
#[derive(Clone, Debug)]
pub struct BankHeader {
    words: Words,
}

/// What an open bank says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The bank's epoch.
    pub epoch: EpochWord,
    /// Its first sequence: where the epoch before was closed.
    pub first_sequence: u64,
    /// The epoch before; [`EpochWord::NONE`] for the first.
    pub previous: EpochWord,
}

impl BankHeader {
    /// The header in the first line of `words`. `None` where they are too few.
    pub fn new(words: Words) -> Option<Self> {
        (words.count() >= LINE_WORDS).then_some(BankHeader { words })
    }

    fn at(&self, index: usize) -> &super::sync::AtomicU64 {
        debug_assert!(index < LINE_WORDS);
        // SAFETY: `new` checked that there is a whole line.
        unsafe { self.words.at(index) }
    }

    /// Makes the bank nobody's, before it is prepared for a new epoch.
    pub fn close(&self) {
        self.at(0).store(0, Ordering::Relaxed);
        // Pairs with the acquire fence in `read`: who sees what is written next sees the closing.
        fence(SyncPoint::OpenRelease, Ordering::Release);
    }

    /// Opens the bank for an epoch. From here on readers may follow into it.
    pub fn open(&self, opened: Opened) {
        self.at(1).store(opened.first_sequence, Ordering::Relaxed);
        self.at(2).store(opened.previous.0, Ordering::Relaxed);
        // Pairs with the acquire in `read`.
        self.at(0)
            .store(opened.epoch.0, release(SyncPoint::OpenRelease));
    }

    /// What the bank says, whichever epoch it is open for.
    pub fn read_any(&self) -> Option<Opened> {
        let epoch = EpochWord(self.at(0).load(Ordering::Acquire));
        if epoch.is_some() {
            self.read(epoch)
        } else {
            None
        }
    }

    /// What the bank says, if it is open for `epoch`.
    pub fn read(&self, epoch: EpochWord) -> Option<Opened> {
        // Pairs with the release in `open`.
        if self.at(0).load(acquire(SyncPoint::OpenAcquire)) != epoch.0 || !epoch.is_some() {
            return None;
        }
        let opened = Opened {
            epoch,
            first_sequence: self.at(1).load(Ordering::Relaxed),
            previous: EpochWord(self.at(2).load(Ordering::Relaxed)),
        };
        // Pairs with the release fence in `close`: a bank that is being reused is not believed.
        fence(SyncPoint::OpenAcquire, Ordering::Acquire);
        (self.at(0).load(Ordering::Relaxed) == epoch.0).then_some(opened)
    }
}

/// The part of the total order that one epoch holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The epoch.
    pub epoch: EpochWord,
    /// Its first sequence.
    pub first_sequence: u64,
    /// The first sequence that is no longer its own; `None` while it is the current epoch.
    pub closed_at: Option<u64>,
}

/// Where a sequence is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// In this epoch's bank.
    Found(Span),
    /// The current epoch has not opened its bank yet: ask again.
    NotOpen,
    /// In an epoch whose bank has been reused; the oldest sequence still in a bank is given.
    Gone {
        /// First sequence of the oldest epoch that still has its bank.
        oldest: u64,
    },
}

/// Finds the epoch that holds `sequence`: the latest in the chain from the current one back that
/// began at or before it. Epochs that never opened are not in the chain.
///
/// The answer counts only if the epoch that the chain began at is still current after the banks
/// were read: a sequencer that was replaced before it opened its bank may open it late, closing the
/// epoch before at another sequence than its successor, who did not find it open.
pub fn owner_of<'a>(
    cell: &EpochCell,
    sequence: u64,
    bank: impl Fn(EpochWord) -> Option<&'a BankHeader>,
) -> Owner {
    let mut current = cell.load();
    loop {
        let owner = owner_in_chain(current, sequence, &bank);
        let now = cell.load_after_publication();
        if now == current {
            return owner;
        }
        current = now;
    }
}

/// What the banks say, followed back from `current`.
fn owner_in_chain<'a>(
    current: EpochWord,
    sequence: u64,
    bank: impl Fn(EpochWord) -> Option<&'a BankHeader>,
) -> Owner {
    let mut epoch = current;
    let mut closed_at = None;
    let mut oldest = 0;
    for _ in 0..MAX_CHAIN {
        match bank(epoch).and_then(|header| header.read(epoch)) {
            Some(opened) if opened.first_sequence <= sequence => {
                return Owner::Found(Span {
                    epoch,
                    first_sequence: opened.first_sequence,
                    closed_at,
                });
            }
            Some(opened) => {
                oldest = opened.first_sequence;
                closed_at = Some(opened.first_sequence);
                epoch = opened.previous;
            }
            None if epoch == current => return Owner::NotOpen,
            None => return Owner::Gone { oldest },
        }
    }
    Owner::Gone { oldest }
}

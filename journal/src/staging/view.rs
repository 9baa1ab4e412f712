//! Staging as other processes see it: read, copied, checked.

use super::layout::{StagingLayout, control};
use crate::error::JournalError;
use crate::format::{BLOCK_HEADER_BYTES, frame_bytes_on_disk};
use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::memory::{Access, Mapping};
use selvedge_fabric::protocol::Words;
use std::path::Path;
use std::sync::atomic::{Ordering, fence};

/// A staging file, mapped for reading. What is copied out of it was whole at one moment.
pub struct StagingView {
    words: Words,
    layout: StagingLayout,
    fabric_id: u128,
}

impl StagingView {
    /// Maps the staging file at `path`.
    ///
    /// # Errors
    /// [`JournalError::SharedFile`] when it is not one, and what the host says.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mapping = Mapping::open(path, Access::Read).map_err(JournalError::Fabric)?;
        let words = mapping
            .words(0, mapping.len() / 8 * 8)
            .map_err(JournalError::Fabric)?;
        let word = |index: usize| {
            words
                .get(index)
                .map_or(0, |word| word.load(Ordering::Acquire))
        };
        let layout = StagingLayout::from_header(word)
            .filter(|layout| layout.file_bytes() <= mapping.len())
            .ok_or_else(|| StagingLayout::mismatch(path))?;
        let id = super::layout::header::FABRIC_ID;
        let fabric_id = u128::from(word(id)) | u128::from(word(id + 1)) << 64;
        Ok(StagingView {
            words,
            layout,
            fabric_id,
        })
    }

    /// The fabric whose frames these are.
    pub fn fabric_id(&self) -> u128 {
        self.fabric_id
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.layout.slots
    }

    fn word(&self, offset: usize, ordering: Ordering) -> u64 {
        self.words
            .get(offset / 8)
            .map_or(0, |word| word.load(ordering))
    }

    /// The first sequence of the slot and how many bytes of frames it holds; `None` for none.
    pub fn slot(&self, slot: usize) -> Option<(u64, usize)> {
        if slot >= self.layout.slots {
            return None;
        }
        let at = self.layout.control_offset(slot);
        // Pairs with the release in `SlotMemory::commit`.
        let committed = self.word(at + control::COMMITTED * 8, Ordering::Acquire);
        let first = self.word(at + control::FIRST_SEQUENCE * 8, Ordering::Relaxed);
        let committed = usize::try_from(committed).ok()?;
        let room = self.layout.slot_bytes - BLOCK_HEADER_BYTES;
        (committed > 0 && committed <= room && committed.is_multiple_of(8))
            .then_some((first, committed))
    }

    /// The header of the frame with `sequence`, where it is still staged: it is until it is
    /// durable. Looks at the headers of the frames ahead of it in its slot, at most a block's.
    pub fn peek(&self, sequence: u64) -> Option<FrameHeader> {
        let (slot, first) = (0..self.layout.slots)
            .filter_map(|slot| Some((slot, self.slot(slot)?.0)))
            .filter(|(_, first)| *first <= sequence)
            .max_by_key(|(_, first)| *first)?;
        let generation_at = self.layout.control_offset(slot) + control::GENERATION * 8;
        // Pairs with the release in `SlotMemory::empty`.
        let generation = self.word(generation_at, Ordering::Acquire);
        let (_, committed) = self.slot(slot).filter(|(again, _)| *again == first)?;
        let start = self.layout.slot_offset(slot) + BLOCK_HEADER_BYTES;
        let (mut at, mut here) = (0, first);
        let header = loop {
            if at >= committed {
                return None;
            }
            let word = |index: usize| self.word(start + at + index * 8, Ordering::Relaxed);
            let header = FrameHeader::from_words([word(0), word(1), word(2), word(3)]);
            if here == sequence {
                break header;
            }
            at += frame_bytes_on_disk(header.length());
            here += 1;
        };
        // Pairs with the release fence in `SlotMemory::empty`.
        fence(Ordering::Acquire);
        let same = self.word(generation_at, Ordering::Relaxed) == generation;
        (same && header.sequence() == sequence).then_some(header)
    }

    /// Copies the frames of a slot into `into`; false when there are none or the slot was taken
    /// for other frames meanwhile.
    pub fn copy(&self, slot: usize, into: &mut Vec<u8>) -> bool {
        into.clear();
        if slot >= self.layout.slots {
            return false;
        }
        let generation_at = self.layout.control_offset(slot) + control::GENERATION * 8;
        let generation = self.word(generation_at, Ordering::Acquire);
        let Some((_, committed)) = self.slot(slot) else {
            return false;
        };
        let start = (self.layout.slot_offset(slot) + BLOCK_HEADER_BYTES) / 8;
        into.reserve(committed);
        for index in 0..committed / 8 {
            let word = self
                .words
                .get(start + index)
                .map_or(0, |word| word.load(Ordering::Relaxed));
            into.extend_from_slice(&word.to_le_bytes());
        }
        // Pairs with the release fence in `SlotMemory::empty`.
        fence(Ordering::Acquire);
        self.word(generation_at, Ordering::Relaxed) == generation
    }
}

//! Where things lie in a staging file.

use crate::error::JournalError;

/// The first word of a staging file: `SELVSTAG`.
pub const STAGING_MAGIC: u64 = u64::from_le_bytes(*b"SELVSTAG");

/// Version of the staging file's layout.
pub const STAGING_VERSION: u64 = 1;

/// Bytes of the header page.
pub(crate) const HEADER_BYTES: usize = 4096;

/// Bytes of a slot's control words: two cache lines, so that neighbours do not share one.
pub(crate) const CONTROL_BYTES: usize = 128;

/// The most slots, and the most bytes of a slot, that a file may claim.
pub(crate) const MAX_SLOTS: usize = 1024;

/// Words of the header page.
pub(crate) mod header {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const SLOTS: usize = 2;
    pub(crate) const SLOT_BYTES: usize = 3;
    /// Two words.
    pub(crate) const FABRIC_ID: usize = 4;
}

/// Words of a slot's control.
pub(crate) mod control {
    /// Raised before a slot is emptied for other frames.
    pub(crate) const GENERATION: usize = 0;
    /// Bytes of whole frames in the slot, stored last.
    pub(crate) const COMMITTED: usize = 1;
    /// Sequence of its first frame.
    pub(crate) const FIRST_SEQUENCE: usize = 2;
}

/// The shape of a staging file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StagingLayout {
    pub(crate) slots: usize,
    pub(crate) slot_bytes: usize,
}

impl StagingLayout {
    /// The shape that these words of a header page state; `None` when they are not one.
    pub(crate) fn from_header(word: impl Fn(usize) -> u64) -> Option<Self> {
        let (slots, slot_bytes) = (word(header::SLOTS), word(header::SLOT_BYTES));
        (word(header::MAGIC) == STAGING_MAGIC
            && word(header::VERSION) == STAGING_VERSION
            && (1..=MAX_SLOTS as u64).contains(&slots)
            && (4096..=crate::format::MAX_BLOCK_BYTES as u64).contains(&slot_bytes)
            && slot_bytes.is_multiple_of(4096))
        .then_some(StagingLayout {
            slots: slots as usize,
            slot_bytes: slot_bytes as usize,
        })
    }

    /// Where the control words of a slot lie.
    pub(crate) fn control_offset(self, slot: usize) -> usize {
        HEADER_BYTES + slot * CONTROL_BYTES
    }

    /// Where the memory of a slot lies.
    pub(crate) fn slot_offset(self, slot: usize) -> usize {
        (HEADER_BYTES + self.slots * CONTROL_BYTES).next_multiple_of(4096) + slot * self.slot_bytes
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(self) -> usize {
        self.slot_offset(self.slots)
    }

    /// The error for a file that is not this.
    pub(crate) fn mismatch(path: &std::path::Path) -> JournalError {
        JournalError::SharedFile {
            file: path.display().to_string(),
            what: "staging file",
        }
    }
}

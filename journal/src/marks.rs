//! Marks: where frames begin in a block, every 4 KiB.
//!
//! A block's header carries the hash of its marks. A proof that a frame is in a block can then
//! show that a frame really begins where it says: without that, bytes inside a payload could be
//! passed off as a frame.

use crate::format::Hash;

/// Bytes of payload from one mark to the next, at least.
pub const MARK_EVERY: usize = 4096;

/// Bytes of a mark: offset in the payload u32, number of the frame in the block u32.
pub const MARK_BYTES: usize = 8;

/// The marks of a block, as they are hashed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    bytes: Vec<u8>,
    /// The first offset at which the next mark is due.
    due: usize,
}

impl Marks {
    /// No marks, with memory for those of a block of `block_bytes`.
    pub(crate) fn with_capacity(block_bytes: usize) -> Self {
        Marks {
            bytes: Vec::with_capacity((block_bytes / MARK_EVERY + 1) * MARK_BYTES),
            due: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.due = 0;
    }

    /// Takes note that frame `number` of the block begins at `offset` of its payload.
    #[inline]
    pub(crate) fn frame(&mut self, offset: usize, number: u32) {
        if offset >= self.due {
            self.bytes.extend_from_slice(&(offset as u32).to_le_bytes());
            self.bytes.extend_from_slice(&number.to_le_bytes());
            self.due = (offset / MARK_EVERY + 1) * MARK_EVERY;
        }
    }

    /// Every mark: offset and number of the frame.
    pub(crate) fn list(bytes: &[u8]) -> impl Iterator<Item = (usize, u32)> + '_ {
        bytes.as_chunks::<MARK_BYTES>().0.iter().map(|mark| {
            let [a, b, c, d, e, f, g, h] = *mark;
            (
                u32::from_le_bytes([a, b, c, d]) as usize,
                u32::from_le_bytes([e, f, g, h]),
            )
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What a block's header says of them; zeros for none.
    pub(crate) fn hash(&self) -> Hash {
        Self::hash_of(&self.bytes)
    }

    pub(crate) fn hash_of(bytes: &[u8]) -> Hash {
        if bytes.is_empty() {
            return [0; 32];
        }
        *blake3::hash(bytes).as_bytes()
    }
}

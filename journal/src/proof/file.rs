//! The bytes of a proof.

use crate::format::{Hash, MAX_INDEX_ENTRIES, SEAL_BYTES, Seal};
use zerocopy::{FromBytes, IntoBytes};

/// The first eight bytes of a proof.
pub const PROOF_MAGIC: [u8; 8] = *b"SELVPRF1";

/// The most bytes of a proof: a message of the longest kind and what belongs to it.
pub const MAX_PROOF_BYTES: usize = 33 << 20;

/// The longest path: a segment's index has a place for each block.
const MAX_PATH: usize = MAX_INDEX_ENTRIES.ilog2() as usize + 1;

/// A proof, taken apart.
pub(super) struct Proof {
    pub(super) fabric_id: [u8; 16],
    pub(super) segment_number: u64,
    pub(super) sequence: u64,
    /// Which block of the segment.
    pub(super) leaf: u64,
    /// Bytes of block header and payload.
    pub(super) length: u32,
    /// The range of the block that is given besides its header: from a mark to the frame's end.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) seal: Seal,
    pub(super) path: Vec<Hash>,
    pub(super) marks: Vec<u8>,
    pub(super) part: Vec<u8>,
}

impl Proof {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = PROOF_MAGIC.to_vec();
        out.extend_from_slice(&self.fabric_id);
        for word in [self.segment_number, self.sequence, self.leaf] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let lengths = [self.path.len(), self.marks.len(), self.part.len()].map(|len| len as u32);
        for word in [self.length, self.start, self.end]
            .into_iter()
            .chain(lengths)
        {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(self.seal.as_bytes());
        out.extend_from_slice(self.path.as_flattened());
        out.extend_from_slice(&self.marks);
        out.extend_from_slice(&self.part);
        out
    }

    /// The proof that these bytes are; `None` when they are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Proof> {
        if bytes.len() > MAX_PROOF_BYTES {
            return None;
        }
        let mut rest = bytes.strip_prefix(&PROOF_MAGIC)?;
        let mut take = |count: usize| {
            let (taken, behind) = rest.split_at_checked(count)?;
            rest = behind;
            Some(taken)
        };
        let fabric_id = take(16)?.try_into().ok()?;
        let mut word = || Some(u64::from_le_bytes(take(8)?.try_into().ok()?));
        let (segment_number, sequence, leaf) = (word()?, word()?, word()?);
        let mut word = || Some(u32::from_le_bytes(take(4)?.try_into().ok()?));
        let (length, start, end) = (word()?, word()?, word()?);
        let (path, marks, part) = (word()? as usize, word()? as usize, word()? as usize);
        if path > MAX_PATH {
            return None;
        }
        let seal = Seal::read_from_bytes(take(SEAL_BYTES)?).ok()?;
        let path = take(path * 32)?.as_chunks::<32>().0.to_vec();
        let marks = take(marks)?.to_vec();
        let part = take(part)?.to_vec();
        rest.is_empty().then_some(Proof {
            fabric_id,
            segment_number,
            sequence,
            leaf,
            length,
            start,
            end,
            seal,
            path,
            marks,
            part,
        })
    }
}

//! How far each source has come: the last source sequence in the stream.

use selvedge_fabric::frame::system::{SourceJoined, SourceLeft};
use selvedge_fabric::frame::{FrameHeader, SourceId};
use selvedge_fabric::message::Message;
use zerocopy::FromBytes;

const ENTRY_BYTES: usize = 16;
/// Stands for a source that was never seen. Source sequences have 48 bits.
const UNSEEN: u64 = u64::MAX;

/// The last source sequence of every source seen so far.
pub(crate) struct SourcePositions {
    last: Box<[u64]>,
}

impl SourcePositions {
    pub(crate) fn new() -> Self {
        SourcePositions {
            last: vec![UNSEEN; 1 << 16].into_boxed_slice(),
        }
    }

    /// Takes note of the last source sequence of a source.
    pub(crate) fn set(&mut self, source: SourceId, sequence: u64) {
        if let Some(place) = self.last.get_mut(usize::from(source)) {
            *place = sequence;
        }
    }

    /// Takes note of a frame of the stream.
    #[inline]
    pub(crate) fn learn(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.set(header.source(), header.source_sequence());
        if header.source() == 0 && header.message_type() == SourceJoined::TYPE {
            if let Ok((joined, _)) = SourceJoined::read_from_prefix(payload) {
                self.set(joined.source, joined.last_source_sequence);
            }
        } else if header.source() == 0
            && header.message_type() == SourceLeft::TYPE
            && let Ok((left, _)) = SourceLeft::read_from_prefix(payload)
        {
            self.set(left.source, left.last_source_sequence);
        }
    }

    /// Appends a Snapshot block's payload to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (source, last) in self.list() {
            out.extend_from_slice(&source.to_le_bytes());
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(&last.to_le_bytes());
        }
    }

    /// Whether a Snapshot block's payload is one: whole entries, in ascending order of source.
    pub(crate) fn check(payload: &[u8]) -> Result<(), &'static str> {
        if !payload.len().is_multiple_of(ENTRY_BYTES) {
            return Err("the snapshot's length is not a multiple of 16");
        }
        let mut next = 0;
        for entry in payload.chunks_exact(ENTRY_BYTES) {
            let source = u32::from(u16::from_le_bytes([entry[0], entry[1]]));
            if source < next {
                return Err("the snapshot's sources are not in ascending order");
            }
            next = source + 1;
        }
        Ok(())
    }

    /// Replaces what is known by a Snapshot block's payload.
    pub(crate) fn decode(&mut self, payload: &[u8]) -> Result<(), &'static str> {
        Self::check(payload)?;
        self.last.fill(UNSEEN);
        for entry in payload.chunks_exact(ENTRY_BYTES) {
            let source = u16::from_le_bytes([entry[0], entry[1]]);
            let mut last = [0; 8];
            last.copy_from_slice(&entry[8..]);
            self.set(source, u64::from_le_bytes(last));
        }
        Ok(())
    }

    /// Every source seen, with its last source sequence.
    pub(crate) fn list(&self) -> impl Iterator<Item = (SourceId, u64)> + '_ {
        self.last
            .iter()
            .enumerate()
            .filter(|(_, last)| **last != UNSEEN)
            .map(|(source, last)| (source as SourceId, *last))
    }
}

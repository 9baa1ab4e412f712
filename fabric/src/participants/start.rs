//! Where a consumer begins.

use crate::error::{FabricError, Result};
use crate::fabric::Fabric;
use crate::shared::cursor::StartRequest;

/// Where a consumer begins to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// With the next frame that is published.
    Latest,
    /// With the oldest frame still in the rings.
    Oldest,
    /// With this sequence; an error unless it is in the rings or the next one.
    Sequence(u64),
    /// With the first frame stamped at or after this fabric time (UTC nanoseconds); an error
    /// where older frames would be needed to tell.
    Time(u64),
    /// Where the consumer of this name stood when it left or died; with the oldest frame if there
    /// never was one.
    Stored,
}

impl Start {
    /// What to ask the sequencer for, given the position stored for this name (0: none).
    pub(super) fn resolve(self, fabric: &Fabric, stored: u64) -> Result<StartRequest> {
        Ok(match self {
            Start::Latest => StartRequest::Latest,
            Start::Oldest => StartRequest::Oldest,
            Start::Sequence(sequence) => StartRequest::Sequence(sequence),
            Start::Stored if stored == 0 => StartRequest::Oldest,
            Start::Stored => StartRequest::Sequence(stored),
            Start::Time(time) => {
                let sequence = fabric.sequence_at_time(time);
                let oldest = fabric.oldest_sequence();
                let decided = sequence > oldest
                    || oldest <= 1
                    || fabric
                        .peek(oldest)
                        .is_some_and(|header| header.timestamp() == time);
                if !decided {
                    return Err(FabricError::SequenceNotAvailable {
                        sequence: oldest.saturating_sub(1),
                        oldest,
                        newest: fabric.next_sequence().saturating_sub(1),
                    });
                }
                StartRequest::Sequence(sequence)
            }
        })
    }
}

//! Where a journal ends, and everything a writer or a sequencer needs to go on from there.

use crate::dictionary::Dictionary;
use crate::error::JournalError;
use crate::fault::{BlockFault, SegmentFault};
use crate::format::{BlockHeader, BlockKind, Hash, Seal, SegmentName};
use crate::frames::frame_at;
use crate::identity::JournalIdentity;
use crate::marks::Marks;
use crate::segment::{SegmentReader, Step, Tally, list_segments};
use crate::sources::SourcePositions;
use crate::storage::{DirectoryStorage, Storage};
use crate::tail::{Tail, TailState, TornTail, examine, last_used_byte};
use selvedge_fabric::frame::SourceId;
use std::path::Path;
use zerocopy::FromBytes;

/// Where a journal ends.
#[derive(Clone, PartialEq, Debug)]
pub struct JournalEnd {
    /// Whose journal it is; the life is that of the last segment.
    pub identity: JournalIdentity,
    /// The last sequence in it; 0 or the one before its first when it has none.
    pub last_sequence: u64,
    /// Time stamp of that frame, UTC nanoseconds.
    pub last_timestamp: u64,
    /// Hash of the last block: it stands for the whole journal.
    pub head_hash: Hash,
    /// Segments there are.
    pub segments: u64,
    /// How it ends.
    pub tail: Tail,
    /// The last source sequence of every source in the stream, by source.
    pub sources: Vec<(SourceId, u64)>,
    /// What the numbers in frame headers mean.
    pub dictionary: Dictionary,
}

/// Where the journal in `directory` ends. Reads the last segment only, and changes nothing.
///
/// # Errors
/// [`JournalError::Empty`], or what is wrong with the last segment; a torn tail is no error.
pub fn inspect(directory: &Path) -> Result<JournalEnd, JournalError> {
    inspect_in(&DirectoryStorage::new(directory))
}

/// As [`inspect`], for any storage.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_in(storage: &dyn Storage) -> Result<JournalEnd, JournalError> {
    let last = LastSegment::read(storage)?.ok_or_else(|| JournalError::Empty {
        directory: storage.describe(),
    })?;
    last.end()
}

/// The last segment of a journal, read to its end.
pub(crate) struct LastSegment {
    /// Stands behind the last whole valid block.
    pub(crate) segment: SegmentReader,
    pub(crate) segments: u64,
    pub(crate) tail: Tail,
    pub(crate) tally: Tally,
    pub(crate) dictionary: Dictionary,
    pub(crate) sources: SourcePositions,
    /// Chained root of the last sealed segment, this one included; zeros for none.
    pub(crate) chained_root: Hash,
}

impl LastSegment {
    /// Reads it; `None` when there is no segment at all.
    pub(crate) fn read(storage: &dyn Storage) -> Result<Option<Self>, JournalError> {
        Self::read_up_to(storage, u64::MAX)
    }

    /// As [`Self::read`], but believes nothing of the blocks from number `limit` on: a sync
    /// failed after they were written, so that what is read may not be what the disk holds.
    pub(crate) fn read_up_to(
        storage: &dyn Storage,
        limit: u64,
    ) -> Result<Option<Self>, JournalError> {
        let names = list_segments(storage)?;
        let Some(&last) = names.last() else {
            return Ok(None);
        };
        check_numbers(&names)?;
        let mut segment = SegmentReader::open(storage, last, true)?;
        let mut chained_root = [0; 32];
        if let [.., before, _] = names.as_slice() {
            let mut before = SegmentReader::open(storage, *before, true)?;
            let seal = before.seal()?;
            if let Some((_, seal)) = &seal {
                chained_root = seal.chained_root;
            }
            if seal.map(|(block, _)| block.hash) != Some(segment.header.previous_hash) {
                return Err(JournalError::Segment {
                    file: segment.file_name,
                    fault: SegmentFault::Chain,
                });
            }
        }
        let mut tally = Tally::default();
        let mut dictionary = Dictionary::default();
        let mut sources = SourcePositions::new();
        let tail = loop {
            let before = (segment.chain, segment.offset);
            match segment.next_block()? {
                Step::Block(block) if block.block_number >= limit && tally.index.len() > 1 => {
                    (segment.chain, segment.offset) = before;
                    let end = last_used_byte(&mut segment, before.1)?;
                    break Tail::Torn(TornTail {
                        file: segment.file_name.clone(),
                        offset: before.1,
                        bytes: end - before.1,
                        whole_blocks: 1,
                        block: before.0.block_number,
                        sequence: before.0.sequence,
                        fault: BlockFault::NotDurable,
                    });
                }
                Step::Block(block) if block.kind == BlockKind::Seal as u16 => {
                    if let Ok(seal) = Seal::read_from_bytes(segment.payload()) {
                        chained_root = seal.chained_root;
                    }
                    break Tail::Sealed;
                }
                Step::Block(block) => {
                    learn(&segment, &block, &mut dictionary, &mut sources)
                        .map_err(|fault| segment.damaged(fault))?;
                    if !tally.add(&block) {
                        let fault = BlockFault::Payload("the segment has too many blocks");
                        return Err(segment.damaged(fault));
                    }
                }
                // The header page and the dictionary were durable before the file had its name.
                Step::End(fault) if tally.index.is_empty() => return Err(segment.damaged(fault)),
                Step::End(fault) => match examine(&mut segment, fault)? {
                    TailState::Clean => break Tail::Open,
                    TailState::Torn(torn) => break Tail::Torn(torn),
                    TailState::Damaged => return Err(segment.damaged(fault)),
                },
            }
        };
        Ok(Some(LastSegment {
            segment,
            segments: names.len() as u64,
            tail,
            tally,
            dictionary,
            sources,
            chained_root,
        }))
    }

    pub(crate) fn identity(&self) -> Result<JournalIdentity, JournalError> {
        self.segment
            .header
            .identity()
            .map_err(|fault| JournalError::Segment {
                file: self.segment.file_name.clone(),
                fault,
            })
    }

    fn end(self) -> Result<JournalEnd, JournalError> {
        Ok(JournalEnd {
            identity: self.identity()?,
            last_sequence: self.segment.chain.sequence.saturating_sub(1),
            last_timestamp: self.segment.chain.timestamp,
            head_hash: self.segment.chain.hash,
            segments: self.segments,
            tail: self.tail,
            sources: self.sources.list().collect(),
            dictionary: self.dictionary,
        })
    }
}

/// Takes from a block what it says about names and sources; walks its frames on the way.
pub(crate) fn learn(
    segment: &SegmentReader,
    block: &BlockHeader,
    dictionary: &mut Dictionary,
    sources: &mut SourcePositions,
) -> Result<(), BlockFault> {
    let payload = segment.payload();
    match BlockKind::from_code(block.kind) {
        Some(BlockKind::Frames) => walk(block, payload, |header, frame| {
            sources.learn(header, frame);
            if let Some(added) = dictionary.news_in(header, frame) {
                dictionary.merge(&added);
            }
        }),
        Some(BlockKind::Dictionary) => dictionary.decode(payload).map_err(BlockFault::Payload),
        Some(BlockKind::Snapshot) => sources.decode(payload).map_err(BlockFault::Payload),
        _ => Ok(()),
    }
}

/// Checks every frame of a block and shows it.
pub(crate) fn walk(
    block: &BlockHeader,
    payload: &[u8],
    show: impl FnMut(&selvedge_fabric::frame::FrameHeader, &[u8]),
) -> Result<(), BlockFault> {
    let mut walk = Walk::new(block);
    walk.on(payload, show);
    walk.finish(block, payload)
}

/// A walk over the frames of a block, as far as its payload is there.
pub(crate) struct Walk {
    at: usize,
    sequence: u64,
    first_timestamp: Option<u64>,
    timestamp: u64,
    marks: Marks,
    number: u32,
}

impl Walk {
    pub(crate) fn new(block: &BlockHeader) -> Self {
        Walk {
            at: 0,
            sequence: block.first_sequence,
            first_timestamp: None,
            timestamp: block.first_timestamp,
            marks: Marks::with_capacity(block.payload_bytes as usize),
            number: 0,
        }
    }

    /// Goes over the frames that are whole and right in this front part of the payload. Where one
    /// is not, its rest may still be to come: [`Self::finish`] tells.
    #[inline]
    pub(crate) fn on(
        &mut self,
        payload: &[u8],
        mut show: impl FnMut(&selvedge_fabric::frame::FrameHeader, &[u8]),
    ) {
        let (mut at, mut sequence, mut timestamp) = (self.at, self.sequence, self.timestamp);
        let mut number = self.number;
        while at < payload.len() {
            let Ok(frame) = frame_at(payload, at, sequence, timestamp) else {
                break;
            };
            self.marks.frame(at, number);
            number += 1;
            show(&frame.header, frame.payload);
            if at == 0 {
                self.first_timestamp = Some(frame.header.timestamp());
            }
            at = frame.next;
            // It is the frame's own, of 48 bits.
            sequence += 1;
            timestamp = frame.header.timestamp();
        }
        (self.at, self.sequence, self.timestamp) = (at, sequence, timestamp);
        self.number = number;
    }

    /// Whether the whole payload was right, and is what the block's header says.
    pub(crate) fn finish(&self, block: &BlockHeader, payload: &[u8]) -> Result<(), BlockFault> {
        if self
            .first_timestamp
            .is_some_and(|first| first != block.first_timestamp)
        {
            return Err(BlockFault::Header("first time stamp"));
        }
        if self.at < payload.len() {
            frame_at(payload, self.at, self.sequence, self.timestamp)?;
        }
        if self.at != payload.len() || self.sequence != block.last_sequence.saturating_add(1) {
            return Err(BlockFault::Header("frame count"));
        }
        if self.timestamp != block.last_timestamp {
            return Err(BlockFault::Header("last time stamp"));
        }
        if self.marks.hash() != block.marks_hash {
            return Err(BlockFault::Header("the hash of its marks"));
        }
        Ok(())
    }
}

/// Checks that no number is missing between the first segment and the last.
pub(crate) fn check_numbers(names: &[SegmentName]) -> Result<(), JournalError> {
    for pair in names.windows(2) {
        if let [first, second] = pair
            && second.number != first.number + 1
        {
            return Err(JournalError::Segment {
                file: second.to_string(),
                fault: SegmentFault::Missing {
                    expected: first.number + 1,
                },
            });
        }
    }
    Ok(())
}

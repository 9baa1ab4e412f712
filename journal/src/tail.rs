//! The end of a segment that is not sealed: whole, torn by a crash, or damaged.
//!
//! A crash can leave any part of what was not yet synced undone, so broken bytes at the end are
//! normal. What was durable can not be undone by a crash: if a whole block further on says that
//! the broken one was durable already, the journal is damaged, and nobody may cut it silently.

use crate::error::JournalError;
use crate::fault::BlockFault;
use crate::format::{BLOCK_MAGIC, BlockHeader, block_bytes_on_disk};
use crate::segment::{Chain, SegmentReader};

/// How a journal ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tail {
    /// The last segment is sealed: the writer finished.
    Sealed,
    /// Not sealed, nothing behind the last whole block: still being written, or the writer died
    /// between two blocks.
    Open,
    /// Not sealed, and a write that was not durable yet is incomplete. A writer that opens the
    /// journal cuts it there.
    Torn(TornTail),
}

/// Where a tail is torn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The last segment's file.
    pub file: String,
    /// The end of its last whole valid block, in bytes.
    pub offset: u64,
    /// Bytes from there to the last that is not zero.
    pub bytes: u64,
    /// Whole blocks behind the broken one, which are lost with it.
    pub whole_blocks: u64,
    /// Number of the broken block.
    pub block: u64,
    /// The first sequence that is lost.
    pub sequence: u64,
    /// What is wrong with the broken block.
    pub fault: BlockFault,
}

/// What lies behind the last valid block.
pub(crate) enum TailState {
    Clean,
    Torn(TornTail),
    Damaged,
}

/// Looks at everything from the segment's next block on, which is broken by `fault`.
pub(crate) fn examine(
    segment: &mut SegmentReader,
    fault: BlockFault,
) -> Result<TailState, JournalError> {
    if !fault.may_be_torn() {
        return Ok(TailState::Damaged);
    }
    let end = last_used_byte(segment, segment.offset)?;
    if end == segment.offset {
        return Ok(TailState::Clean);
    }
    let mut whole_blocks = 0;
    let mut scan = BlockScan::new(segment, segment.offset)?;
    while let Some(block) = scan.next(segment)? {
        if block.block_number < segment.chain.block_number
            || block.durable_blocks > segment.chain.block_number
        {
            return Ok(TailState::Damaged);
        }
        whole_blocks += 1;
    }
    if scan.gave_up {
        return Ok(TailState::Damaged);
    }
    Ok(TailState::Torn(TornTail {
        file: segment.file_name.clone(),
        offset: segment.offset,
        bytes: end - segment.offset,
        whole_blocks,
        block: segment.chain.block_number,
        sequence: segment.chain.sequence,
        fault,
    }))
}

/// The end of the last byte from `from` on that is not zero; `from` if all are.
pub(crate) fn last_used_byte(segment: &mut SegmentReader, from: u64) -> Result<u64, JournalError> {
    let mut at = from;
    let mut end = from;
    loop {
        let bytes = segment.bytes_at(at, 1)?;
        if bytes.is_empty() {
            return Ok(end);
        }
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            end = at + last as u64 + 1;
        }
        at += bytes.len() as u64;
    }
}

/// Finds whole valid blocks behind a broken one, at every place where one can begin.
pub(crate) struct BlockScan {
    at: u64,
    /// Bytes of candidates that may still be checked: forged headers cannot make it quadratic.
    budget: u64,
    gave_up: bool,
}

impl BlockScan {
    /// Behind the broken block that begins at `offset`.
    pub(crate) fn new(segment: &SegmentReader, offset: u64) -> Result<Self, JournalError> {
        Ok(BlockScan {
            at: offset + segment.alignment() as u64,
            budget: segment.size()?.saturating_mul(4),
            gave_up: false,
        })
    }

    /// The next whole block; the scan goes on behind it.
    pub(crate) fn next(
        &mut self,
        segment: &mut SegmentReader,
    ) -> Result<Option<BlockHeader>, JournalError> {
        let alignment = segment.alignment();
        loop {
            let bytes = segment.bytes_at(self.at, BLOCK_MAGIC.len())?;
            let Some(step) = bytes
                .chunks(alignment)
                .position(|place| place.starts_with(&BLOCK_MAGIC))
            else {
                let places = bytes.len().div_ceil(alignment);
                if bytes.len() < BLOCK_MAGIC.len() {
                    return Ok(None);
                }
                // The last place may be there only in part.
                let skip = if bytes.len() % alignment < BLOCK_MAGIC.len()
                    && bytes.len() % alignment != 0
                {
                    places - 1
                } else {
                    places
                };
                self.at += (skip.max(1) * alignment) as u64;
                continue;
            };
            self.at += (step * alignment) as u64;
            match segment.block_at(self.at)? {
                Ok(block) => {
                    self.at += block_bytes_on_disk(block.payload_bytes as usize, alignment) as u64;
                    return Ok(Some(block));
                }
                Err(fault) => {
                    let cost = match fault {
                        BlockFault::Crc { .. } | BlockFault::Hash => {
                            BlockHeader::from_prefix(segment.bytes_at(self.at, 1)?)
                                .map_or(0, |header| u64::from(header.payload_bytes))
                        }
                        _ => 0,
                    };
                    if cost > self.budget {
                        self.gave_up = true;
                        return Ok(None);
                    }
                    self.budget -= cost;
                    self.at += alignment as u64;
                }
            }
        }
    }
}

/// Sets the segment to go on at the next whole block behind its broken one; returns that block.
pub(crate) fn resynchronise(
    segment: &mut SegmentReader,
) -> Result<Option<BlockHeader>, JournalError> {
    let mut scan = BlockScan::new(segment, segment.offset)?;
    let found = scan.next(segment)?;
    if let Some(block) = &found {
        segment.offset = block.offset;
        segment.chain = Chain::before(block);
    }
    Ok(found)
}

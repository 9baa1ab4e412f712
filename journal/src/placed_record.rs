//! Reading the records that lie between the frames: who did what, what the clock was worth.

use crate::error::JournalError;
use crate::fault::BlockFault;
use crate::format::{Activity, BlockKind, ClockRecord, SegmentName};
use crate::record::Record;
use crate::recovery::check_numbers;
use crate::segment::{SegmentReader, list_segments};
use crate::segment_index::blocks_of;
use crate::storage::{DirectoryStorage, Storage};
use std::ops::ControlFlow;
use std::path::Path;
use zerocopy::FromBytes;

/// A record and its place in the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedRecord {
    /// The sequence of the frame that comes next.
    pub next_sequence: u64,
    /// Time stamp of the last frame before, UTC nanoseconds; 0 for none.
    pub timestamp: u64,
    /// The record.
    pub record: Record,
}

/// Shows the records of the journal in `directory`, in order, from those before the frame
/// `from_sequence` on, until told to stop. Frames are not read.
///
/// # Errors
/// [`JournalError::Empty`], and what is wrong with a segment or a record.
pub fn records(
    directory: &Path,
    from_sequence: u64,
    show: &mut dyn FnMut(PlacedRecord) -> ControlFlow<()>,
) -> Result<(), JournalError> {
    records_in(&DirectoryStorage::new(directory), from_sequence, show)
}

/// As [`records`], in any storage.
///
/// # Errors
/// As [`records`].
pub fn records_in(
    storage: &dyn Storage,
    from_sequence: u64,
    show: &mut dyn FnMut(PlacedRecord) -> ControlFlow<()>,
) -> Result<(), JournalError> {
    let names = list_segments(storage)?;
    check_numbers(&names)?;
    if names.is_empty() {
        return Err(JournalError::Empty {
            directory: storage.describe(),
        });
    }
    // Records before a frame may be the last of the segment before the one that it begins.
    let first = names.partition_point(|name| name.first_sequence < from_sequence);
    for name in names.iter().skip(first.saturating_sub(1)) {
        if records_of(storage, *name, from_sequence, show)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The records of one segment.
pub(crate) fn records_of(
    storage: &dyn Storage,
    name: SegmentName,
    from_sequence: u64,
    show: &mut dyn FnMut(PlacedRecord) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, JournalError> {
    let mut segment = SegmentReader::open(storage, name, false)?;
    for (place, entry) in blocks_of(&mut segment)?.iter().enumerate() {
        let kind = BlockKind::from_code(entry.kind);
        let wanted = matches!(kind, Some(BlockKind::Clock | BlockKind::Activity));
        if !wanted || entry.first_sequence < from_sequence {
            continue;
        }
        let block = segment.indexed(place, entry)?;
        let record = decode(kind, segment.payload())
            .map_err(|fault| segment.damaged_block(&block, fault))?;
        let shown = show(PlacedRecord {
            next_sequence: entry.first_sequence,
            timestamp: entry.first_timestamp,
            record,
        });
        if shown.is_break() {
            return Ok(shown);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn decode(kind: Option<BlockKind>, payload: &[u8]) -> Result<Record, BlockFault> {
    match kind {
        Some(BlockKind::Activity) => Activity::decode_all(payload)
            .map(Record::Activity)
            .map_err(BlockFault::Payload),
        _ => ClockRecord::read_from_bytes(payload)
            .map(Record::Clock)
            .map_err(|_| BlockFault::Payload("a clock record has 128 bytes")),
    }
}

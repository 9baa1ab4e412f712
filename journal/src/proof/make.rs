//! Making a proof, from the journal.

use super::block_part::give;
use super::file::Proof;
use super::path::path_of;
use crate::error::JournalError;
use crate::fault::BlockFault;
use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Hash};
use crate::frames::frame_at;
use crate::marks::Marks;
use crate::recovery::check_numbers;
use crate::segment::{SegmentReader, Step, list_segments};
use crate::storage::{DirectoryStorage, Storage};
use std::path::Path;
use zerocopy::IntoBytes;

/// A proof that message `sequence` is in the journal in `directory`.
///
/// # Errors
/// [`JournalError::NoSuchSequence`] when it is not there, [`JournalError::NotSealed`] when its
/// segment is not sealed yet, and what is wrong with the segment.
pub fn prove(directory: &Path, sequence: u64) -> Result<Vec<u8>, JournalError> {
    prove_in(&DirectoryStorage::new(directory), sequence)
}

/// As [`prove`], for any storage.
///
/// # Errors
/// As [`prove`].
pub fn prove_in(storage: &dyn Storage, sequence: u64) -> Result<Vec<u8>, JournalError> {
    let names = list_segments(storage)?;
    check_numbers(&names)?;
    let missing = || JournalError::NoSuchSequence {
        sequence,
        first: names.first().map_or(1, |name| name.first_sequence),
        last: names.last().map_or(0, |name| name.first_sequence),
    };
    let place = names.partition_point(|name| name.first_sequence <= sequence);
    let name = place
        .checked_sub(1)
        .and_then(|at| names.get(at))
        .ok_or_else(missing)?;
    let mut segment = SegmentReader::open(storage, *name, true)?;
    let Some((_, seal)) = segment.seal()? else {
        return Err(JournalError::NotSealed {
            file: segment.file_name,
        });
    };
    let mut hashes: Vec<Hash> = Vec::new();
    let mut found = None;
    loop {
        match segment.next_block()? {
            Step::Block(block) if block.kind == BlockKind::Seal as u16 => break,
            Step::Block(block) => {
                if block.kind == BlockKind::Frames as u16
                    && (block.first_sequence..=block.last_sequence).contains(&sequence)
                {
                    found = Some((block, hashes.len(), segment.payload().to_vec()));
                }
                hashes.push(block.hash);
            }
            Step::End(fault) => return Err(segment.damaged(fault)),
        }
    }
    let (block, leaf, payload) = found.ok_or_else(missing)?;
    let (marks, start, end) =
        locate(&block, &payload, sequence).map_err(|fault| segment.damaged(fault))?;
    let mut data = block.for_hash().as_bytes().to_vec();
    data.extend_from_slice(&payload);
    let mut part = Vec::new();
    let range = BLOCK_HEADER_BYTES + start..BLOCK_HEADER_BYTES + end;
    give(&data, &[0..BLOCK_HEADER_BYTES, range.clone()], &mut part);
    Ok(Proof {
        fabric_id: segment.header.fabric_id,
        segment_number: segment.header.segment_number,
        sequence,
        leaf: leaf as u64,
        length: data.len() as u32,
        start: range.start as u32,
        end: range.end as u32,
        seal,
        path: path_of(&hashes, leaf),
        marks: marks.bytes().to_vec(),
        part,
    }
    .encode())
}

/// The block's marks, where the last mark before the frame is, and where the frame ends.
fn locate(
    block: &BlockHeader,
    payload: &[u8],
    sequence: u64,
) -> Result<(Marks, usize, usize), BlockFault> {
    let mut marks = Marks::default();
    let (mut at, mut next, mut timestamp) = (0, block.first_sequence, block.first_timestamp);
    let mut end = 0;
    let mut number = 0;
    while at < payload.len() {
        let frame = frame_at(payload, at, next, timestamp)?;
        marks.frame(at, number);
        if next == sequence {
            end = frame.next;
        }
        at = frame.next;
        next += 1;
        number += 1;
        timestamp = frame.header.timestamp();
    }
    let index = sequence - block.first_sequence;
    let start = Marks::list(marks.bytes())
        .take_while(|(_, number)| u64::from(*number) <= index)
        .last()
        .map_or(0, |(offset, _)| offset);
    Ok((marks, start, end))
}

//! What is in a journal, at a glance: from headers and seals where that is enough.

use crate::dictionary::Dictionary;
use crate::error::JournalError;
use crate::format::{Activity, BlockKind, ClockRecord, GapRecord, Hash, SegmentName};
use crate::identity::JournalIdentity;
use crate::keys::{SignatureState, check_signature};
use crate::recovery::{check_numbers, inspect_in, walk};
use crate::segment::{SegmentReader, Step, list_segments};
use crate::storage::DirectoryStorage;
use selvedge_fabric::frame::MessageType;
use std::collections::BTreeMap;
use std::path::Path;
use zerocopy::FromBytes;

/// The most records of a kind that a summary holds.
const MAX_RECORDS: usize = 10_000;

/// One segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentSummary {
    /// Its file.
    pub name: SegmentName,
    /// Bytes of the file.
    pub bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// Its first sequence.
    pub first_sequence: u64,
    /// Its last sequence; the one before its first for none.
    pub last_sequence: u64,
    /// Time stamp of its first frame, UTC nanoseconds; 0 for none.
    pub first_timestamp: u64,
    /// Time stamp of its last frame.
    pub last_timestamp: u64,
    /// What its seal's signature is worth; `None` while it is not sealed.
    pub signature: Option<SignatureState>,
}

/// A journal.
#[derive(Clone, PartialEq, Debug)]
pub struct JournalSummary {
    /// Whose it is.
    pub identity: JournalIdentity,
    /// Its segments.
    pub segments: Vec<SegmentSummary>,
    /// What numbers stand for, at its end.
    pub dictionary: Dictionary,
    /// Declared gaps; of all segments only in a full summary.
    pub gaps: Vec<GapRecord>,
    /// Frames and bytes of payload of each type; only in a full summary.
    pub types: BTreeMap<MessageType, (u64, u64)>,
    /// Clock records; only in a full summary.
    pub clocks: Vec<ClockRecord>,
    /// Who did what; only in a full summary.
    pub activities: Vec<Activity>,
    /// Hash of the last block.
    pub head_hash: Hash,
}

/// Sums up the journal in `directory`. Unless `full`, sealed segments are not read beyond their
/// seals.
///
/// # Errors
/// What is wrong with a segment, and what the host says.
pub fn summarise(directory: &Path, full: bool) -> Result<JournalSummary, JournalError> {
    let storage = DirectoryStorage::new(directory);
    let end = inspect_in(&storage)?;
    let names = list_segments(&storage)?;
    check_numbers(&names)?;
    let mut summary = JournalSummary {
        identity: end.identity,
        segments: Vec::with_capacity(names.len()),
        dictionary: end.dictionary,
        gaps: Vec::new(),
        types: BTreeMap::new(),
        clocks: Vec::new(),
        activities: Vec::new(),
        head_hash: end.head_hash,
    };
    for name in names {
        let mut segment = SegmentReader::open(&storage, name, false)?;
        let bytes = segment.size()?;
        let seal = segment.seal()?.map(|(_, seal)| seal);
        let mut found = match &seal {
            Some(seal) => SegmentSummary {
                name,
                bytes,
                frames: seal.frame_count,
                first_sequence: seal.first_sequence,
                last_sequence: seal.last_sequence,
                first_timestamp: seal.first_timestamp,
                last_timestamp: seal.last_timestamp,
                signature: Some(check_signature(
                    seal,
                    segment.header.fabric_id,
                    segment.header.segment_number,
                )),
            },
            None => SegmentSummary {
                name,
                bytes,
                frames: 0,
                first_sequence: name.first_sequence,
                last_sequence: name.first_sequence - 1,
                first_timestamp: 0,
                last_timestamp: 0,
                signature: None,
            },
        };
        if full || seal.is_none() {
            let unsealed = seal.is_none().then_some(&mut found);
            read_blocks(&mut segment, unsealed, full, &mut summary)?;
        }
        summary.segments.push(found);
    }
    Ok(summary)
}

fn read_blocks(
    segment: &mut SegmentReader,
    mut unsealed: Option<&mut SegmentSummary>,
    full: bool,
    summary: &mut JournalSummary,
) -> Result<(), JournalError> {
    while let Step::Block(block) = segment.next_block()? {
        if let Some(found) = &mut unsealed {
            found.last_sequence = found.last_sequence.max(block.last_sequence);
            if block.frame_count > 0 {
                if found.frames == 0 {
                    found.first_timestamp = block.first_timestamp;
                }
                found.frames += u64::from(block.frame_count);
                found.last_timestamp = block.last_timestamp;
            }
        }
        let payload = segment.payload();
        match BlockKind::from_code(block.kind) {
            Some(BlockKind::Frames) if full => {
                let types = &mut summary.types;
                walk(&block, payload, |header, payload| {
                    let count = types.entry(header.message_type()).or_default();
                    count.0 += 1;
                    count.1 += payload.len() as u64;
                })
                .map_err(|fault| segment.damaged(fault))?;
            }
            Some(BlockKind::Gap) if summary.gaps.len() < MAX_RECORDS => {
                summary
                    .gaps
                    .extend(GapRecord::read_from_bytes(payload).ok());
            }
            Some(BlockKind::Clock) if full && summary.clocks.len() < MAX_RECORDS => {
                summary
                    .clocks
                    .extend(ClockRecord::read_from_bytes(payload).ok());
            }
            Some(BlockKind::Activity) if full && summary.activities.len() < MAX_RECORDS => {
                summary
                    .activities
                    .extend(Activity::decode_all(payload).unwrap_or_default());
            }
            Some(BlockKind::Seal) => break,
            _ => {}
        }
    }
    Ok(())
}

//! Reading a journal's frames in order.

use crate::dictionary::Dictionary;
use crate::error::JournalError;
use crate::fault::BlockFault;
use crate::format::{BlockHeader, BlockKind, IndexEntry, SegmentName};
use crate::frames::frame_at;
use crate::identity::JournalIdentity;
use crate::recovery::check_numbers;
use crate::segment::{Chain, SegmentReader, Step, list_segments};
use crate::segment_index::{blocks_of, blocks_to, index_of};
use crate::storage::{DirectoryStorage, Storage};
use crate::tail::{Tail, TailState, examine};
use selvedge_fabric::frame::system::FIRST_SYSTEM_TYPE;
use selvedge_fabric::frame::{FRAME_HEADER_BYTES, FrameHeader};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How a journal is read. The CRC of every block is always checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadOptions {
    /// Computes the BLAKE3 hash of every block too. That each block names the hash of the one
    /// before it is checked in any case.
    pub check_hashes: bool,
    /// Goes over gaps that the journal declares. Without it they are an error.
    pub allow_gaps: bool,
}

/// Streams the frames of a journal, in order, without a gap.
///
/// A journal that is still being written can be read: at its last whole block [`Self::next`]
/// returns `None`, and asked again later it goes on.
pub struct JournalReader {
    storage: Arc<dyn Storage>,
    options: ReadOptions,
    first: SegmentName,
    segment: SegmentReader,
    sealed: bool,
    dictionary: Dictionary,
    /// The block whose frames are being handed out.
    block: Option<BlockHeader>,
    /// Where its next frame begins.
    at: usize,
    /// Sequence and least time stamp of the next frame.
    sequence: u64,
    timestamp: u64,
    /// Frames below this are not wanted.
    from: u64,
    /// Frames stamped before this are not wanted.
    from_time: u64,
    /// A declared gap that the reader stands before.
    gap: Option<(u64, u64)>,
}

impl JournalReader {
    /// Opens the journal in `directory` at its first frame.
    ///
    /// # Errors
    /// [`JournalError::Empty`] when there is no segment, [`JournalError::Segment`] when one is
    /// missing or the first cannot be read.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        Self::open_in(
            Arc::new(DirectoryStorage::new(directory)),
            ReadOptions::default(),
        )
    }

    /// As [`Self::open`], in any storage and with options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(storage: Arc<dyn Storage>, options: ReadOptions) -> Result<Self, JournalError> {
        let names = list_segments(&*storage)?;
        check_numbers(&names)?;
        let Some(&first) = names.first() else {
            return Err(JournalError::Empty {
                directory: storage.describe(),
            });
        };
        let segment = SegmentReader::open(&*storage, first, options.check_hashes)?;
        let sequence = segment.header.first_sequence;
        Ok(JournalReader {
            storage,
            options,
            first,
            segment,
            sealed: false,
            dictionary: Dictionary::default(),
            block: None,
            at: 0,
            sequence,
            timestamp: 0,
            from: sequence,
            from_time: 0,
            gap: None,
        })
    }

    /// Whose journal it is; the life is that of the segment being read.
    ///
    /// # Errors
    /// [`JournalError::Segment`]; not after a successful open.
    pub fn identity(&self) -> Result<JournalIdentity, JournalError> {
        self.segment
            .header
            .identity()
            .map_err(|fault| JournalError::Segment {
                file: self.segment.file_name.clone(),
                fault,
            })
    }

    /// What is known, up to the frame handed out last, about types, sources and topics.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The first sequence of the journal.
    pub fn first_sequence(&self) -> u64 {
        self.first.first_sequence
    }

    /// The sequence of the frame that comes next.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.max(self.from)
    }

    /// Goes to the frame with this sequence, forward or back: it is the next one handed out. One
    /// behind the last frame is allowed: the frame that will be written next.
    ///
    /// The segment's index finds the block; where the segment has none, the headers of its blocks
    /// do, without their payloads.
    ///
    /// # Errors
    /// [`JournalError::NoSuchSequence`], and everything that [`Self::next`] reports. The reader
    /// must then be given a place by another seek before it goes on.
    pub fn seek(&mut self, sequence: u64) -> Result<(), JournalError> {
        let names = list_segments(&*self.storage)?;
        check_numbers(&names)?;
        let place = names.partition_point(|name| name.first_sequence <= sequence);
        let Some(&name) = place.checked_sub(1).and_then(|at| names.get(at)) else {
            return Err(JournalError::NoSuchSequence {
                sequence,
                first: self.first.first_sequence,
                last: self.sequence.saturating_sub(1),
            });
        };
        self.segment = SegmentReader::open(&*self.storage, name, self.options.check_hashes)?;
        self.sealed = false;
        self.dictionary = Dictionary::default();
        self.block = None;
        self.from = sequence;
        self.gap = None;
        self.from_time = 0;
        self.sequence = self.segment.header.first_sequence;
        self.timestamp = 0;
        self.jump_by_index(sequence)?;
        loop {
            if !self.advance_block()? {
                if self.sequence == sequence {
                    return Ok(());
                }
                return Err(JournalError::NoSuchSequence {
                    sequence,
                    first: self.first.first_sequence,
                    last: self.sequence.saturating_sub(1),
                });
            }
            match &self.block {
                // Names that its frames give come again in the Dictionary block behind it.
                Some(block) if block.last_sequence < sequence => {
                    self.sequence = block.last_sequence.saturating_add(1);
                    self.timestamp = block.last_timestamp;
                    self.block = None;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Goes to the first frame stamped at or after `timestamp` (UTC nanoseconds), or to the end
    /// where every frame is older.
    ///
    /// Finds the segment by halving and the block by its index, as [`Self::seek`] does.
    ///
    /// # Errors
    /// As [`Self::seek`].
    pub fn seek_time(&mut self, timestamp: u64) -> Result<(), JournalError> {
        let names = list_segments(&*self.storage)?;
        check_numbers(&names)?;
        // The first block of a segment is stamped as the last frame before it.
        let (mut low, mut high) = (0, names.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(&name) = names.get(middle) else {
                break;
            };
            let mut segment = SegmentReader::open(&*self.storage, name, false)?;
            let older = match segment.block_at(segment.offset)? {
                Ok(block) => block.last_timestamp < timestamp,
                Err(fault) => return Err(segment.damaged(fault)),
            };
            if older {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let Some(&name) = names.get(low.saturating_sub(1)) else {
            return Ok(());
        };
        let mut segment = SegmentReader::open(&*self.storage, name, false)?;
        let mut index = index_of(&mut segment, &*self.storage)?.entries;
        if let Some((place, entry)) = last_before(&index, timestamp) {
            // One block that begins before that time is enough: nothing before it is wanted. The
            // index may come from a file that says of it what is not so.
            match segment.indexed(place, entry) {
                Ok(_) => {}
                Err(JournalError::Damaged { .. }) => index = blocks_of(&mut segment)?,
                Err(error) => return Err(error),
            }
        }
        let first = last_before(&index, timestamp).map(|(_, entry)| entry.first_sequence);
        self.seek(first.unwrap_or(name.first_sequence))?;
        self.from_time = timestamp;
        Ok(())
    }

    /// Stands before the block that holds `sequence`, with the dictionary as it is there. Where the
    /// index does not fit the blocks, everything stays.
    fn jump_by_index(&mut self, sequence: u64) -> Result<(), JournalError> {
        let block_of = |entries: &[IndexEntry]| {
            entries.iter().rposition(|entry| {
                entry.kind == BlockKind::Frames as u16 && entry.first_sequence <= sequence
            })
        };
        let mut index = index_of(&mut self.segment, &*self.storage)?;
        let mut target = block_of(&index.entries);
        if index.from_file > 0
            && let Some(entry) = target.and_then(|place| index.entries.get(place))
        {
            // So far goes the file; it could have left out blocks before that one, with names.
            index.entries = blocks_to(&self.segment, entry.offset)?;
            target = block_of(&index.entries);
        }
        let Some(target) = target else {
            return Ok(());
        };
        let mut dictionary = Dictionary::default();
        for (place, entry) in index.entries.iter().enumerate().take(target + 1) {
            let named = entry.kind == BlockKind::Dictionary as u16;
            if !named && place < target {
                continue;
            }
            let block = match self.segment.indexed(place, entry) {
                Ok(block) => block,
                // Found in order, it is told.
                Err(JournalError::Damaged { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            if place == target {
                self.segment.offset = entry.offset;
                self.segment.chain = Chain::before(&block);
                self.sequence = block.first_sequence;
                self.timestamp = block.first_timestamp;
            } else if dictionary.decode(self.segment.payload()).is_err() {
                return Ok(());
            }
        }
        self.dictionary = dictionary;
        Ok(())
    }

    /// The next frame and its payload; `None` at the end of what is written so far.
    ///
    /// At a torn tail this is `None` too: what a crash left incomplete was never part of the
    /// journal. [`Self::tail`] tells the difference.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] or [`JournalError::Segment`] for anything wrong: a CRC, a broken
    /// chain, a gap, a missing segment. Nothing is skipped; asked again, the answer is the same.
    #[inline]
    #[allow(clippy::should_implement_trait)] // A lending iterator: the payload is borrowed.
    pub fn next(&mut self) -> Result<Option<(FrameHeader, &[u8])>, JournalError> {
        let found = match self.frame_in_block() {
            Some(found) => Some(found),
            None => self.advance_frame()?,
        };
        let Some((header, place)) = found else {
            return Ok(None);
        };
        Ok(Some((header, self.segment.payload_at(place))))
    }

    /// The next frame where it is an ordinary one of the block that is being read: right, wanted,
    /// and of no type that gives names. Everything else is for [`Self::advance_frame`], which
    /// looks at it again.
    #[inline]
    fn frame_in_block(&mut self) -> Option<(FrameHeader, Range<usize>)> {
        self.block.as_ref()?;
        let payload = self.segment.payload_or_none()?;
        let frame = frame_at(payload, self.at, self.sequence, self.timestamp).ok()?;
        let header = frame.header;
        let names = header.message_type() >= FIRST_SYSTEM_TYPE
            || self.dictionary.is_directory(header.message_type());
        if names || header.sequence() < self.from || header.timestamp() < self.from_time {
            return None;
        }
        let start = self.at + FRAME_HEADER_BYTES;
        self.at = frame.next;
        // It is the frame's own, of 48 bits.
        self.sequence += 1;
        self.timestamp = header.timestamp();
        Some((header, start..start + header.length()))
    }

    /// The next frame, whatever it takes to come to it.
    #[cold]
    fn advance_frame(&mut self) -> Result<Option<(FrameHeader, Range<usize>)>, JournalError> {
        loop {
            if let Some(block) = &self.block {
                let payload = self.segment.payload();
                if self.at < payload.len() {
                    let frame = frame_at(payload, self.at, self.sequence, self.timestamp)
                        .map_err(|fault| self.damaged_block(block, fault))?;
                    let header = frame.header;
                    if (header.message_type() >= FIRST_SYSTEM_TYPE
                        || self.dictionary.is_directory(header.message_type()))
                        && let Some(added) = self.dictionary.news_in(&header, frame.payload)
                    {
                        self.dictionary.merge(&added);
                    }
                    let start = self.at + FRAME_HEADER_BYTES;
                    self.at = frame.next;
                    self.sequence = header.sequence().saturating_add(1);
                    self.timestamp = header.timestamp();
                    if header.sequence() >= self.from && header.timestamp() >= self.from_time {
                        return Ok(Some((header, start..start + header.length())));
                    }
                    continue;
                }
                if self.sequence != block.last_sequence.saturating_add(1) {
                    return Err(self.damaged_block(block, BlockFault::Header("frame count")));
                }
                self.block = None;
            }
            if !self.advance_block()? {
                return Ok(None);
            }
        }
    }

    /// An error that names a block of the segment that is being read.
    pub(crate) fn damaged_block(&self, block: &BlockHeader, fault: BlockFault) -> JournalError {
        self.segment.damaged_block(block, fault)
    }

    /// The payload of the next Frames block and its header; frames before `from` included.
    pub(crate) fn next_block(&mut self) -> Result<Option<(BlockHeader, &[u8])>, JournalError> {
        if self.block.is_none() && !self.advance_block()? {
            return Ok(None);
        }
        Ok(self.block.take().map(|block| {
            self.sequence = block.last_sequence.saturating_add(1);
            self.timestamp = block.last_timestamp;
            (block, self.segment.payload())
        }))
    }

    /// Moves to the next Frames block, over segments; false at the end.
    fn advance_block(&mut self) -> Result<bool, JournalError> {
        let mut looked_again = false;
        loop {
            if let Some((first, last)) = self.gap {
                return Err(JournalError::Gap { first, last });
            }
            if self.sealed {
                if !self.next_segment()? {
                    return Ok(false);
                }
                continue;
            }
            match self.segment.next_block()? {
                Step::Block(block) => match BlockKind::from_code(block.kind) {
                    Some(BlockKind::Frames) => {
                        self.block = Some(block);
                        self.at = 0;
                        return Ok(true);
                    }
                    Some(BlockKind::Dictionary) => {
                        let decoded = self.dictionary.decode(self.segment.payload());
                        decoded.map_err(|problem| {
                            self.damaged_block(&block, BlockFault::Payload(problem))
                        })?;
                    }
                    Some(BlockKind::Gap) => {
                        self.sequence = block.last_sequence.saturating_add(1);
                        if !self.options.allow_gaps && block.last_sequence >= self.from {
                            self.gap = Some((block.first_sequence, block.last_sequence));
                        }
                    }
                    Some(BlockKind::Seal) => self.sealed = true,
                    _ => {}
                },
                Step::End(fault) => {
                    let names = list_segments(&*self.storage)?;
                    if names
                        .last()
                        .is_some_and(|last| last.number > self.segment.name.number)
                    {
                        // The writer may have sealed this one and begun the next meanwhile: only
                        // what is wrong after that list was made is really wrong.
                        if !looked_again {
                            looked_again = true;
                            continue;
                        }
                        let fault = match fault {
                            BlockFault::Nothing => BlockFault::NotSealed,
                            fault => fault,
                        };
                        return Err(self.segment.damaged(fault));
                    }
                    return self.end(fault);
                }
            }
        }
    }

    /// The last segment has no whole next block: fine, or damage?
    fn end(&mut self, fault: BlockFault) -> Result<bool, JournalError> {
        if fault == BlockFault::Nothing {
            return Ok(false);
        }
        if let TailState::Damaged = examine(&mut self.segment, fault)? {
            // Only if it is still so: the writer may have completed the block meanwhile.
            self.segment.forget();
            if self.segment.block_at(self.segment.offset)?.is_err() || !fault.may_be_torn() {
                return Err(self.segment.damaged(fault));
            }
        }
        Ok(false)
    }

    /// Opens the segment behind a sealed one; false when there is none yet.
    fn next_segment(&mut self) -> Result<bool, JournalError> {
        let names = list_segments(&*self.storage)?;
        let number = self.segment.name.number;
        let Some(&name) = names.iter().find(|name| name.number > number) else {
            return Ok(false);
        };
        let mut next = SegmentReader::open(&*self.storage, name, self.options.check_hashes)?;
        next.check_follows(&self.segment.header, &self.segment.chain)
            .map_err(|fault| JournalError::Segment {
                file: name.to_string(),
                fault,
            })?;
        next.take_memory(&mut self.segment);
        self.segment = next;
        self.sealed = false;
        Ok(true)
    }

    /// Goes on behind the gap that [`Self::next`] reported.
    pub fn skip_gap(&mut self) {
        self.gap = None;
    }

    /// Reads on to the end of the journal, past all frames, and tells how it ends.
    ///
    /// # Errors
    /// As [`Self::next`]; also damage that lies behind the end of an unsealed segment.
    pub fn tail(&mut self) -> Result<Tail, JournalError> {
        while self.next_block()?.is_some() {}
        if self.sealed {
            return Ok(Tail::Sealed);
        }
        let fault = match self.segment.next_block()? {
            Step::Block(_) => return Ok(Tail::Open),
            Step::End(fault) => fault,
        };
        match examine(&mut self.segment, fault)? {
            TailState::Clean => Ok(Tail::Open),
            TailState::Torn(torn) => Ok(Tail::Torn(torn)),
            TailState::Damaged => Err(self.segment.damaged(fault)),
        }
    }
}

/// The last Frames block that begins before this time, and its place in the index.
fn last_before(index: &[IndexEntry], timestamp: u64) -> Option<(usize, &IndexEntry)> {
    let places = index.iter().enumerate();
    places
        .take_while(|(_, entry)| entry.first_timestamp < timestamp)
        .filter(|(_, entry)| entry.kind == BlockKind::Frames as u16)
        .last()
}

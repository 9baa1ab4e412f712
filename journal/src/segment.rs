//! Reading the blocks of one segment, each checked by its bytes, its place and its chain. What
//! [`ahead`](crate::ahead) has found right by its bytes and place is not looked at again.

use crate::ahead::{Ahead, Checkers};
use crate::error::{JournalError, io_error};
use crate::fault::{BlockFault, SegmentFault};
use crate::format::{
    BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, BlockKind, Hash, INDEX_ENTRY_BYTES, IndexEntry,
    MAX_BLOCK_BYTES, MAX_INDEX_ENTRIES, SEAL_BYTES, SEGMENT_HEADER_BYTES, Seal, SegmentHeader,
    SegmentName, UNSIGNED, block_bytes_on_disk, chained_root,
};
use crate::memory::Memory;
use crate::merkle::MerkleBuilder;
use crate::storage::{Storage, StorageFile, read_full};
use selvedge_fabric::frame::MAX_SEQUENCE;
use std::ops::Range;
use std::sync::Arc;
use zerocopy::FromBytes;

/// Bytes read ahead; the memory a reader takes unless a block is larger.
const READ_AHEAD: usize = 256 << 10;

/// Where the chain of blocks stands: what must hold of the next block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// The next block's number.
    pub(crate) block_number: u64,
    /// Hash of the last block, or of the header page before the first.
    pub(crate) hash: Hash,
    /// The next frame's sequence.
    pub(crate) sequence: u64,
    /// The last frame's time stamp.
    pub(crate) timestamp: u64,
}

impl Chain {
    /// Moves behind `block`.
    pub(crate) fn advance(&mut self, block: &BlockHeader) {
        self.block_number = block.block_number.saturating_add(1);
        self.hash = block.hash;
        self.sequence = block.last_sequence.saturating_add(1);
        self.timestamp = block.last_timestamp;
    }

    /// Stands before `block`, whatever came before it.
    pub(crate) fn before(block: &BlockHeader) -> Self {
        Chain {
            block_number: block.block_number,
            hash: block.previous_hash,
            sequence: block.first_sequence,
            timestamp: block.first_timestamp,
        }
    }
}

/// The next block, or why there is none.
pub(crate) enum Step {
    Block(BlockHeader),
    End(BlockFault),
}

/// One segment, read block by block.
pub(crate) struct SegmentReader {
    file: Arc<dyn StorageFile>,
    pub(crate) name: SegmentName,
    pub(crate) file_name: String,
    pub(crate) header: SegmentHeader,
    /// Where the next block begins.
    pub(crate) offset: u64,
    pub(crate) chain: Chain,
    check_hashes: bool,
    window: Memory,
    /// Bytes of the window that were read.
    filled: usize,
    window_start: u64,
    payload: Range<usize>,
    ahead: Option<Ahead>,
    /// The frames of the block read last were found right.
    frames_checked: bool,
}

impl SegmentReader {
    /// Opens a segment and checks its header page by itself and against its name.
    pub(crate) fn open(
        storage: &dyn Storage,
        name: SegmentName,
        check_hashes: bool,
    ) -> Result<Self, JournalError> {
        let file_name = name.to_string();
        let file: Arc<dyn StorageFile> = storage
            .open(&file_name, false)
            .map_err(io_error("open", &file_name))?
            .into();
        let mut page = vec![0; SEGMENT_HEADER_BYTES];
        let read = read_full(&*file, &mut page, 0).map_err(io_error("read", &file_name))?;
        let fault = |fault| JournalError::Segment {
            file: file_name.clone(),
            fault,
        };
        let header = SegmentHeader::parse(page.get(..read).unwrap_or_default()).map_err(fault)?;
        for (what, expected, found) in [
            ("segment number", name.number, header.segment_number),
            ("first sequence", name.first_sequence, header.first_sequence),
        ] {
            if expected != found {
                return Err(fault(SegmentFault::Misplaced {
                    what,
                    expected,
                    found,
                }));
            }
        }
        Ok(SegmentReader {
            file,
            name,
            file_name,
            offset: SEGMENT_HEADER_BYTES as u64,
            chain: Chain {
                block_number: header.first_block,
                hash: header.hash(),
                sequence: header.first_sequence,
                timestamp: 0,
            },
            header,
            check_hashes,
            window: Memory::default(),
            filled: 0,
            window_start: 0,
            payload: 0..0,
            ahead: None,
            frames_checked: false,
        })
    }

    /// Has the blocks that come read and checked ahead, hashes and frames included.
    pub(crate) fn check_ahead(&mut self, checkers: &Checkers) {
        self.ahead = Some(checkers.ahead(Arc::clone(&self.file), self.header.segment_number));
    }

    /// Whether the frames of the block that was read last are known to be right.
    pub(crate) fn frames_checked(&self) -> bool {
        self.frames_checked
    }

    /// Takes over the memory of a segment that nobody reads any more.
    pub(crate) fn take_memory(&mut self, from: &mut SegmentReader) {
        self.window = std::mem::take(&mut from.window);
        from.forget();
        self.forget();
    }

    /// The next block, if it was found right ahead.
    fn checked_ahead(&mut self) -> Result<Option<BlockHeader>, JournalError> {
        let (size, alignment) = match &self.ahead {
            Some(_) => (self.size()?, self.alignment()),
            None => return Ok(None),
        };
        let Some(ahead) = &mut self.ahead else {
            return Ok(None);
        };
        let Some(checked) = ahead.take(self.offset, size, alignment) else {
            return Ok(None);
        };
        ahead.give_back(std::mem::replace(&mut self.window, checked.memory));
        self.window_start = self.offset;
        self.filled = checked.bytes;
        let end = BLOCK_HEADER_BYTES + checked.header.payload_bytes as usize;
        self.payload = BLOCK_HEADER_BYTES..end;
        self.frames_checked = true;
        Ok(Some(checked.header))
    }

    /// Checks that this segment follows on `before`: number, fabric, life, chain, sequence.
    pub(crate) fn check_follows(
        &mut self,
        before: &SegmentHeader,
        chain: &Chain,
    ) -> Result<(), SegmentFault> {
        let header = &self.header;
        if header.segment_number != before.segment_number + 1 {
            return Err(SegmentFault::Missing {
                expected: before.segment_number + 1,
            });
        }
        if header.fabric_id != before.fabric_id {
            return Err(SegmentFault::OtherFabric);
        }
        let misplaced = |what, expected, found| {
            Err(SegmentFault::Misplaced {
                what,
                expected,
                found,
            })
        };
        if header.life < before.life {
            return misplaced("life", before.life, header.life);
        }
        if header.first_sequence != chain.sequence {
            return misplaced("first sequence", chain.sequence, header.first_sequence);
        }
        if header.first_block != chain.block_number {
            return misplaced("first block", chain.block_number, header.first_block);
        }
        if header.previous_hash != chain.hash {
            return Err(SegmentFault::Chain);
        }
        self.chain.timestamp = chain.timestamp;
        Ok(())
    }

    /// Where its first block begins.
    pub(crate) fn first_block_offset(&self) -> u64 {
        SEGMENT_HEADER_BYTES as u64
    }

    /// What its first block follows on.
    pub(crate) fn first_chain(&self) -> Chain {
        Chain {
            block_number: self.header.first_block,
            hash: self.header.hash(),
            sequence: self.header.first_sequence,
            timestamp: 0,
        }
    }

    /// The header of the block at `offset`, as far as it can be believed without the payload: it
    /// belongs there, and follows on `chain`. `None` where it does not.
    pub(crate) fn skim_header(
        &self,
        offset: u64,
        chain: &Chain,
    ) -> Result<Option<BlockHeader>, JournalError> {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        let read = read_full(&*self.file, &mut bytes, offset)
            .map_err(io_error("read", &self.file_name))?;
        let header = bytes.get(..read).and_then(BlockHeader::from_prefix);
        Ok(header.filter(|header| {
            header.magic == BLOCK_MAGIC
                && header.payload_bytes as usize <= MAX_BLOCK_BYTES - BLOCK_HEADER_BYTES
                && check_header(header, self.header.segment_number, offset).is_ok()
                && check_chain(header, chain).is_ok()
        }))
    }

    /// Says that a block's header will be read there.
    pub(crate) fn will_skim(&self, offset: u64) {
        self.file.will_need(offset, BLOCK_HEADER_BYTES);
    }

    /// Bytes in the file now.
    pub(crate) fn size(&self) -> Result<u64, JournalError> {
        self.file
            .size()
            .map_err(io_error("ask the size of", &self.file_name))
    }

    pub(crate) fn alignment(&self) -> usize {
        self.header.block_alignment as usize
    }

    /// The payload of the block that was read last.
    #[inline]
    pub(crate) fn payload(&self) -> &[u8] {
        self.payload_or_none().unwrap_or_default()
    }

    /// As [`Self::payload`], for whoever asks for every frame: with a branch that is never taken
    /// instead of a choice that always costs.
    #[inline]
    pub(crate) fn payload_or_none(&self) -> Option<&[u8]> {
        self.window.bytes().get(self.payload.clone())
    }

    /// A part of that payload, which has been found in it.
    #[inline]
    pub(crate) fn payload_at(&self, part: Range<usize>) -> &[u8] {
        let start = self.payload.start;
        self.window
            .bytes()
            .get(start + part.start..start + part.end)
            .unwrap_or_default()
    }

    /// Bytes from `offset` on: at least `need`, unless the file ends before.
    pub(crate) fn bytes_at(&mut self, offset: u64, need: usize) -> Result<&[u8], JournalError> {
        let held = offset
            .checked_sub(self.window_start)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| *skip <= self.filled);
        if let Some(skip) = held
            && self.filled - skip >= need
        {
            return Ok(self
                .window
                .bytes()
                .get(skip..self.filled)
                .unwrap_or_default());
        }
        // What the file has bounds what is allocated, whatever a length in it claims.
        let available = self.size()?.saturating_sub(offset);
        let wanted = (need.max(READ_AHEAD) as u64).min(available) as usize;
        let kept = match held {
            Some(skip) => {
                self.window.bytes_mut().copy_within(skip..self.filled, 0);
                self.filled - skip
            }
            None => 0,
        };
        self.window_start = offset;
        self.payload = 0..0;
        // Memory once there is never cleared again: what counts is what was read into it.
        let grown = self.window.grow(wanted.max(kept));
        if grown.is_err() {
            self.filled = 0;
        }
        grown.map_err(io_error("get memory to read", &self.file_name))?;
        let rest = self
            .window
            .bytes_mut()
            .get_mut(kept..wanted)
            .unwrap_or_default();
        let read = read_full(&*self.file, rest, offset + kept as u64);
        self.filled = kept + read.as_ref().copied().unwrap_or(0);
        read.map_err(io_error("read", &self.file_name))?;
        Ok(self.window.bytes().get(..self.filled).unwrap_or_default())
    }

    /// Forgets what was read ahead, so that the next look is at the file as it is then.
    pub(crate) fn forget(&mut self) {
        self.filled = 0;
        self.payload = 0..0;
    }

    /// The whole block at `offset`, checked by itself and against that place.
    pub(crate) fn block_at(
        &mut self,
        offset: u64,
    ) -> Result<Result<BlockHeader, BlockFault>, JournalError> {
        let alignment = self.alignment();
        let check_hashes = self.check_hashes;
        let segment_number = self.header.segment_number;
        self.frames_checked = false;
        let front = self.bytes_at(offset, BLOCK_HEADER_BYTES)?;
        let header_bytes = front.get(..BLOCK_HEADER_BYTES).unwrap_or(front);
        if header_bytes.iter().all(|&byte| byte == 0) {
            return Ok(Err(BlockFault::Nothing));
        }
        let Some(header) = BlockHeader::from_prefix(front) else {
            return Ok(Err(BlockFault::CutShort {
                needed: BLOCK_HEADER_BYTES as u64,
                available: front.len() as u64,
            }));
        };
        if header.magic != BLOCK_MAGIC {
            return Ok(Err(BlockFault::Magic));
        }
        let payload_bytes = header.payload_bytes as usize;
        if payload_bytes > MAX_BLOCK_BYTES - BLOCK_HEADER_BYTES {
            return Ok(Err(BlockFault::Length(header.payload_bytes)));
        }
        let on_disk = block_bytes_on_disk(payload_bytes, alignment);
        let end = BLOCK_HEADER_BYTES + payload_bytes;
        let bytes = self.bytes_at(offset, on_disk)?;
        let (Some(payload), Some(padding)) =
            (bytes.get(BLOCK_HEADER_BYTES..end), bytes.get(end..on_disk))
        else {
            return Ok(Err(BlockFault::CutShort {
                needed: on_disk as u64,
                available: bytes.len() as u64,
            }));
        };
        let computed = header.compute_crc(payload);
        if computed != header.crc32c {
            return Ok(Err(BlockFault::Crc {
                stored: header.crc32c,
                computed,
            }));
        }
        if check_hashes && header.compute_hash_in_parallel(payload) != header.hash {
            return Ok(Err(BlockFault::Hash));
        }
        if padding.iter().any(|&byte| byte != 0) {
            return Ok(Err(BlockFault::Padding));
        }
        if let Err(fault) = check_header(&header, segment_number, offset) {
            return Ok(Err(fault));
        }
        let skip = (offset - self.window_start) as usize;
        self.payload = skip + BLOCK_HEADER_BYTES..skip + end;
        Ok(Ok(header))
    }

    /// The next block. At an end nothing moves: asked again, it looks again.
    pub(crate) fn next_block(&mut self) -> Result<Step, JournalError> {
        let mut first = true;
        loop {
            let ahead = if first { self.checked_ahead()? } else { None };
            let found = match ahead {
                Some(header) => Ok(header),
                None => self.block_at(self.offset)?,
            };
            let block = found.and_then(|header| {
                check_chain(&header, &self.chain)?;
                Ok(header)
            });
            match block {
                Ok(header) => {
                    self.offset +=
                        block_bytes_on_disk(header.payload_bytes as usize, self.alignment()) as u64;
                    self.chain.advance(&header);
                    return Ok(Step::Block(header));
                }
                // A writer may have been at it: what was read ahead can be older than the file.
                Err(_) if first => {
                    first = false;
                    self.forget();
                }
                Err(fault) => return Ok(Step::End(fault)),
            }
        }
    }

    /// The block that entry number `place` of the segment's index names: whole, and as it says.
    /// [`Self::payload`] is then its payload.
    pub(crate) fn indexed(
        &mut self,
        place: usize,
        entry: &IndexEntry,
    ) -> Result<BlockHeader, JournalError> {
        let number = self.header.first_block.saturating_add(place as u64);
        let block = self.block_at(entry.offset)?.and_then(|block| {
            match block.block_number == number && index_entry(&block) == *entry {
                true => Ok(block),
                false => Err(BlockFault::NotIndexed),
            }
        });
        block.map_err(|fault| JournalError::Damaged {
            file: self.file_name.clone(),
            block: number,
            offset: entry.offset,
            sequence: entry.first_sequence,
            fault,
        })
    }

    /// An error that names a block that was read.
    #[cold]
    pub(crate) fn damaged_block(&self, block: &BlockHeader, fault: BlockFault) -> JournalError {
        JournalError::Damaged {
            file: self.file_name.clone(),
            block: block.block_number,
            offset: block.offset,
            sequence: block.first_sequence,
            fault,
        }
    }

    /// An error that names the next block.
    pub(crate) fn damaged(&self, fault: BlockFault) -> JournalError {
        JournalError::Damaged {
            file: self.file_name.clone(),
            block: self.chain.block_number,
            offset: self.offset,
            sequence: self.chain.sequence,
            fault,
        }
    }

    /// The seal of a segment and its block; `None` where there is no whole seal.
    pub(crate) fn seal(&mut self) -> Result<Option<(BlockHeader, Seal)>, JournalError> {
        let seal_bytes = block_bytes_on_disk(SEAL_BYTES, self.alignment()) as u64;
        let Some(at) = self.size()?.checked_sub(seal_bytes) else {
            return Ok(None);
        };
        let Ok(block) = self.block_at(at)? else {
            return Ok(None);
        };
        Ok(match Seal::read_from_bytes(self.payload()) {
            Ok(seal) if block.kind == BlockKind::Seal as u16 => Some((block, seal)),
            _ => None,
        })
    }

    /// The entries of a sealed segment's index; `None` where there is no whole seal and index, or
    /// the index is not the one that was sealed: another could leave blocks out.
    pub(crate) fn index(&mut self) -> Result<Option<Vec<IndexEntry>>, JournalError> {
        let Some((seal_block, seal)) = self.seal()? else {
            return Ok(None);
        };
        let Ok(block) = self.block_at(seal.index_offset)? else {
            return Ok(None);
        };
        let entries = decode_index(self.payload()).unwrap_or_default();
        let sealed = block.kind == BlockKind::Index as u16
            && block.hash == seal_block.previous_hash
            && (self.check_hashes || block.compute_hash_in_parallel(self.payload()) == block.hash);
        Ok(sealed.then_some(entries))
    }
}

/// What the header of a whole block must say at this place.
pub(crate) fn check_header(
    header: &BlockHeader,
    segment: u64,
    offset: u64,
) -> Result<(), BlockFault> {
    let misplaced = |what, expected, found| {
        Err(BlockFault::Misplaced {
            what,
            expected,
            found,
        })
    };
    if header.segment_number != segment {
        return misplaced("segment number", segment, header.segment_number);
    }
    if header.offset != offset {
        return misplaced("offset", offset, header.offset);
    }
    if BlockKind::from_code(header.kind).is_none() && !BlockKind::is_ancillary(header.kind) {
        return Err(BlockFault::Kind(header.kind));
    }
    if header.flags != 0 {
        return Err(BlockFault::Header("flags"));
    }
    let frames = header.kind == BlockKind::Frames as u16;
    if frames != (header.frame_count != 0) {
        return Err(BlockFault::Header("frame count"));
    }
    let sequences_fit = if header.kind == BlockKind::Gap as u16 {
        header.last_sequence >= header.first_sequence && header.last_sequence <= MAX_SEQUENCE
    } else {
        header.first_sequence.checked_sub(1).is_some_and(|before| {
            header.last_sequence == before.saturating_add(u64::from(header.frame_count))
        })
    };
    if header.first_sequence == 0 || !sequences_fit {
        return Err(BlockFault::Header("sequences"));
    }
    if header.first_timestamp > header.last_timestamp {
        return Err(BlockFault::Header("time stamps"));
    }
    Ok(())
}

/// What a whole block must say to be the next one.
fn check_chain(header: &BlockHeader, chain: &Chain) -> Result<(), BlockFault> {
    let misplaced = |what, expected, found| {
        Err(BlockFault::Misplaced {
            what,
            expected,
            found,
        })
    };
    if header.block_number != chain.block_number {
        return misplaced("block number", chain.block_number, header.block_number);
    }
    if header.first_sequence != chain.sequence {
        return misplaced("first sequence", chain.sequence, header.first_sequence);
    }
    if header.first_timestamp < chain.timestamp {
        return misplaced("time stamp", chain.timestamp, header.first_timestamp);
    }
    if header.previous_hash != chain.hash {
        return Err(BlockFault::Chain);
    }
    Ok(())
}

/// What an index says about a block.
pub(crate) fn index_entry(block: &BlockHeader) -> IndexEntry {
    IndexEntry {
        first_sequence: block.first_sequence,
        first_timestamp: block.first_timestamp,
        offset: block.offset,
        frame_count: block.frame_count,
        kind: block.kind,
        reserved: 0,
    }
}

/// The entries of an Index block's payload.
pub(crate) fn decode_index(payload: &[u8]) -> Result<Vec<IndexEntry>, BlockFault> {
    if !payload.len().is_multiple_of(INDEX_ENTRY_BYTES)
        || payload.len() / INDEX_ENTRY_BYTES > MAX_INDEX_ENTRIES
    {
        return Err(BlockFault::Payload(
            "the index's length is not one of an index",
        ));
    }
    Ok(payload
        .chunks_exact(INDEX_ENTRY_BYTES)
        .filter_map(|entry| IndexEntry::read_from_bytes(entry).ok())
        .collect())
}

/// What a segment has come to, block by block: everything that its index and seal say.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) index: Vec<IndexEntry>,
    pub(crate) merkle: MerkleBuilder,
    pub(crate) frames: u64,
    /// The last sequence of a frame or gap; 0 for none yet.
    last_sequence: u64,
    /// Time stamp of its first frame; 0 for none yet.
    pub(crate) first_timestamp: u64,
    /// Time stamp of its last frame; 0 for none yet.
    pub(crate) last_timestamp: u64,
}

impl Tally {
    /// With memory for the index of a segment of this size, up to a sensible number of blocks.
    pub(crate) fn with_capacity(segment_bytes: u64, block_bytes: usize) -> Self {
        let blocks = (segment_bytes / block_bytes as u64) as usize * 2 + 64;
        Tally {
            index: Vec::with_capacity(blocks.min(MAX_INDEX_ENTRIES)),
            ..Tally::default()
        }
    }

    /// Whether the next block may be one of frames: a few places stay for index and seal.
    pub(crate) fn has_room(&self) -> bool {
        self.index.len() + 16 < MAX_INDEX_ENTRIES
    }

    /// Adds a block that is not the seal; false when a segment cannot have that many.
    pub(crate) fn add(&mut self, block: &BlockHeader) -> bool {
        if self.index.len() >= MAX_INDEX_ENTRIES {
            return false;
        }
        self.index.push(index_entry(block));
        self.merkle.push(&block.hash);
        if block.kind == BlockKind::Gap as u16 {
            self.last_sequence = block.last_sequence;
        }
        if block.frame_count > 0 {
            self.last_sequence = block.last_sequence;
            if self.frames == 0 {
                self.first_timestamp = block.first_timestamp;
            }
            self.last_timestamp = block.last_timestamp;
            self.frames += u64::from(block.frame_count);
        }
        true
    }

    /// The seal that these blocks must have, unsigned, behind the segment with that chained root.
    pub(crate) fn seal(
        &self,
        segment: &SegmentHeader,
        index_offset: u64,
        previous_root: &Hash,
    ) -> Seal {
        let merkle_root = self.merkle.root();
        Seal {
            frame_count: self.frames,
            first_sequence: segment.first_sequence,
            last_sequence: self.last_sequence.max(segment.first_sequence - 1),
            first_timestamp: self.first_timestamp,
            last_timestamp: self.last_timestamp,
            block_count: self.merkle.leaves(),
            index_offset,
            reserved: 0,
            merkle_root,
            previous_root: *previous_root,
            chained_root: chained_root(previous_root, &merkle_root),
            signature_algorithm: UNSIGNED,
            reserved_signature: [0; 6],
            public_key: [0; 32],
            signature: [0; 64],
            reserved_end: [0; 56],
        }
    }
}

/// The segments of a journal, by number; two files of one number are an error.
pub(crate) fn list_segments(storage: &dyn Storage) -> Result<Vec<SegmentName>, JournalError> {
    let directory = storage.describe();
    let mut names: Vec<SegmentName> = storage
        .list()
        .map_err(io_error("list", &directory))?
        .iter()
        .filter_map(|name| SegmentName::parse(name))
        .collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if let [first, second] = pair
            && first.number == second.number
        {
            return Err(JournalError::Segment {
                file: second.to_string(),
                fault: SegmentFault::Duplicate,
            });
        }
    }
    Ok(names)
}

//! A block in memory: filled with frames, then closed with its header.

use crate::body::Body;
use crate::contents::Contents;
use crate::format::{BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, BlockKind, frame_bytes_on_disk};
use crate::marks::Marks;
use crate::staging::SlotMemory;
use selvedge_fabric::frame::{FRAME_HEADER_BYTES, Flags, FrameHeader};
use zerocopy::IntoBytes;

/// A block being filled: room for the header, then the payload so far.
pub(crate) struct BlockBuffer {
    memory: SlotMemory,
    marks: Marks,
    used: usize,
    /// Bytes that `examination` was made of; 0 for not at all.
    examined: usize,
    examination: Box<Examination>,
    pub(crate) frame_count: u32,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) first_timestamp: u64,
    pub(crate) last_timestamp: u64,
}

/// What was found out about a block apart from its place.
#[derive(Default)]
struct Examination {
    body: Body,
    contents: Contents,
}

/// What the chain says about a block when it is closed.
pub(crate) struct BlockPlace {
    pub(crate) kind: BlockKind,
    pub(crate) block_number: u64,
    pub(crate) segment_number: u64,
    pub(crate) offset: u64,
    pub(crate) durable_blocks: u64,
    pub(crate) previous_hash: [u8; 32],
    pub(crate) alignment: usize,
}

impl BlockBuffer {
    /// An empty block of at most `block_bytes`, header included.
    pub(crate) fn new(block_bytes: usize) -> Self {
        Self::in_slot(SlotMemory::own(block_bytes))
    }

    /// An empty block in a slot of staging, as large as that.
    pub(crate) fn in_slot(memory: SlotMemory) -> Self {
        BlockBuffer {
            marks: Marks::with_capacity(memory.len()),
            memory,
            used: BLOCK_HEADER_BYTES,
            examined: 0,
            examination: Box::default(),
            frame_count: 0,
            first_sequence: 0,
            last_sequence: 0,
            first_timestamp: 0,
            last_timestamp: 0,
        }
    }

    /// Forgets the payload.
    pub(crate) fn clear(&mut self) {
        self.memory.empty();
        self.marks.clear();
        self.used = BLOCK_HEADER_BYTES;
        self.examined = 0;
        self.frame_count = 0;
    }

    /// Whether a frame that takes `bytes` on disk still fits.
    #[inline]
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.memory.len() - self.used
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == BLOCK_HEADER_BYTES
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.memory.bytes()[BLOCK_HEADER_BYTES..self.used]
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        self.used - BLOCK_HEADER_BYTES
    }

    /// Adds a frame, which must fit and whose header must state `payload`'s length.
    #[inline]
    pub(crate) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        let flags = Flags::from_bits(header.flags().bits() & !Flags::EXTERNAL.bits());
        let end = self.used + frame_bytes_on_disk(payload.len());
        let frame = &mut self.memory.bytes_mut()[self.used..end];
        let (head, body) = frame.split_at_mut(FRAME_HEADER_BYTES);
        head.copy_from_slice(&header.with_flags(flags).to_bytes());
        let (body, padding) = body.split_at_mut(payload.len());
        body.copy_from_slice(payload);
        padding.fill(0);
        self.marks
            .frame(self.used - BLOCK_HEADER_BYTES, self.frame_count);
        self.used = end;
        if self.frame_count == 0 {
            self.first_sequence = header.sequence();
            self.first_timestamp = header.timestamp();
            self.memory.begin(header.sequence());
        }
        self.frame_count += 1;
        self.last_sequence = header.sequence();
        self.last_timestamp = header.timestamp();
        self.memory.commit(end - BLOCK_HEADER_BYTES);
    }

    /// Makes it a block without frames: this payload, between `next_sequence − 1` and it.
    pub(crate) fn set_payload(&mut self, payload: &[u8], next_sequence: u64, timestamp: u64) {
        self.clear();
        let end = BLOCK_HEADER_BYTES + payload.len();
        self.memory.grow(end);
        self.memory.bytes_mut()[BLOCK_HEADER_BYTES..end].copy_from_slice(payload);
        self.used = end;
        self.first_sequence = next_sequence;
        self.last_sequence = next_sequence.saturating_sub(1);
        self.first_timestamp = timestamp;
        self.last_timestamp = timestamp;
    }

    /// Of a block without frames: says that it stands for the sequences up to this one.
    pub(crate) fn set_last_sequence(&mut self, last_sequence: u64) {
        self.last_sequence = last_sequence;
    }

    /// Computes everything that does not depend on the block's place: most of what closing it
    /// takes. May be done on any thread, before [`Self::close`], which else does it itself.
    pub(crate) fn examine(&mut self) {
        if self.examined == self.used {
            return;
        }
        let bytes = self.memory.bytes().get(..self.used).unwrap_or_default();
        self.examination.body.compute(bytes);
        if self.frame_count > 0 {
            self.examination
                .contents
                .list(bytes.get(BLOCK_HEADER_BYTES..).unwrap_or_default());
        }
        self.examined = self.used;
    }

    /// What its frames may teach; of a block that was closed.
    pub(crate) fn contents(&self) -> &Contents {
        &self.examination.contents
    }

    /// The bytes to write, once the block was closed.
    pub(crate) fn closed_bytes(&self, alignment: usize) -> &[u8] {
        let end = self.used.next_multiple_of(alignment);
        self.memory.bytes().get(..end).unwrap_or_default()
    }

    /// Puts the header in front and zeros behind. Closing again, after a failed write, gives the
    /// block for its new place.
    pub(crate) fn close(&mut self, place: &BlockPlace) -> BlockHeader {
        self.examine();
        let mut header = BlockHeader {
            magic: BLOCK_MAGIC,
            kind: place.kind as u16,
            payload_bytes: self.payload_bytes() as u32,
            block_number: place.block_number,
            segment_number: place.segment_number,
            offset: place.offset,
            first_sequence: self.first_sequence,
            last_sequence: self.last_sequence,
            first_timestamp: self.first_timestamp,
            last_timestamp: self.last_timestamp,
            frame_count: self.frame_count,
            durable_blocks: place.durable_blocks,
            previous_hash: place.previous_hash,
            marks_hash: self.marks.hash(),
            ..BlockHeader::zeroed()
        };
        let end = self.used.next_multiple_of(place.alignment);
        let used = self.used;
        let bytes = &mut self.memory.bytes_mut()[..end];
        bytes[used..].fill(0);
        bytes[..BLOCK_HEADER_BYTES].copy_from_slice(header.as_bytes());
        header.hash = self.examination.body.hash(&bytes[..used]);
        header.crc32c = self.examination.body.crc(&header);
        bytes[..BLOCK_HEADER_BYTES].copy_from_slice(header.as_bytes());
        header
    }
}

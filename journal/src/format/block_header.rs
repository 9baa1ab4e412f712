//! The 192 bytes before every block's payload.

use super::Hash;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Bytes of a block header.
pub const BLOCK_HEADER_BYTES: usize = 192;

/// The first eight bytes of every block.
pub const BLOCK_MAGIC: [u8; 8] = *b"SELVBLCK";

/// The most bytes a block may take on disk, header and padding included: 32 MiB, which holds a
/// frame of the longest payload that a frame header can describe.
pub const MAX_BLOCK_BYTES: usize = 32 << 20;

/// The header of a block, exactly as on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BlockHeader {
    /// [`BLOCK_MAGIC`].
    pub magic: [u8; 8],
    /// Code of the [`BlockKind`](super::BlockKind).
    pub kind: u16,
    /// Zero in this version (later: encoding of the payload).
    pub flags: u16,
    /// Bytes of payload, without the padding to the segment's alignment.
    pub payload_bytes: u32,
    /// Place of the block in the journal, from 0, over all segments.
    pub block_number: u64,
    /// The segment it was written to.
    pub segment_number: u64,
    /// Its place in that segment's file.
    pub offset: u64,
    /// Sequence of the first frame; in a block without frames, of the next frame to come.
    pub first_sequence: u64,
    /// Sequence of the last frame; in a block without frames, `first_sequence − 1`.
    pub last_sequence: u64,
    /// Time stamp of the first frame, UTC nanoseconds; without frames, of the last frame before.
    pub first_timestamp: u64,
    /// Time stamp of the last frame; without frames, the same as `first_timestamp`.
    pub last_timestamp: u64,
    /// Frames in the block, 0 unless it is a Frames block.
    pub frame_count: u32,
    /// CRC32C of header and payload, this field taken as zero.
    pub crc32c: u32,
    /// Blocks with a number below this were known to be durable when this block was written.
    pub durable_blocks: u64,
    /// Zero in this version.
    pub reserved: [u8; 8],
    /// Of a Frames block: BLAKE3 of its marks; else zeros.
    pub marks_hash: Hash,
    /// Hash of the block before; of the segment's header page for the first block of a segment.
    pub previous_hash: Hash,
    /// BLAKE3 of header and payload, this field and `crc32c` taken as zero.
    pub hash: Hash,
}

const _: () = assert!(size_of::<BlockHeader>() == BLOCK_HEADER_BYTES);

impl BlockHeader {
    /// The header at the front of `bytes`; `None` where they are fewer than a header.
    pub fn from_prefix(bytes: &[u8]) -> Option<Self> {
        BlockHeader::read_from_prefix(bytes)
            .ok()
            .map(|(header, _)| header)
    }

    /// A header of zeros.
    pub fn zeroed() -> Self {
        BlockHeader::new_zeroed()
    }

    /// The hash of the block with this header and payload.
    ///
    /// Whatever `self.hash` and `self.crc32c` are, they count as zero.
    pub fn compute_hash(&self, payload: &[u8]) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.for_hash().as_bytes());
        hasher.update(payload);
        *hasher.finalize().as_bytes()
    }

    /// As [`Self::compute_hash`], on several cores where the payload is long enough for that.
    pub(crate) fn compute_hash_in_parallel(&self, payload: &[u8]) -> Hash {
        const WORTH_IT: usize = 256 << 10;
        if payload.len() < WORTH_IT {
            return self.compute_hash(payload);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.for_hash().as_bytes());
        hasher.update_rayon(payload);
        *hasher.finalize().as_bytes()
    }

    /// The CRC32C of the block with this header and payload; `self.crc32c` counts as zero.
    pub fn compute_crc(&self, payload: &[u8]) -> u32 {
        let header = BlockHeader { crc32c: 0, ..*self };
        crc32c::crc32c_append(crc32c::crc32c(header.as_bytes()), payload)
    }

    pub(crate) fn for_hash(&self) -> Self {
        BlockHeader {
            crc32c: 0,
            hash: [0; 32],
            ..*self
        }
    }
}

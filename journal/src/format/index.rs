//! The sparse index of a segment.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of an index entry.
pub const INDEX_ENTRY_BYTES: usize = 32;

/// The most blocks a segment has: one index entry each, 8 MiB of index. A segment that reaches it
/// is sealed and the next one begun.
pub const MAX_INDEX_ENTRIES: usize = 1 << 18;

/// One block in an Index block's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct IndexEntry {
    /// The block's first sequence, as in its header.
    pub first_sequence: u64,
    /// The block's first time stamp, as in its header, UTC nanoseconds.
    pub first_timestamp: u64,
    /// Where the block begins in the segment file.
    pub offset: u64,
    /// Frames in it.
    pub frame_count: u32,
    /// Code of its kind.
    pub kind: u16,
    /// Zero.
    pub reserved: u16,
}

const _: () = assert!(size_of::<IndexEntry>() == INDEX_ENTRY_BYTES);

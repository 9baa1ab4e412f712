//! The bytes on disk: one item for every structure of `FORMAT.md`.
//!
//! All integers are little-endian; the structures are laid out without padding, so that reading
//! one is a copy and the tests can hold it against the document.

mod activity;
mod block_header;
mod block_kind;
mod clock_record;
mod gap_record;
mod index;
mod recovery_record;
mod seal;
mod segment_header;
mod segment_name;

pub use activity::{Action, Activity, MAX_ACTIVITY_TEXT};
pub use block_header::{BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, MAX_BLOCK_BYTES};
pub use block_kind::BlockKind;
pub use clock_record::{CLOCK_BREACH, CLOCK_RECORD_BYTES, CLOCK_SYNCHRONISED, ClockRecord};
pub use gap_record::{GAP_RECORD_BYTES, GapRecord};
pub use index::{INDEX_ENTRY_BYTES, IndexEntry, MAX_INDEX_ENTRIES};
pub use recovery_record::{RECOVERY_RECORD_BYTES, RecoveryRecord};
pub use seal::{ED25519, SEAL_BYTES, SIGNED_SEAL_BYTES, Seal, UNSIGNED, chained_root};
pub use segment_header::{
    FORMAT_MAJOR, FORMAT_MINOR, MAX_BLOCK_ALIGNMENT, MIN_BLOCK_ALIGNMENT, SEGMENT_HEADER_BYTES,
    SEGMENT_MAGIC, SegmentHeader,
};
pub use segment_name::SegmentName;
pub(crate) use segment_name::TEMPORARY_NAME;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Bytes that a block with this much payload takes on disk, given the segment's alignment.
pub const fn block_bytes_on_disk(payload: usize, alignment: usize) -> usize {
    (BLOCK_HEADER_BYTES + payload).next_multiple_of(alignment)
}

/// Bytes that a frame with this much payload takes in a Frames block: header and payload, padded
/// with zeros to 8 bytes.
pub const fn frame_bytes_on_disk(payload: usize) -> usize {
    selvedge_fabric::frame::FRAME_HEADER_BYTES + ((payload + 7) & !7)
}

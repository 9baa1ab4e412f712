//! The payload of a Recovery block.

use super::Hash;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a recovery record.
pub const RECOVERY_RECORD_BYTES: usize = 128;

/// What a writer found and cut when it reopened a segment that was not sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecoveryRecord {
    /// The segment that was cut: the one this record is in.
    pub segment_number: u64,
    /// Where it was cut: the end of its last whole valid block.
    pub cut_offset: u64,
    /// Bytes from there to the last that was not zero; 0 when nothing had to be cut.
    pub cut_bytes: u64,
    /// Whole blocks that lay behind the first broken one and were cut with it.
    pub cut_blocks: u64,
    /// When, UTC nanoseconds by the host's clock.
    pub recovered_at: u64,
    /// The last sequence that was kept.
    pub last_sequence: u64,
    /// BLAKE3 of the `cut_bytes` bytes.
    pub cut_hash: Hash,
    /// Zero.
    pub reserved: [u8; 48],
}

const _: () = assert!(size_of::<RecoveryRecord>() == RECOVERY_RECORD_BYTES);

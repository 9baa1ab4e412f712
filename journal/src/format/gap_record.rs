//! The payload of a Gap block.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a gap record.
pub const GAP_RECORD_BYTES: usize = 64;

/// Frames that the journal had to leave out, because it was told rather to do that than to hold
/// the fabric back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GapRecord {
    /// The first sequence that is missing.
    pub first_sequence: u64,
    /// The last sequence that is missing.
    pub last_sequence: u64,
    /// When the journal stopped, UTC nanoseconds by the host's clock.
    pub began: u64,
    /// When it could write again.
    pub ended: u64,
    /// Code of the alarm that was the reason.
    pub reason: u64,
    /// Zero.
    pub reserved: [u8; 24],
}

const _: () = assert!(size_of::<GapRecord>() == GAP_RECORD_BYTES);

//! The payload of a Clock block.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a clock record.
pub const CLOCK_RECORD_BYTES: usize = 128;

/// The bit of [`ClockRecord::flags`] for an error bound beyond what was configured.
pub const CLOCK_BREACH: u32 = 1;
/// The bit of [`ClockRecord::flags`] for a clock that something keeps synchronised.
pub const CLOCK_SYNCHRONISED: u32 = 2;

/// What the host said about its clock: by this every time stamp can be defended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ClockRecord {
    /// When, UTC nanoseconds by the host's clock.
    pub at: u64,
    /// What the host still has to correct, nanoseconds.
    pub offset_ns: i64,
    /// The estimated error, nanoseconds.
    pub estimated_error_ns: u64,
    /// The bound of the error, nanoseconds.
    pub maximum_error_ns: u64,
    /// The bound that was configured, nanoseconds; 0 for none.
    pub bound_ns: u64,
    /// Calibration of the fabric's clock: a reading of the tick counter; 0 when unknown.
    pub base_ticks: u64,
    /// UTC nanoseconds at that reading.
    pub base_ns: u64,
    /// Nanoseconds in a tick, times 2^32.
    pub ns_per_tick_2_32: u64,
    /// How far the host's clock is corrected in rate, parts in 10^9.
    pub frequency_ppb: i64,
    /// Status bits of adjtimex(2).
    pub status: u32,
    /// Clock state of adjtimex(2): 0 TIME_OK ... 5 TIME_ERROR.
    pub state: u32,
    /// TAI − UTC in seconds; 0 when the host does not know.
    pub tai_offset: i32,
    /// [`CLOCK_BREACH`], [`CLOCK_SYNCHRONISED`].
    pub flags: u32,
    /// What keeps the clock, UTF-8, padded with zeros: `kernel`, `chrony ID`.
    pub source: [u8; 32],
    /// Zero.
    pub reserved: [u8; 8],
}

const _: () = assert!(size_of::<ClockRecord>() == CLOCK_RECORD_BYTES);

impl ClockRecord {
    /// What keeps the clock.
    pub fn source_text(&self) -> String {
        String::from_utf8_lossy(&self.source)
            .trim_end_matches('\0')
            .to_owned()
    }
}

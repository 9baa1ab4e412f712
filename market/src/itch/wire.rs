//! The building blocks of ITCH 5.0 messages: the common header, the 48-bit time stamp.
//!
//! Source: NASDAQ TotalView-ITCH 5.0 specification, section 3 "Data Types": integers are unsigned
//! and big-endian, alpha fields are ASCII, left-justified and padded with spaces, prices are
//! integers with 4 (`Price(4)`) or 8 (`Price(8)`) implied decimal places.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A big-endian 16-bit field.
pub type U16 = zerocopy::big_endian::U16;
/// A big-endian 32-bit field.
pub type U32 = zerocopy::big_endian::U32;
/// A big-endian 64-bit field.
pub type U64 = zerocopy::big_endian::U64;

/// A big-endian 48-bit field: nanoseconds since midnight, exchange time.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct Timestamp([u8; 6]);

impl Timestamp {
    /// The field with this value. Bits above the 48th are cut off.
    pub const fn new(nanoseconds: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = nanoseconds.to_be_bytes();
        Timestamp([a, b, c, d, e, f])
    }

    /// Nanoseconds since midnight.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

/// What every ITCH 5.0 message begins with, 11 bytes.
///
/// | bytes | field |
/// |---|---|
/// | 0 | message type |
/// | 1..3 | stock locate |
/// | 3..5 | tracking number |
/// | 5..11 | time stamp |
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct ItchHeader {
    /// The message type, an ASCII letter.
    pub code: u8,
    /// The symbol's number for the day; 0 for messages about no symbol.
    pub locate: U16,
    /// An internal number of the exchange.
    pub tracking: U16,
    /// Exchange time, nanoseconds since midnight.
    pub timestamp: Timestamp,
}

impl ItchHeader {
    /// A header from its fields; `time_ns` is exchange time since midnight.
    pub const fn new(code: u8, locate: u16, tracking: u16, time_ns: u64) -> Self {
        ItchHeader {
            code,
            locate: U16::from_bytes(locate.to_be_bytes()),
            tracking: U16::from_bytes(tracking.to_be_bytes()),
            timestamp: Timestamp::new(time_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_stamp_keeps_48_bits(value in 0u64..1 << 48) {
            let timestamp = Timestamp::new(value);
            prop_assert_eq!(timestamp.get(), value);
            prop_assert_eq!(timestamp.as_bytes(), &value.to_be_bytes()[2..]);
        }
    }
}

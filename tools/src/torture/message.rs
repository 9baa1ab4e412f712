//! The messages of the torture: each says whose it is, and every byte of it can be checked.

use super::random::Random;
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::{Message, MessageSchema};
use zerocopy::FromBytes;

selvedge_fabric::message! {
    /// A message that fits its slot.
    pub struct Tick: type 1, name "torture.tick", version 1 {
        /// Place among the messages of its producer.
        pub source_sequence: u64;
        /// The life of the producer's process.
        pub life: u64;
        /// Makes a mixture of two messages evident.
        pub check: u64;
    }
}

/// The type of messages that do not fit: a tick, then filler.
pub const LONG: u16 = 2;

/// The longest.
const LONGEST: u64 = 1500;

/// The message type of [`LONG`].
pub fn long_schema() -> MessageSchema {
    MessageSchema {
        message_type: LONG,
        name: "torture.long".to_owned(),
        version: 1,
        size: 0,
        fields: Vec::new(),
    }
}

impl Tick {
    /// The message `source_sequence` of this life.
    pub fn new(source_sequence: u64, life: u64) -> Self {
        Tick {
            source_sequence,
            life,
            check: Random::new(source_sequence ^ life << 40).next(),
        }
    }

    /// Whether it is whole.
    pub fn is_whole(&self) -> bool {
        *self == Tick::new(self.source_sequence, self.life)
    }

    /// The long message of this tick, into `bytes`.
    pub fn lengthen(&self, bytes: &mut Vec<u8>) {
        let mut random = Random::new(self.check);
        let length = random.between(size_of::<Tick>() as u64, LONGEST) as usize;
        bytes.clear();
        bytes.extend_from_slice(zerocopy::IntoBytes::as_bytes(self));
        while bytes.len() < length {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
        bytes.truncate(length);
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// The fabric's own.
    System,
    /// A message of the torture.
    Tick(Tick),
    /// Something that nobody sent.
    Rubbish,
}

/// What a frame with this header and payload holds.
pub fn content(header: &FrameHeader, payload: &[u8], scratch: &mut Vec<u8>) -> Content {
    let tick = match header.message_type() {
        Tick::TYPE => Tick::read_from_bytes(payload).ok(),
        LONG => Tick::read_from_prefix(payload)
            .ok()
            .map(|(tick, _)| tick)
            .filter(|tick| {
                tick.lengthen(scratch);
                scratch == payload
            }),
        _ if header.source() == 0 => return Content::System,
        _ => None,
    };
    match tick {
        Some(tick) if tick.is_whole() && tick.source_sequence == header.source_sequence() => {
            Content::Tick(tick)
        }
        _ => Content::Rubbish,
    }
}

/// A hash over everything that makes the frame what it is; never 0. Where its payload lay in
/// shared memory does not count.
pub fn digest(header: &FrameHeader, payload: &[u8]) -> u64 {
    let mut hash = 0x5E1F_ED6E_u64;
    let mut mix = |word: u64| {
        hash = (hash ^ word).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        hash ^= hash >> 32;
    };
    for word in header.with_flags(Flags::NONE).words() {
        mix(word);
    }
    for chunk in payload.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        mix(u64::from_le_bytes(bytes));
    }
    hash.max(1)
}

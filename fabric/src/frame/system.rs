//! Messages that the fabric itself puts into the stream: sources coming and going, message types,
//! epochs, the end of the stream.
//!
//! They are ordinary frames with types from `0xF000` on, so that the stream alone tells the whole
//! story: what is known about a source at any sequence can be rebuilt from the frames before it.

use super::MessageType;

/// The first message type that belongs to the fabric.
pub const FIRST_SYSTEM_TYPE: MessageType = 0xF000;

/// Longest name of a fabric, source or consumer, in bytes.
pub const MAX_NAME_BYTES: usize = 48;

/// A variable-length system message: its payload is an encoded
/// [`MessageSchema`](crate::message::MessageSchema). Sequenced before the first message of that
/// type.
pub const TYPE_REGISTERED: MessageType = 0xF003;

crate::message! {
    /// A sequencer began its epoch. The first frame of each epoch.
    pub struct EpochOpened: type 0xF001, name "selvedge.epoch_opened", version 1 {
        /// The epoch's number, from 1.
        pub epoch: u64;
        /// Process of the sequencer.
        pub pid: u32;
        /// Its effective user.
        pub uid: u32;
        /// The fabric's life: how often its memory was lost and begun again, from 1.
        pub life: u64;
        /// The epoch before, 0 for none.
        pub previous_epoch: u64;
    }
}

crate::message! {
    /// A producer was admitted. Its messages follow.
    pub struct SourceJoined: type 0xF002, name "selvedge.source_joined", version 1 {
        /// The last source sequence already in the stream, 0 for a source never seen before.
        pub last_source_sequence: u64;
        /// The source's number in frame headers.
        pub source: u16;
        /// Bytes of the name that count.
        pub name_length: u16;
        /// Its process.
        pub pid: u32;
        /// Its effective user.
        pub uid: u32;
        /// Zero.
        pub reserved: u32;
        /// Its name, padded with zeros.
        pub name: [u8; 48];
    }
}

crate::message! {
    /// A producer left or died, and its ring is drained: nothing of it follows until it joins again.
    pub struct SourceLeft: type 0xF004, name "selvedge.source_left", version 1 {
        /// The last of its messages that is in the stream.
        pub last_source_sequence: u64;
        /// The source's number.
        pub source: u16;
        /// 0: it detached. 1: its process died. 2: it was cut off for breaking the protocol.
        pub reason: u16;
        /// Zero.
        pub reserved: u32;
    }
}

crate::message! {
    /// The sequencer was told to stop and has drained every ring. The last frame of an epoch that
    /// ended in order; a later epoch goes on with the next sequence.
    pub struct EndOfStream: type 0xF005, name "selvedge.end_of_stream", version 1 {
        /// The epoch that ends.
        pub epoch: u64;
    }
}

/// The reason in [`SourceLeft`]: the producer detached.
pub const LEFT_DETACHED: u16 = 0;
/// The reason in [`SourceLeft`]: the producer's process died.
pub const LEFT_DIED: u16 = 1;
/// The reason in [`SourceLeft`]: the producer broke the ingress protocol and was cut off.
pub const LEFT_CUT_OFF: u16 = 2;

//! The frame: one message of the sequenced stream with its header.
//!
//! A frame is 32 bytes of header followed by the payload. The same bytes lie in the stream's
//! slots and in the journal, so this module is the one place that knows them.

mod header;
pub mod system;

pub use header::{
    FRAME_HEADER_BYTES, Flags, FrameHeader, MAX_EPOCH_TAG, MAX_PAYLOAD_BYTES, MAX_SEQUENCE,
    MessageType, SourceId, TopicId,
};

//! What the conductor and the sequencing thread tell each other.

use crate::source::Source;
use selvedge_fabric::clock::Calibration;
use selvedge_fabric::frame::MessageType;
use selvedge_fabric::message::MessageSchema;
use selvedge_fabric::protocol::gating::GatingCursor;
use selvedge_fabric::shared::bank::{ConsumerEntry, SourceEntry};
use selvedge_fabric::shared::cursor::StartRequest;

/// A frame of the fabric's own, ready to be sequenced.
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) message_type: MessageType,
    pub(crate) payload: Vec<u8>,
}

/// A source, checked and mapped.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) source: Source,
    pub(crate) entry: SourceEntry,
    /// Message types that the fabric did not know yet.
    pub(crate) new_schemas: Vec<MessageSchema>,
    /// Their registrations, then the `SourceJoined` frame.
    pub(crate) announcements: Vec<Announcement>,
}

/// To the sequencing thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Take messages from this source.
    AddSource(Box<Arrival>),
    /// This source has left: drain it, then let it go.
    SourceLeft { nonce: u64, reason: u16 },
    /// Hold what this consumer has not read.
    AddConsumer {
        place: usize,
        entry: Box<ConsumerEntry>,
        cursor: GatingCursor,
        start: StartRequest,
        /// The dead consumer of the same name, whose hold ends with this one's beginning.
        replaces: Option<(usize, u64)>,
    },
    /// This consumer has left or died.
    RemoveConsumer { place: usize, nonce: u64 },
    /// Say why somebody was not admitted.
    Refuse { nonce: u64, reason: String },
    /// A new calibration of the clock.
    Calibrate(Calibration),
}

/// From the sequencing thread.
#[derive(Debug)]
pub(crate) enum Event {
    /// The source is drained and gone; its memory is to be unmapped and its files removed.
    SourceGone { source: Box<Source>, reason: u16 },
    /// The consumer was not admitted.
    ConsumerRefused { place: usize, nonce: u64 },
}

//! One producer's ring as the sequencer sees it: memory that another process may write at any
//! time. Everything read from it is read once and checked here.

use selvedge_fabric::checked_offset;
use selvedge_fabric::frame::{Flags, FrameHeader, SourceId};
use selvedge_fabric::latency::LatencyRecorder;
use selvedge_fabric::message::MessageSchema;
use selvedge_fabric::protocol::Words;
use selvedge_fabric::protocol::ingress::{Consumed, INGRESS_HEADER_WORDS, IngressReader};

/// An admitted source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) reader: IngressReader,
    /// The descriptor that was checked last: most messages have the same one as the message
    /// before, and need no other check.
    checked: u64,
    inline_words: usize,
    pub(crate) id: SourceId,
    pub(crate) consumed: Consumed,
    pub(crate) leaving: Option<u16>,
    /// Draining takes messages before this source sequence.
    pub(crate) drain_until: u64,
    payload: Words,
    payload_bytes: u64,
    inline_bytes: usize,
    message_limit: usize,
    schemas: Vec<(u16, u16)>,
    pub(crate) nonce: u64,
    /// From publishing to sequencing; a source is served without where it could not be made.
    pub(crate) latency: Option<LatencyRecorder>,
}

/// What a source is made of, collected by the conductor.
#[derive(Debug)]
pub(crate) struct SourceParts {
    pub(crate) reader: IngressReader,
    pub(crate) payload: Words,
    pub(crate) inline_bytes: usize,
    pub(crate) message_limit: usize,
    pub(crate) id: SourceId,
    pub(crate) consumed: Consumed,
    pub(crate) nonce: u64,
}

/// The flags of a message of `length` bytes: whether it lies in the slot is not the producer's
/// choice.
fn expected_flags(length: usize, inline_bytes: usize) -> Flags {
    if length > inline_bytes {
        Flags::EXTERNAL
    } else {
        Flags::NONE
    }
}

impl Source {
    /// `None` without message types: such a source could send nothing.
    pub(crate) fn new(parts: SourceParts, schemas: &[MessageSchema]) -> Option<Self> {
        let first = schemas.first()?;
        let length = first.size as usize;
        Some(Source {
            // Any allowed descriptor will do to begin with; no fixed value would, because a
            // hostile producer can write it.
            checked: FrameHeader::descriptor_word(
                first.message_type,
                0,
                length,
                expected_flags(length, parts.inline_bytes),
            ),
            inline_words: parts.inline_bytes / 8,
            id: parts.id,
            consumed: parts.consumed,
            leaving: None,
            drain_until: u64::MAX,
            payload_bytes: parts.payload.count() as u64 * 8,
            payload: parts.payload,
            inline_bytes: parts.inline_bytes,
            message_limit: parts.message_limit,
            schemas: schemas
                .iter()
                .map(|schema| (schema.message_type, schema.size))
                .collect(),
            reader: parts.reader,
            nonce: parts.nonce,
            latency: None,
        })
    }

    /// The descriptor of the next message, if it is one that this source may send.
    #[inline(always)]
    pub(crate) fn checked_descriptor(&mut self) -> Option<u64> {
        let descriptor = self.reader.word(1);
        if descriptor == self.checked || self.check(descriptor) {
            Some(descriptor)
        } else {
            None
        }
    }

    #[cold]
    fn check(&mut self, descriptor: u64) -> bool {
        let header = FrameHeader::from_words([0, 0, 0, descriptor]);
        let length = header.length();
        let allowed = header.flags() == expected_flags(length, self.inline_bytes)
            && length <= self.message_limit
            && self.schemas.iter().any(|&(message_type, size)| {
                message_type == header.message_type() && (size == 0 || size as usize == length)
            });
        if allowed {
            self.checked = descriptor;
        }
        allowed
    }

    /// Word `index` of the next message's payload in the slot.
    #[inline(always)]
    pub(crate) fn payload_word(&self, index: usize) -> u64 {
        self.reader.word(INGRESS_HEADER_WORDS + index)
    }

    /// Words of payload that a slot holds.
    #[inline(always)]
    pub(crate) fn inline_words(&self) -> usize {
        self.inline_words
    }

    /// The ticks at which the next message was published; 0 if that was not noted.
    #[inline(always)]
    pub(crate) fn published_ticks(&self) -> u64 {
        self.reader.word(self.reader.shape().slot_words() - 1)
    }

    /// Where the next message's payload of `length` bytes lies in the payload ring, in words;
    /// `None` where the position leads outside.
    pub(crate) fn external_payload(&self, length: usize) -> Option<(&Words, usize)> {
        let position = self.payload_word(0);
        let offset = checked_offset(position, length, self.payload_bytes)?;
        Some((&self.payload, offset / 8))
    }
}

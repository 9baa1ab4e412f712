//! One producer's ring as the sequencer sees it: memory that another process may write at any
//! time. Everything read from it is read once and checked here.

use selvedge_fabric::checked_offset;
use selvedge_fabric::frame::{Flags, FrameHeader, SourceId};
use selvedge_fabric::latency::LatencyRecorder;
use selvedge_fabric::message::MessageSchema;
use selvedge_fabric::protocol::Ordering;
use selvedge_fabric::protocol::Words;
use selvedge_fabric::protocol::ingress::{
    AHEAD, Consumed, GROUP, INGRESS_HEADER_WORDS, IngressReader,
};
use selvedge_fabric::protocol::stream::StreamWriter;

/// An admitted source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) reader: IngressReader,
    /// The descriptor that was checked last: most messages have the same one as the message
    /// before, and need no other check.
    checked: u64,
    inline_words: usize,
    /// The last run had a whole group: the next one is likely to.
    flows: bool,
    pub(crate) id: SourceId,
    pub(crate) consumed: Consumed,
    pub(crate) leaving: Option<u16>,
    /// The source sequence waited for when it was last told whether this source is silent.
    settled_at: u64,
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

/// Why a run of messages ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// There are no more, or as many as were asked for.
    Done,
    /// The stream has no room.
    NoRoom,
    /// The next message lies in the payload ring; its checked descriptor.
    External(u64),
    /// The next message is none that this source may send.
    Refused,
}

/// What ended a group of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// It is full, or the stream is.
    Full,
    /// No message is there.
    Nothing,
    /// A message that is not like the one before, or not in its slot; its descriptor.
    Other(u64),
}

/// The bit of a descriptor that says that the payload lies in the payload ring.
const EXTERNAL_BIT: u64 = (Flags::EXTERNAL.bits() as u64) << 24;

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
            flows: false,
            id: parts.id,
            consumed: parts.consumed,
            leaving: None,
            settled_at: parts.reader.next(),
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

    /// Whether any message has been taken since [`Source::settle`].
    #[inline(always)]
    pub(crate) fn has_sent(&self) -> bool {
        self.reader.next() != self.settled_at
    }

    /// What is taken from now on is news.
    pub(crate) fn settle(&mut self) {
        self.settled_at = self.reader.next();
    }

    /// Copies the next message, which is published, into the stream if it is like the one before and
    /// lies in its slot, and if the stream has room. Whether it has; if not, [`Source::copy_run`]
    /// finds out why.
    ///
    /// `WORDS` is as for [`Source::copy_run`].
    #[inline(always)]
    pub(crate) fn copy_next<const WORDS: usize>(
        &mut self,
        writer: &mut StreamWriter,
        timestamp: u64,
    ) -> bool {
        let words = if WORDS == 0 { self.inline_words } else { WORDS };
        let slot = self.reader.slot();
        // SAFETY: a slot has a descriptor and, behind it, as many payload words as `words` says.
        let word = |index| unsafe { slot.at(index) }.load(Ordering::Relaxed);
        // Read once: its writer may change it at any time.
        let descriptor = word(1);
        if descriptor != self.checked || descriptor & EXTERNAL_BIT != 0 || writer.room() == 0 {
            return false;
        }
        let source_word = FrameHeader::source_word(self.id, 0) | self.reader.next();
        writer.publish(timestamp, source_word, descriptor, words, |index| {
            word(INGRESS_HEADER_WORDS + index)
        });
        self.reader.advance();
        true
    }

    /// Copies messages that lie in their slots, at most `most`, into the stream. How many, and why
    /// no more.
    ///
    /// `WORDS` is how many payload words a slot holds, 0 if it is not known when this is compiled.
    #[inline(always)]
    pub(crate) fn copy_run<const WORDS: usize>(
        &mut self,
        writer: &mut StreamWriter,
        timestamp: u64,
        most: u64,
    ) -> (u64, Stop) {
        let source_word = FrameHeader::source_word(self.id, 0);
        let words = if WORDS == 0 { self.inline_words } else { WORDS };
        let mut checked = self.checked;
        let mut taken = 0;
        let stop = loop {
            let mut from = self.reader.run();
            let mut to = writer.run();
            // Whole groups, until one is not full.
            let met = loop {
                let group = GROUP.min(most - taken).min(to.room());
                // Not for the few messages of a short run: what is called in may not be needed.
                if self.flows && from.ready(0) {
                    to.stamp(group, timestamp);
                }
                let mut written = 0;
                let met = loop {
                    if written == group {
                        break Met::Full;
                    }
                    if !from.ready(written) {
                        break Met::Nothing;
                    }
                    let slot = from.slot(written);
                    // SAFETY: a slot has a descriptor and, behind it, as many payload words as
                    // `words` says.
                    let word = |index| unsafe { slot.at(index) }.load(Ordering::Relaxed);
                    // Read once: its writer may change it at any time.
                    let descriptor = word(1);
                    if descriptor != checked || descriptor & EXTERNAL_BIT != 0 {
                        break Met::Other(descriptor);
                    }
                    to.expect(written + AHEAD);
                    to.write(
                        written,
                        timestamp,
                        source_word | (from.next() + written),
                        descriptor,
                        words,
                        |index| word(INGRESS_HEADER_WORDS + index),
                    );
                    written += 1;
                };
                to.publish_written(written);
                from.advance(written);
                taken += written;
                if met != Met::Full || taken == most || to.room() == 0 {
                    break met;
                }
            };
            let full = met == Met::Full && taken < most && from.ready(0);
            drop((from, to));
            match met {
                Met::Full if full => break Stop::NoRoom,
                Met::Full | Met::Nothing => break Stop::Done,
                Met::Other(descriptor) if descriptor == checked => {
                    break Stop::External(descriptor);
                }
                Met::Other(descriptor) if self.check(descriptor) => checked = descriptor,
                Met::Other(_) => break Stop::Refused,
            }
        };
        self.flows = taken >= GROUP;
        (taken, stop)
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

//! A producer: claims a slot, writes the message in place, commits.

use super::handler::inside_handler;
use super::payload_ring::PayloadRing;
use super::producer_attach::StampEvery;
use super::stamps::Stamps;
use crate::error::{ClaimError, FabricError, Result};
use crate::fabric::Fabric;
use crate::frame::{Flags, FrameHeader, MessageType, SourceId, TopicId};
use crate::host::IdleStrategy;
use crate::host::ticks::TickSource;
use crate::message::{Message, MessageSchema};
use crate::protocol::Words;
use crate::protocol::ingress::{INGRESS_HEADER_WORDS, IngressWriter, consumed_in_current_epoch};
use crate::shared::registration::RegistrationFile;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// A named source of messages, with an ingress ring of its own.
///
/// Messages are sequenced in the order in which they are committed, none lost and none twice,
/// whatever happens to the sequencer meanwhile. Dropping the producer detaches it; what was
/// committed is still sequenced.
#[derive(Debug)]
pub struct Producer {
    writer: IngressWriter,
    payload: Words,
    inline_bytes: usize,
    stamps: Stamps,
    stamps_in_runs: Stamps,
    /// The next message by itself that notes its time.
    stamp_due: u64,
    ticks: TickSource,
    checked: u64,
    topic: TopicId,
    payload_ring: PayloadRing,
    message_limit: usize,
    source: SourceId,
    schemas: Vec<MessageSchema>,
    registration: RegistrationFile,
    fabric: Fabric,
    name: String,
    idle: IdleStrategy,
}

impl Producer {
    #[allow(clippy::too_many_arguments)] // Called from one place, which has each by name.
    pub(super) fn new(
        fabric: Fabric,
        name: String,
        source: SourceId,
        registration: RegistrationFile,
        writer: IngressWriter,
        payload: Words,
        schemas: Vec<MessageSchema>,
        message_limit: usize,
        stamp: StampEvery,
    ) -> Self {
        let stamps = Stamps::one_in(stamp.alone);
        Producer {
            payload_ring: PayloadRing::new(
                payload.count() as u64 * 8,
                writer.shape().capacity() as usize,
            ),
            inline_bytes: fabric.control().inline_bytes(),
            stamps,
            stamps_in_runs: Stamps::one_in(stamp.in_runs),
            stamp_due: stamps.from(writer.next()),
            ticks: fabric.control().tick_source(),
            // What the first message will most likely be: not even that one is looked up.
            checked: schemas
                .first()
                .map_or(0, |schema| kind(schema.message_type, schema.size as usize)),
            topic: 0,
            writer,
            payload,
            message_limit,
            source,
            schemas,
            registration,
            fabric,
            name,
            idle: IdleStrategy::default(),
        }
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The source's number in frame headers.
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// The fabric.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The source sequence of the next message. After a crash: one more than the last message of
    /// this source that was sequenced, which is where to go on.
    pub fn next_source_sequence(&self) -> u64 {
        self.writer.next()
    }

    /// Sets the topic of the messages that follow; 0 at first.
    pub fn set_topic(&mut self, topic: TopicId) {
        self.topic = topic;
    }

    /// The topic of the messages that follow.
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    /// Sets how waiting calls wait; [`IdleStrategy::Pause`] at first.
    pub fn set_idle_strategy(&mut self, idle: IdleStrategy) {
        self.idle = idle;
    }

    /// The longest message that can be sent, in bytes.
    pub fn message_limit(&self) -> usize {
        self.message_limit
    }

    /// Claims the next slot for a message of type `M`, without waiting.
    ///
    /// The message is whatever was in the memory before until it is written; committing sends it,
    /// dropping the claim sends nothing.
    #[inline]
    pub fn try_claim<M: Message>(&mut self) -> Result<Claim<'_, M>, ClaimError> {
        let (position, pointer) = self.reserve(M::TYPE, size_of::<M>())?;
        Ok(Claim {
            // SAFETY: `reserve` gives memory of at least that size, aligned to eight bytes (a
            // message's alignment is at most that), which nobody reads before it is published
            // and only this producer writes; any bytes are a valid `M`.
            message: unsafe { &mut *pointer.cast::<M>() },
            tail: ClaimTail {
                descriptor: FrameHeader::descriptor_word(
                    M::TYPE,
                    self.topic,
                    size_of::<M>(),
                    external(position),
                ),
                length: size_of::<M>(),
                position,
            },
            producer: self as *mut Producer,
        })
    }

    /// Claims the next slot for `length` bytes of type `message_type`, without waiting.
    #[inline]
    pub fn try_claim_bytes(
        &mut self,
        message_type: MessageType,
        length: usize,
    ) -> Result<ClaimBytes<'_>, ClaimError> {
        let (position, pointer) = self.reserve(message_type, length)?;
        Ok(ClaimBytes {
            // SAFETY: `reserve` gives memory of that size, which nobody reads before it is
            // published and only this producer writes.
            bytes: unsafe { std::slice::from_raw_parts_mut(pointer, length) },
            tail: ClaimTail {
                descriptor: FrameHeader::descriptor_word(
                    message_type,
                    self.topic,
                    length,
                    external(position),
                ),
                length,
                position,
            },
            producer: self as *mut Producer,
        })
    }

    /// Memory for a message: where, and in which place of the payload ring if not in the slot.
    #[inline(always)]
    fn reserve(
        &mut self,
        message_type: MessageType,
        length: usize,
    ) -> Result<(Option<u64>, *mut u8), ClaimError> {
        if kind(message_type, length) != self.checked {
            self.check_type(message_type, length)?;
        }
        if self.writer.room() == 0 && !self.make_room() {
            return Err(ClaimError::Full);
        }
        if length > self.inline_bytes {
            return self.reserve_external(length);
        }
        let slot = self.writer.slot(0) + INGRESS_HEADER_WORDS;
        // SAFETY: a slot of the ring plus its header is inside the ring's words.
        Ok((None, unsafe { self.writer.words().pointer(slot) }))
    }

    #[cold]
    fn check_type(&mut self, message_type: MessageType, length: usize) -> Result<(), ClaimError> {
        let schema = self
            .schemas
            .iter()
            .find(|schema| schema.message_type == message_type)
            .ok_or(ClaimError::NotRegistered)?;
        if schema.size != 0 && schema.size as usize != length {
            return Err(ClaimError::NotRegistered);
        }
        self.checked = kind(message_type, length);
        Ok(())
    }

    #[inline(never)]
    fn reserve_external(&mut self, length: usize) -> Result<(Option<u64>, *mut u8), ClaimError> {
        if length > self.message_limit {
            return Err(ClaimError::TooLarge);
        }
        let position = match self.payload_ring.place(length) {
            Some(position) => position,
            None => {
                self.make_room();
                self.payload_ring.place(length).ok_or(ClaimError::Full)?
            }
        };
        let offset = self.payload_ring.offset(position);
        // SAFETY: the payload ring's account keeps `offset + length` inside the ring.
        Ok((Some(position), unsafe { self.payload.pointer(offset / 8) }))
    }

    /// Asks how far the ring was consumed. Whether there is room now.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> bool {
        if let Some(consumed) = self.sequenced_now() {
            self.writer.grant(consumed);
            self.payload_ring.release_through(consumed);
        }
        self.writer.room() > 0
    }

    fn sequenced_now(&self) -> Option<u64> {
        consumed_in_current_epoch(self.fabric.epoch(), |epoch| {
            self.fabric.bank(epoch)?.consumed(self.source as usize)
        })
    }

    #[inline(always)]
    fn commit(&mut self, tail: ClaimTail) -> u64 {
        let source_sequence = self.writer.next();
        if let Some(position) = tail.position {
            self.commit_external(position, tail.length);
        }
        let ticks = if source_sequence >= self.stamp_due {
            self.stamp_due = self.stamps.from(source_sequence + 1);
            self.ticks.now()
        } else {
            0
        };
        crash_point!("publish.written");
        self.writer.describe(0, tail.descriptor, ticks);
        crash_point!("publish.described");
        self.writer.publish();
        crash_point!("publish.published");
        source_sequence
    }

    /// Keeps at hand what the next message will need, and sends nothing: for a producer that is
    /// silent for long and must be fast when it speaks.
    ///
    /// What nobody touches for some milliseconds leaves the caches, and on a virtual machine maybe
    /// the memory. A call writes to the slot of the next message without publishing it, and asks for
    /// the lines of that slot and the one behind it; it does not wait. One every 100 µs is enough,
    /// and more are a burden: each takes the line away from the sequencer, which looks at it, and has
    /// to fetch it again. The place of a long message in the payload ring is not touched.
    ///
    /// The sequencer and the readers grow cold, too: a message of any source, sent as often, keeps
    /// those warm. The code that sends stays warm where the same thread sends such a message by the
    /// same function.
    pub fn keep_warm(&mut self) {
        if self.writer.room() > 0 || self.make_room() {
            // Nobody reads a slot before it is published: a message writes over this.
            self.writer.describe(0, 0, 0);
            self.writer.expect(0);
            self.writer.expect(1);
        }
    }

    #[inline(never)]
    fn commit_external(&mut self, position: u64, length: usize) {
        self.payload_ring.take(position, length, self.writer.next());
        let slot = self.writer.slot(0) + INGRESS_HEADER_WORDS;
        // SAFETY: a slot of the ring plus its header is inside the ring's words.
        unsafe { self.writer.words().at(slot) }.store(position, crate::protocol::Ordering::Relaxed);
    }

    /// Sends a copy of `message`, without waiting. Returns its source sequence.
    #[inline]
    pub fn try_publish<M: Message>(&mut self, message: &M) -> Result<u64, ClaimError> {
        let mut claim = self.try_claim::<M>()?;
        *claim = *message;
        Ok(claim.commit())
    }

    /// Sends up to `count` messages, each written in place by `write`, which is given its number
    /// within this call; as far as there is room now. Returns how many were sent.
    ///
    /// They are published in groups of up to [`GROUP`](crate::protocol::ingress::GROUP), each when
    /// it is complete, the last when the call ends. Costs less for each message than claiming one
    /// by one. If `write` panics, the messages before the one at hand are sent and that one is not.
    // A function by itself: what its loop compiles to does not depend on who calls it.
    #[inline(never)]
    pub fn try_publish_run<M: Message>(
        &mut self,
        count: usize,
        mut write: impl FnMut(usize, &mut M),
    ) -> Result<usize, ClaimError> {
        let mut sent = 0;
        while sent < count {
            // One by one: what does not fit a slot, and what is alone, for which no line is asked for
            // ahead.
            if count == 1 || size_of::<M>() > self.inline_bytes {
                match self.try_claim::<M>() {
                    Ok(mut claim) => {
                        write(sent, &mut claim);
                        claim.commit();
                        sent += 1;
                        continue;
                    }
                    Err(ClaimError::Full) => break,
                    Err(error) => return Err(error),
                }
            }
            // Checks the type, asks for room.
            match self.reserve(M::TYPE, size_of::<M>()) {
                Ok(_) => {}
                Err(ClaimError::Full) => break,
                Err(error) => return Err(error),
            }
            let descriptor =
                FrameHeader::descriptor_word(M::TYPE, self.topic, size_of::<M>(), Flags::NONE);
            let (stamp_mask, stamp_place) = self.stamps_in_runs.in_call(self.writer.next());
            let source = self.ticks;
            let mut run = self.writer.run();
            while sent < count && run.room() > 0 {
                run.group(
                    (count - sent) as u64,
                    descriptor,
                    |slots, slot, source_sequence| {
                        // SAFETY: a slot of the ring plus its header is inside the ring's words. Nobody
                        // reads the slot before it is published and only this producer writes; the
                        // message fits (it was not reserved externally), is aligned to at most eight
                        // bytes, and any bytes are a valid `M`.
                        let message =
                            unsafe { &mut *slots.pointer(slot + INGRESS_HEADER_WORDS).cast::<M>() };
                        write(sent, message);
                        sent += 1;
                        if source_sequence & stamp_mask == stamp_place {
                            source.now()
                        } else {
                            0
                        }
                    },
                );
            }
        }
        Ok(sent)
    }

    /// Sends a copy of `bytes` as a message of type `message_type`, without waiting.
    #[inline]
    pub fn try_publish_bytes(
        &mut self,
        message_type: MessageType,
        bytes: &[u8],
    ) -> Result<u64, ClaimError> {
        let mut claim = self.try_claim_bytes(message_type, bytes.len())?;
        claim.copy_from_slice(bytes);
        Ok(claim.commit())
    }

    /// Sends a copy of `message`, waiting for room as long as it takes. Returns its source
    /// sequence. Inside a message handler it does not wait but fails.
    #[inline]
    pub fn publish<M: Message>(&mut self, message: &M) -> Result<u64> {
        match self.try_publish(message) {
            Ok(source_sequence) => Ok(source_sequence),
            Err(_) => self.publish_waiting(
                |producer| producer.try_publish(message),
                size_of::<M>(),
                M::TYPE,
            ),
        }
    }

    /// As [`Producer::publish`], for bytes.
    pub fn publish_bytes(&mut self, message_type: MessageType, bytes: &[u8]) -> Result<u64> {
        self.publish_waiting(
            |producer| producer.try_publish_bytes(message_type, bytes),
            bytes.len(),
            message_type,
        )
    }

    #[cold]
    fn publish_waiting(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<u64, ClaimError>,
        length: usize,
        message_type: MessageType,
    ) -> Result<u64> {
        let mut rounds = 0;
        loop {
            match attempt(self) {
                Ok(source_sequence) => return Ok(source_sequence),
                Err(ClaimError::Full) if inside_handler() => {
                    return Err(FabricError::WaitInsideHandler {
                        name: self.name.clone(),
                    });
                }
                Err(ClaimError::Full) => {
                    self.idle.idle(rounds);
                    rounds += 1;
                }
                Err(error) => return Err(self.explain(error, length, message_type)),
            }
        }
    }

    /// A hot-path refusal in words.
    pub fn explain(
        &self,
        error: ClaimError,
        length: usize,
        message_type: MessageType,
    ) -> FabricError {
        match error {
            ClaimError::Full => FabricError::RingFull {
                name: self.name.clone(),
                capacity: self.writer.shape().capacity(),
            },
            ClaimError::TooLarge => FabricError::MessageTooLarge {
                length,
                limit: self.message_limit,
            },
            ClaimError::NotRegistered => FabricError::NotRegistered {
                name: self.name.clone(),
                message_type,
            },
        }
    }

    /// The source sequence of the last message of this producer that is in the stream, as far as
    /// the current sequencer has said; everything up to it is sequenced.
    pub fn sequenced(&self) -> Option<u64> {
        self.sequenced_now()
    }

    /// Waits until message `source_sequence` is in the stream and returns its place in the total
    /// order.
    ///
    /// To be asked soon: the answer is looked up in the ring, and fails once the frame has been
    /// overwritten. Inside a message handler it does not wait but fails.
    pub fn wait_sequenced(&self, source_sequence: u64, timeout: Duration) -> Result<u64> {
        let started = Instant::now();
        let mut rounds = 0;
        while self
            .sequenced_now()
            .is_none_or(|sequenced| sequenced < source_sequence)
        {
            if inside_handler() {
                return Err(FabricError::WaitInsideHandler {
                    name: self.name.clone(),
                });
            }
            if started.elapsed() >= timeout {
                return Err(FabricError::TimedOut {
                    what: format!(
                        "sequencing message {source_sequence} of source `{}`",
                        self.name
                    ),
                    waited_ms: timeout.as_millis() as u64,
                    remedy: "is a sequencer running, and does a gating consumer hold the stream?",
                });
            }
            self.idle.idle(rounds);
            rounds += 1;
        }
        self.fabric.find_message(self.source, source_sequence)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.registration.set_detached();
    }
}

/// What of a message is checked against the registration, in one word.
#[inline(always)]
fn kind(message_type: MessageType, length: usize) -> u64 {
    (message_type as u64) << 48 | length as u64
}

#[inline(always)]
fn external(position: Option<u64>) -> Flags {
    if position.is_some() {
        Flags::EXTERNAL
    } else {
        Flags::NONE
    }
}

/// What a commit needs besides the message.
#[derive(Clone, Copy, Debug)]
struct ClaimTail {
    descriptor: u64,
    length: usize,
    position: Option<u64>,
}

/// A claimed slot, seen as the message to be.
#[derive(Debug)]
pub struct Claim<'a, M: Message> {
    message: &'a mut M,
    producer: *mut Producer,
    tail: ClaimTail,
}

impl<M: Message> Claim<'_, M> {
    /// Sends the message. Returns its source sequence.
    #[inline(always)]
    pub fn commit(self) -> u64 {
        // SAFETY: the claim borrows the producer mutably for its lifetime, so nobody else uses
        // it; `message` points into shared memory, not into the producer.
        unsafe { (*self.producer).commit(self.tail) }
    }

    /// Sends nothing; the same as dropping the claim.
    pub fn abort(self) {}
}

impl<M: Message> Deref for Claim<'_, M> {
    type Target = M;

    #[inline(always)]
    fn deref(&self) -> &M {
        self.message
    }
}

impl<M: Message> DerefMut for Claim<'_, M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut M {
        self.message
    }
}

/// A claimed slot, seen as bytes.
#[derive(Debug)]
pub struct ClaimBytes<'a> {
    bytes: &'a mut [u8],
    producer: *mut Producer,
    tail: ClaimTail,
}

impl ClaimBytes<'_> {
    /// Sends the bytes. Returns their source sequence.
    #[inline(always)]
    pub fn commit(self) -> u64 {
        // SAFETY: as for `Claim::commit`.
        unsafe { (*self.producer).commit(self.tail) }
    }

    /// Sends nothing; the same as dropping the claim.
    pub fn abort(self) {}
}

impl Deref for ClaimBytes<'_> {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for ClaimBytes<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

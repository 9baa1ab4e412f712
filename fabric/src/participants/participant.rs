//! Who reads the stream and writes into it: a strategy, a gateway.
//!
//! If such a one waited for room in its ring while it handles a frame, the stream could not move,
//! the sequencer could not take anything from the ring, and both would stand still for ever. So a
//! participant never waits: what finds no room it keeps, in order, and sends before anything
//! newer.

use super::consumer::Consumer;
use super::frame::Frame;
use super::producer::Producer;
use crate::error::{ClaimError, FabricError, Result};
use crate::frame::{MessageType, TopicId};
use crate::message::Message;
use std::collections::VecDeque;

/// Bytes of pending output unless said otherwise: 16 MiB.
const DEFAULT_PENDING_LIMIT: usize = 16 << 20;

/// A gating consumer and a producer in one, with its pending output.
#[derive(Debug)]
pub struct Participant {
    consumer: Consumer,
    output: Output,
}

/// Where a handler sends to: a call never waits.
#[derive(Debug)]
pub struct Output {
    producer: Producer,
    waiting: VecDeque<Waiting>,
    bytes: VecDeque<u8>,
    scratch: Vec<u8>,
    limit: usize,
    sent: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    message_type: MessageType,
    topic: TopicId,
    length: usize,
}

impl Participant {
    /// A participant from its two halves.
    pub fn new(consumer: Consumer, producer: Producer) -> Self {
        Participant {
            consumer,
            output: Output {
                scratch: Vec::with_capacity(producer.message_limit()),
                producer,
                waiting: VecDeque::with_capacity(4096),
                bytes: VecDeque::with_capacity(256 * 1024),
                limit: DEFAULT_PENDING_LIMIT,
                sent: 0,
            },
        }
    }

    /// Sets how many bytes of output may wait. At the limit [`Output::send`] fails and nothing of
    /// what waits is lost.
    pub fn pending_limit(mut self, bytes: usize) -> Self {
        self.output.limit = bytes;
        self
    }

    /// The reading half.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// The writing half.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Sends what waits, as far as there is room, then hands up to `limit` frames to `handler`.
    /// Returns how many frames and sent messages that were.
    pub fn poll(
        &mut self,
        limit: usize,
        mut handler: impl FnMut(&Frame<'_>, &mut Output),
    ) -> Result<usize> {
        let flushed = self.output.flush()?;
        let output = &mut self.output;
        let read = self.consumer.poll(limit, |frame| handler(frame, output))?;
        Ok(flushed + read)
    }

    /// Detaches both halves, unless output still waits: then they come back with the error.
    pub fn detach(mut self) -> Result<(), (Box<Self>, FabricError)> {
        match self.output.flush() {
            Ok(_) if self.output.waiting.is_empty() => Ok(()),
            Ok(_) => {
                let error = FabricError::PendingFull {
                    name: self.output.producer.name().to_owned(),
                    pending: self.output.bytes.len(),
                };
                Err((Box::new(self), error))
            }
            Err(error) => Err((Box::new(self), error)),
        }
    }
}

impl Output {
    /// The producer, for what does not concern sending.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Keeps at hand what the next message will need, as [`Producer::keep_warm`]: for a strategy
    /// that reads much and seldom sends.
    pub fn keep_warm(&mut self) {
        self.producer.keep_warm();
    }

    /// Messages accepted so far, sent or waiting.
    pub fn accepted(&self) -> u64 {
        self.sent + self.waiting.len() as u64
    }

    /// Messages that wait for room.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Sets the topic of the messages that follow.
    pub fn set_topic(&mut self, topic: TopicId) {
        self.producer.set_topic(topic);
    }

    /// Sends `message`, now or as soon as there is room, after everything sent before.
    #[inline]
    pub fn send<M: Message>(&mut self, message: &M) -> Result<()> {
        if self.waiting.is_empty() {
            match self.producer.try_publish(message) {
                Ok(_) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err(ClaimError::Full) => {}
                Err(error) => {
                    return Err(self.producer.explain(error, size_of::<M>(), M::TYPE));
                }
            }
        }
        self.keep(M::TYPE, message.as_bytes())
    }

    #[cold]
    fn keep(&mut self, message_type: MessageType, bytes: &[u8]) -> Result<()> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(FabricError::PendingFull {
                name: self.producer.name().to_owned(),
                pending: self.bytes.len(),
            });
        }
        self.waiting.push_back(Waiting {
            message_type,
            topic: self.producer.topic(),
            length: bytes.len(),
        });
        self.bytes.extend(bytes);
        Ok(())
    }

    /// Sends what waits, as far as there is room. Returns how many messages.
    #[inline]
    pub fn flush(&mut self) -> Result<usize> {
        if self.waiting.is_empty() {
            return Ok(0);
        }
        self.flush_waiting()
    }

    #[cold]
    fn flush_waiting(&mut self) -> Result<usize> {
        let mut sent = 0;
        let topic = self.producer.topic();
        while let Some(&next) = self.waiting.front() {
            self.scratch.clear();
            self.scratch.extend(self.bytes.iter().take(next.length));
            self.producer.set_topic(next.topic);
            let attempt = self
                .producer
                .try_publish_bytes(next.message_type, &self.scratch);
            self.producer.set_topic(topic);
            match attempt {
                Ok(_) => {}
                Err(ClaimError::Full) => break,
                Err(error) => {
                    return Err(self.producer.explain(error, next.length, next.message_type));
                }
            }
            self.waiting.pop_front();
            self.bytes.drain(..next.length);
            self.sent += 1;
            sent += 1;
        }
        Ok(sent)
    }
}

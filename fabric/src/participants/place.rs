//! A reader's place in the stream, across epochs.

use super::frame::Frame;
use super::payload_ring::checked_offset;
use crate::error::{FabricError, Result};
use crate::fabric::Fabric;
use crate::frame::{Flags, FrameHeader};
use crate::protocol::epoch::{EpochWord, Owner};
use crate::protocol::ingress::RingShape;
use crate::protocol::stream::{FRAME_HEADER_WORDS, Ready, StreamReader};
use crate::protocol::{Ordering, View, Words};
use crate::shared::bank::Bank;

/// Where a reader stands: a ring, the payload ring beside it, and the way to the next epoch.
#[derive(Debug)]
pub(super) struct Place {
    fabric: Fabric,
    reader: StreamReader,
    payload: Words,
    payload_bytes: u64,
    inline_bytes: usize,
}

impl Place {
    /// A place at `sequence`, which must be in the rings or the next to be published.
    pub(super) fn new(fabric: &Fabric, sequence: u64) -> Result<Self> {
        let unavailable = || FabricError::SequenceNotAvailable {
            sequence,
            oldest: fabric.oldest_sequence(),
            newest: fabric.next_sequence().saturating_sub(1),
        };
        let Owner::Found(span) = fabric.owner_of(sequence) else {
            return Err(unavailable());
        };
        let reader = fabric.reader_in(span, sequence).ok_or_else(unavailable)?;
        let bank = fabric.bank(span.epoch).ok_or_else(unavailable)?;
        Ok(Place {
            payload: bank.payload().clone(),
            payload_bytes: fabric.control().stream_payload_bytes,
            inline_bytes: fabric.control().inline_bytes(),
            reader,
            fabric: fabric.clone(),
        })
    }

    #[inline(always)]
    pub(super) fn reader(&self) -> &StreamReader {
        &self.reader
    }

    pub(super) fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    pub(super) fn payload(&self) -> &Words {
        &self.payload
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    #[inline(always)]
    pub(super) fn next(&self) -> u64 {
        self.reader.next()
    }

    #[inline(always)]
    pub(super) fn advance(&mut self, count: u64) {
        self.reader.advance(count);
    }

    pub(super) fn bank(&self) -> Option<&Bank> {
        self.fabric.bank(self.reader.epoch())
    }

    /// How many frames may be read now, at most `limit`. Follows the stream into the next epoch
    /// where this one has ended.
    #[inline(always)]
    pub(super) fn ready(&mut self, limit: u64) -> Result<u64> {
        match self.reader.ready(limit, self.fabric.epoch()) {
            Ready::Frames(count) => Ok(count),
            Ready::Nothing => Ok(0),
            Ready::EpochMoved => self.follow(limit),
        }
    }

    #[cold]
    fn follow(&mut self, limit: u64) -> Result<u64> {
        match self.fabric.owner_of(self.next()) {
            Owner::Found(span) if span.epoch == self.reader.epoch() => {
                if let Some(closed_at) = span.closed_at {
                    self.reader.close_at(closed_at);
                }
            }
            Owner::Found(span) => self.enter(span.epoch, span.closed_at)?,
            // A successor is about to open.
            Owner::NotOpen => return Ok(0),
            Owner::Gone { oldest } => {
                return Err(FabricError::Overrun {
                    from: self.next(),
                    to: oldest.saturating_sub(1).max(self.next()),
                });
            }
        }
        Ok(match self.reader.ready(limit, self.fabric.epoch()) {
            Ready::Frames(count) => count,
            // Moved again already: the next call follows.
            Ready::Nothing | Ready::EpochMoved => 0,
        })
    }

    fn enter(&mut self, epoch: EpochWord, closed_at: Option<u64>) -> Result<()> {
        let sequence = self.next();
        let span = crate::protocol::epoch::Span {
            epoch,
            first_sequence: sequence,
            closed_at,
        };
        let entered = self
            .fabric
            .reader_in(span, sequence)
            .zip(self.fabric.bank(epoch));
        let Some((reader, bank)) = entered else {
            return Err(FabricError::Damaged {
                path: self.fabric.paths().bank_state(epoch.bank()),
                what: "bank",
                detail: format!("epoch {} cannot be mapped", epoch.epoch()),
            });
        };
        self.payload = bank.payload().clone();
        self.reader = reader;
        Ok(())
    }

    /// Goes to `sequence`, in whichever epoch holds it.
    pub(super) fn go_to(&mut self, sequence: u64) -> Result<()> {
        *self = Place::new(&self.fabric, sequence)?;
        Ok(())
    }

    /// The frames from here on, with everything at hand in registers.
    #[inline(always)]
    pub(super) fn run(&self) -> Run<'_> {
        Run {
            slots: self.reader.words().view(),
            shape: self.reader.shape(),
            next: self.reader.next(),
            payload: self.payload.view(),
            payload_bytes: self.payload_bytes,
            inline_bytes: self.inline_bytes,
        }
    }
}

/// See [`Place::run`].
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    slots: View<'a>,
    shape: RingShape,
    next: u64,
    payload: View<'a>,
    payload_bytes: u64,
    inline_bytes: usize,
}

impl<'a> Run<'a> {
    /// The frame `ahead` places on, in place.
    ///
    /// # Safety
    ///
    /// The frame must be published ([`Place::ready`]) and its sequence held by a gating cursor
    /// while the result is used.
    #[inline(always)]
    pub(super) unsafe fn frame(self, ahead: u64) -> Frame<'a> {
        let slot = self.shape.slot(self.next + ahead);
        // SAFETY: a masked slot index plus an index below the header's size; the reader checked
        // that every slot lies inside the words.
        let word = |index: usize| unsafe { self.slots.at(slot + index) }.load(Ordering::Relaxed);
        let header = FrameHeader::from_words([word(0), word(1), word(2), word(3)]);
        let length = header.length();
        let payload = if header.flags().contains(Flags::EXTERNAL) {
            match checked_offset(word(FRAME_HEADER_WORDS), length, self.payload_bytes) {
                // SAFETY: the range was checked to lie inside the payload ring; nobody writes it
                // while the caller's cursor holds the frame.
                Some(offset) => unsafe {
                    std::slice::from_raw_parts(self.payload.pointer(offset / 8), length)
                },
                // Only a sequencer that writes rubbish gets here.
                None => &[],
            }
        } else {
            // SAFETY: the slot lies inside the ring, and the length is cut to the slot's payload;
            // nobody writes it while the caller's cursor holds the frame.
            unsafe {
                std::slice::from_raw_parts(
                    self.slots.pointer(slot + FRAME_HEADER_WORDS),
                    length.min(self.inline_bytes),
                )
            }
        };
        Frame::new(header, payload)
    }
}

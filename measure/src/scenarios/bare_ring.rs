//! One producer's ingress ring, read without a sequencer in between.

use super::messages::{BYTES_TYPE, Line, sum_words};
use crate::error::{MeasureError, Result};
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::memory::{Access, Mapping};
use selvedge_fabric::message::Message;
use selvedge_fabric::protocol::epoch::EpochWord;
use selvedge_fabric::protocol::ingress::{
    Consumed, INGRESS_HEADER_WORDS, IngressReader, READ_AHEAD, RingShape,
};
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_fabric::shared::paths::source_ring;
use selvedge_fabric::shared::registration::RegistrationFile;
use selvedge_fabric::{Fabric, checked_offset};

/// The sequencer's view of one ring, with the sequencer's checks but without its stream: the
/// publication word is awaited, the descriptor compared with what is allowed, the payload read in
/// place, and what was consumed is said once a run.
#[derive(Debug)]
pub struct BareRing {
    reader: IngressReader,
    payload: Words,
    payload_bytes: u64,
    consumed: Consumed,
    epoch: EpochWord,
}

impl BareRing {
    /// The ring of the admitted producer `name`. The sequencer that admitted it must be gone:
    /// two readers of one ring would both say what is consumed.
    pub fn open(fabric: &Fabric, name: &str) -> Result<Self> {
        let missing = |what: &str| MeasureError::Host(format!("source `{name}` has no {what}"));
        let path = fabric
            .registrations_of(name)
            .pop()
            .ok_or_else(|| missing("registration"))?;
        let file = RegistrationFile::open(&path, Access::Read)?;
        let registration = file.read().map_err(MeasureError::Host)?;
        let ring = Mapping::open(
            &source_ring(&fabric.ring_directory(), name, registration.nonce),
            Access::Read,
        )?;
        let control = fabric.control();
        let slots_offset = registration.slots_offset as usize;
        let slot_bytes = registration.capacity as usize * control.slot_bytes as usize;
        let slots = ring.words(slots_offset, slot_bytes)?;
        let payload = ring.words(
            slots_offset + slot_bytes,
            registration.payload_bytes as usize,
        )?;
        let epoch = fabric.epoch().load();
        let bank = fabric.bank_for_sequencer(epoch.bank())?;
        let (id, entry) = bank
            .find_source(registration.nonce)
            .ok_or_else(|| missing("entry in the registry"))?;
        let reader = RingShape::new(registration.capacity, control.slot_words())
            .and_then(|shape| IngressReader::new(slots, shape, entry.next_source_sequence))
            .ok_or_else(|| missing("ring of a possible shape"))?;
        Ok(BareRing {
            reader,
            payload,
            payload_bytes: registration.payload_bytes,
            consumed: bank
                .consumed(id)
                .ok_or_else(|| missing("consumed position"))?
                .clone(),
            epoch,
        })
    }

    /// Reads at most `limit` lines that are there, word by word from their slots, and hands each to
    /// `handler` with the sum of its slot's header words. Returns how many.
    #[inline(always)]
    pub fn take_lines(
        &mut self,
        limit: usize,
        mut handler: impl FnMut(&Line, u64),
    ) -> Result<usize> {
        let expected = FrameHeader::descriptor_word(Line::TYPE, 0, size_of::<Line>(), Flags::NONE);
        let mut taken = 0;
        let mut run = self.reader.run();
        while taken < limit && run.ready(0) {
            if taken > 0 {
                run.expect(READ_AHEAD);
            }
            let slot = run.slot(0);
            // SAFETY: a slot has a descriptor and, behind it, room for a `Line`.
            let word = |index: usize| unsafe { slot.at(index) }.load(Ordering::Relaxed);
            let descriptor = word(1);
            if descriptor != expected {
                return Err(unexpected(descriptor, expected));
            }
            let word = |index: usize| word(INGRESS_HEADER_WORDS + index);
            let line = Line {
                number: word(0),
                planned: word(1),
                complement: word(2),
                multiple: word(3),
            };
            let header = run.next().wrapping_add(descriptor);
            handler(&line, header);
            run.advance(1);
            taken += 1;
        }
        drop(run);
        if taken > 0 {
            self.consumed.store(self.epoch, self.reader.next() - 1);
        }
        Ok(taken)
    }

    /// Hands at most `limit` messages of `size` bytes that are there, in place in the payload
    /// ring, to `handler`. Returns how many.
    pub fn take_bytes(
        &mut self,
        limit: usize,
        size: usize,
        mut handler: impl FnMut(&[u8]),
    ) -> Result<usize> {
        let expected = FrameHeader::descriptor_word(BYTES_TYPE, 0, size, Flags::EXTERNAL);
        let mut taken = 0;
        while taken < limit && self.reader.ready() {
            let descriptor = self.reader.word(1);
            if descriptor != expected {
                return Err(unexpected(descriptor, expected));
            }
            let position = self.reader.word(INGRESS_HEADER_WORDS);
            let Some(offset) = checked_offset(position, size, self.payload_bytes) else {
                return Err(MeasureError::Wrong {
                    what: "payload position",
                    got: position,
                    expected: self.payload_bytes,
                });
            };
            // SAFETY: the range was checked to lie in the payload ring, which stays mapped with
            // `self.payload`; the producer of this measurement does not write there before
            // `consumed` says so.
            let bytes = unsafe {
                std::slice::from_raw_parts(self.payload.pointer(offset / 8).cast_const(), size)
            };
            handler(bytes);
            self.reader.advance();
            taken += 1;
            // Said for each: a payload ring holds few long messages.
            self.consumed.store(self.epoch, self.reader.next() - 1);
        }
        Ok(taken)
    }

    /// Adds up all words of at most `limit` messages of `size` bytes that are there. Returns how
    /// many, and the sum.
    pub fn take_payloads(&mut self, limit: usize, size: usize) -> Result<(usize, u64)> {
        let mut sum = 0u64;
        let taken = self.take_bytes(limit, size, |bytes| {
            sum = sum.wrapping_add(sum_words(bytes));
        })?;
        Ok((taken, sum))
    }
}

#[cold]
fn unexpected(got: u64, expected: u64) -> MeasureError {
    MeasureError::Wrong {
        what: "descriptor",
        got,
        expected,
    }
}

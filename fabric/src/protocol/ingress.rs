//! One producer to the sequencer: a ring of fixed slots.
//!
//! Slot layout, in 64-bit words (the slot's size is a power of two of at least eight words):
//!
//! | word | what |
//! |---|---|
//! | 0 | publication word: the source sequence of the message in the slot, stored last |
//! | 1 | descriptor: length, flags, type, topic, as in a frame header |
//! | 2.. | payload in place, or for an external payload its position in the payload ring |
//! | last | time at which the producer published, in clock ticks; 0: not taken |
//!
//! Source sequence `s` lies in slot `s mod capacity`, so a payload byte is never where a
//! publication word could be, and the sequencer knows exactly which word to wait for: the slot is
//! published when its word equals the source sequence expected next.
//!
//! The producer may write source sequence `s` once `s - capacity` is consumed. How far that is the
//! sequencer says in its own memory ([`Consumed`]); the producer reads it only when its cached
//! room is used up.

use super::LINE_WORDS;
use super::epoch::{EpochCell, EpochWord};
use super::ordering::{SyncPoint, acquire, epoch_check_fence, release};
use super::sync::Ordering;
use super::words::{View, Words};
use crate::frame::{MAX_EPOCH_TAG, MAX_SEQUENCE};

/// Words of the header of an ingress slot.
pub const INGRESS_HEADER_WORDS: usize = 2;

/// The shape of a ring of slots: capacity and slot size are powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingShape {
    mask: u64,
    slot_shift: u32,
}

impl RingShape {
    /// A ring of `capacity` slots of `slot_words` words, or `None` unless both are powers of two
    /// (and at least 2 and 4).
    pub const fn new(capacity: u64, slot_words: usize) -> Option<Self> {
        if !capacity.is_power_of_two()
            || capacity < 2
            || !slot_words.is_power_of_two()
            || slot_words < 4
        {
            return None;
        }
        Some(RingShape {
            mask: capacity - 1,
            slot_shift: slot_words.trailing_zeros(),
        })
    }

    /// Slots in the ring.
    #[inline(always)]
    pub const fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Words in a slot.
    #[inline(always)]
    pub const fn slot_words(&self) -> usize {
        1 << self.slot_shift
    }

    /// Words in the ring.
    pub const fn words(&self) -> usize {
        (self.capacity() as usize) << self.slot_shift
    }

    /// Index of the first word of the slot of `sequence`.
    #[inline(always)]
    pub const fn slot(&self, sequence: u64) -> usize {
        ((sequence & self.mask) as usize) << self.slot_shift
    }

    /// Whether `words` is large enough for the ring: what makes masked indices safe.
    pub fn fits(&self, words: &Words) -> bool {
        words.count() >= self.words()
    }
}

/// The producer's side of an ingress ring.
#[derive(Debug)]
pub struct IngressWriter {
    slots: Words,
    shape: RingShape,
    next: u64,
    limit: u64,
}

impl IngressWriter {
    /// A writer whose next message has source sequence `next`; everything before is consumed.
    /// `None` where the words do not hold the ring.
    pub fn new(slots: Words, shape: RingShape, next: u64) -> Option<Self> {
        shape.fits(&slots).then_some(IngressWriter {
            slots,
            shape,
            next,
            limit: next + shape.capacity(),
        })
    }

    /// The source sequence of the message that will be published next.
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many messages may be written before room must be asked for again.
    #[inline(always)]
    pub fn room(&self) -> u64 {
        self.limit - self.next
    }

    /// Takes note that everything up to and including `consumed` has been consumed. A value
    /// beyond what was published is ignored: the sequencer never says that.
    pub fn grant(&mut self, consumed: u64) {
        if consumed < self.next {
            self.limit = self.limit.max(consumed + 1 + self.shape.capacity());
        }
    }

    /// Index of the first word of the slot `ahead` places after the next.
    ///
    /// It may be written while `ahead <` [`IngressWriter::room`].
    #[inline(always)]
    pub fn slot(&self, ahead: u64) -> usize {
        self.shape.slot(self.next + ahead)
    }

    /// The ring's words.
    #[inline(always)]
    pub fn words(&self) -> &Words {
        &self.slots
    }

    /// The ring's shape.
    #[inline(always)]
    pub fn shape(&self) -> RingShape {
        self.shape
    }

    /// Writes the descriptor of the message in the slot `ahead` places after the next.
    #[inline(always)]
    pub fn describe(&mut self, ahead: u64, descriptor: u64, ticks: u64) {
        let slot = self.slot(ahead);
        // SAFETY: `slot` is the masked index of a slot's first word, and `new` checked that every
        // slot lies inside the words.
        unsafe {
            self.slots.at(slot + 1).store(descriptor, Ordering::Relaxed);
            self.slots
                .at(slot + self.shape.slot_words() - 1)
                .store(ticks, Ordering::Relaxed);
        }
    }

    /// Asks for the lines of the slot `ahead` places after the next, to be written soon.
    #[inline]
    pub fn expect(&self, ahead: u64) {
        let slot = self.slot(ahead);
        for word in (0..self.shape.slot_words()).step_by(LINE_WORDS) {
            // SAFETY: as in `describe`.
            unsafe { self.slots.view().expect_write(slot + word) };
        }
    }

    /// Publishes the next message: everything written to its slot before is visible to the
    /// sequencer once it sees the word.
    #[inline(always)]
    pub fn publish(&mut self) {
        debug_assert!(self.room() > 0);
        let slot = self.slot(0);
        // SAFETY: as in `describe`.
        let word = unsafe { self.slots.at(slot) };
        // Pairs with the acquire in `IngressReader::ready`.
        word.store(self.next, release(SyncPoint::IngressPublish));
        self.next += 1;
    }
}

/// The most messages that are published at once.
///
/// A reader that has caught up waits for the first word of the group. The lines of the others are
/// the writer's own until they are complete, so no reader takes them away half written.
#[cfg(not(loom))]
pub const GROUP: u64 = 16;

/// In a model: the fewest that are published as a whole group is.
#[cfg(loom)]
pub const GROUP: u64 = 2;

/// How many places ahead of the message being written in a run lines are asked for.
pub const AHEAD: u64 = 16;

/// How many places ahead of the message being read in a run lines are asked for.
pub const READ_AHEAD: u64 = 32;

impl IngressWriter {
    /// Publishes a run of messages with everything at hand in registers.
    #[inline(always)]
    pub fn run(&mut self) -> WriteRun<'_> {
        WriteRun {
            slots: self.slots.view(),
            shape: self.shape,
            slot: self.shape.slot(self.next),
            published: self.next,
            next: self.next,
            limit: self.limit,
            place: &mut self.next,
        }
    }
}

/// See [`IngressWriter::run`]. When it is dropped, what is written is published, and the writer
/// learns how far it came.
#[derive(Debug)]
pub struct WriteRun<'a> {
    slots: View<'a>,
    shape: RingShape,
    /// Index of the first word of the next slot; inside a group, once the ring's last slot is
    /// written, the count of the ring's words.
    slot: usize,
    published: u64,
    next: u64,
    limit: u64,
    place: &'a mut u64,
}

impl<'a> WriteRun<'a> {
    /// How many messages may still be written.
    #[inline(always)]
    pub fn room(&self) -> u64 {
        self.limit - self.next
    }

    /// Writes and publishes a group of at most `most` messages: no more than [`GROUP`], no more
    /// than there is room for, and none beyond the ring's end. Returns how many.
    ///
    /// All have the same `descriptor`. `write` is given the ring, the index of the slot's first
    /// word and the source sequence. It writes the payload and returns the ticks. If it panics, the
    /// messages before are published when the run is dropped.
    #[inline(always)]
    pub fn group(
        &mut self,
        most: u64,
        descriptor: u64,
        mut write: impl FnMut(&View<'a>, usize, u64) -> u64,
    ) -> u64 {
        let slots_left = (self.shape.words() - self.slot) >> self.shape.slot_shift;
        let count = GROUP.min(most).min(self.room()).min(slots_left as u64);
        let ahead = (AHEAD as usize) << self.shape.slot_shift;
        self.describe(count, descriptor);
        for _ in 0..count {
            let slot = self.slot;
            // SAFETY: a masked index; the writer's `new` checked that the ring lies inside the words.
            unsafe {
                self.slots
                    .expect_write((slot + ahead) & (self.shape.words() - 1));
            }
            let ticks = write(&self.slots, slot, self.next);
            // SAFETY: `slot` is the index of a slot's first word: masked when the run began, back at
            // 0 after the last slot, and not beyond the ring's end inside a group, by `slots_left`.
            // The offset stays below the slot's size; the writer's `new` checked that every slot
            // lies inside the words.
            unsafe {
                self.slots
                    .at(slot + self.shape.slot_words() - 1)
                    .store(ticks, Ordering::Relaxed);
            }
            self.next += 1;
            self.slot += self.shape.slot_words();
        }
        self.publish_last(count);
        count
    }

    /// Writes the descriptors of the next `count` messages before anything else of them.
    ///
    /// Stores go to memory in order, and the first one to a line that a reader has a copy of waits
    /// until that is called in. How many lines are called in meanwhile depends on how many lines the
    /// stores behind it are for: with one store for each line they are as many as can be. For
    /// processors on which a prefetch alone does not do it.
    #[inline(always)]
    fn describe(&mut self, count: u64, descriptor: u64) {
        let mut word = self.slot + 1;
        for _ in 0..count {
            // SAFETY: the second words of the slots that `group` is about to fill: as there.
            unsafe { self.slots.at(word) }.store(descriptor, Ordering::Relaxed);
            word += self.shape.slot_words();
        }
    }

    /// Publishes the last `count` messages, which are all that are not published; the last one
    /// first: who sees one sees all that follow it in the group.
    #[inline(always)]
    fn publish_last(&mut self, count: u64) {
        debug_assert!(count == self.next - self.published);
        if count == GROUP {
            // Apart, and in parts short enough for the compiler to unroll them.
            self.publish_back_from(0, GROUP / 2);
            self.publish_back_from(GROUP / 2, GROUP / 2);
        } else {
            self.publish_back_from(0, count);
        }
        self.published = self.next;
        if self.slot == self.shape.words() {
            self.slot = 0;
        }
    }

    /// Publishes `count` messages, the newest first, all but the newest `after`, which are published.
    #[inline(always)]
    fn publish_back_from(&mut self, after: u64, count: u64) {
        let mut slot = self.slot - ((after as usize) << self.shape.slot_shift);
        for back in after + 1..=after + count {
            slot -= self.shape.slot_words();
            // SAFETY: as in `group`; groups end where the ring ends, so the slots of this one lie
            // below `self.slot`.
            let word = unsafe { self.slots.at(slot) };
            // Pairs with the acquire in `IngressReader::ready`.
            word.store(self.next - back, release(SyncPoint::IngressPublish));
            crash_point!("publish.in_group");
        }
    }
}

impl Drop for WriteRun<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Something is left only where `write` has panicked.
        if self.next != self.published {
            self.publish_last(self.next - self.published);
        }
        *self.place = self.next;
    }
}

/// The sequencer's side of an ingress ring: reads memory that a hostile process may change at any
/// time, so each word is loaded once and checked by the caller.
#[derive(Debug)]
pub struct IngressReader {
    slots: Words,
    shape: RingShape,
    next: u64,
}

impl IngressReader {
    /// A reader that waits for source sequence `next`. `None` where the words do not hold the ring.
    pub fn new(slots: Words, shape: RingShape, next: u64) -> Option<Self> {
        shape
            .fits(&slots)
            .then_some(IngressReader { slots, shape, next })
    }

    /// The source sequence waited for.
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether the next message is published.
    #[inline(always)]
    pub fn ready(&self) -> bool {
        // SAFETY: a masked slot index; `new` checked that every slot lies inside the words.
        let word = unsafe { self.slots.at(self.shape.slot(self.next)) };
        // Pairs with the release in `IngressWriter::publish` and `WriteRun::group`.
        word.load(acquire(SyncPoint::IngressAcquire)) == self.next
    }

    /// Word `index` of the next message's slot. `index` is cut to the slot.
    #[inline(always)]
    pub fn word(&self, index: usize) -> u64 {
        let index = index & (self.shape.slot_words() - 1);
        // SAFETY: a masked slot index plus an index below the slot's size.
        unsafe { self.slots.at(self.shape.slot(self.next) + index) }.load(Ordering::Relaxed)
    }

    /// The slot of the next message: as many words as the ring's shape says, and those of the slots
    /// behind it.
    #[inline(always)]
    pub fn slot(&self) -> View<'_> {
        // SAFETY: a masked slot index; `new` checked that every slot lies inside the words.
        unsafe { self.slots.view().from(self.shape.slot(self.next)) }
    }

    /// The ring's shape.
    #[inline(always)]
    pub fn shape(&self) -> RingShape {
        self.shape
    }

    /// Goes on to the next message.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.next += 1;
    }

    /// Reads a run of messages with everything at hand in registers: nothing stored to the other
    /// ring meanwhile can make the compiler load it again.
    #[inline(always)]
    pub fn run(&mut self) -> IngressRun<'_> {
        IngressRun {
            slots: self.slots.view(),
            shape: self.shape,
            next: self.next,
            place: &mut self.next,
        }
    }
}

/// See [`IngressReader::run`]. The reader learns how far it came when the run is dropped.
#[derive(Debug)]
pub struct IngressRun<'a> {
    slots: View<'a>,
    shape: RingShape,
    next: u64,
    place: &'a mut u64,
}

impl<'a> IngressRun<'a> {
    /// The source sequence of the next message.
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether the message `ahead` places after the next is published.
    #[inline(always)]
    pub fn ready(&self, ahead: u64) -> bool {
        let sequence = self.next + ahead;
        // SAFETY: a masked slot index; the reader's `new` checked that every slot lies inside the
        // words.
        let word = unsafe { self.slots.at(self.shape.slot(sequence)) };
        // Pairs with the release in `IngressWriter::publish` and `WriteRun::group`.
        word.load(acquire(SyncPoint::IngressAcquire)) == sequence
    }

    /// The slot of the message `ahead` places after the next: as many words as the ring's shape
    /// says, and those of the slots behind it.
    #[inline(always)]
    pub fn slot(&self, ahead: u64) -> View<'a> {
        // SAFETY: a masked slot index; the reader's `new` checked that every slot lies inside the
        // words.
        unsafe { self.slots.from(self.shape.slot(self.next + ahead)) }
    }

    /// Asks for the line of the message `ahead` places after the next, to be read soon: within a run,
    /// so that the fetching of many lines overlaps. Not after a message that comes alone: its writer
    /// would have to call the line back in.
    #[inline(always)]
    pub fn expect(&self, ahead: u64) {
        // SAFETY: as in `slot`.
        unsafe {
            self.slots.expect_read(self.shape.slot(self.next + ahead));
        }
    }

    /// Goes `count` messages on.
    #[inline(always)]
    pub fn advance(&mut self, count: u64) {
        self.next += count;
    }
}

impl Drop for IngressRun<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.place = self.next;
    }
}

/// How far the sequencer of one epoch has consumed one source's ring: a word in that epoch's bank.
///
/// The word carries the low 16 bits of the epoch, so what an earlier use of the bank left behind
/// is never taken for an answer.
#[derive(Clone, Debug)]
pub struct Consumed {
    word: Words,
}

impl Consumed {
    /// The cell in the first of `word`'s words. `None` where there is none.
    pub fn new(word: Words) -> Option<Self> {
        (word.count() >= 1).then_some(Consumed { word })
    }

    /// Says that everything up to and including `source_sequence` is in the stream of `epoch`.
    #[inline(always)]
    pub fn store(&self, epoch: EpochWord, source_sequence: u64) {
        let value = epoch.tag() << 48 | (source_sequence & MAX_SEQUENCE);
        // SAFETY: `new` checked that there is a word.
        let word = unsafe { self.word.at(0) };
        // Pairs with the acquire in `load`: the sequencer has finished reading those slots, and
        // the frames that they became are published.
        word.store(value, release(SyncPoint::ConsumedRelease));
    }

    /// What was said, if it was said in `epoch`.
    #[inline(always)]
    pub fn load(&self, epoch: EpochWord) -> Option<u64> {
        // SAFETY: `new` checked that there is a word.
        let word = unsafe { self.word.at(0) };
        // Pairs with the release in `store`.
        let value = word.load(acquire(SyncPoint::ConsumedAcquire));
        (value >> 48 == epoch.tag() & MAX_EPOCH_TAG).then_some(value & MAX_SEQUENCE)
    }
}

/// Reads how far a ring was consumed so that the answer may be acted on: the epoch is re-read
/// after the position, or a sequencer that was already replaced could give slots free whose
/// messages never counted.
///
/// `cell` gives the source's cell in the bank of an epoch. `None`: nothing new is known now.
pub fn consumed_in_current_epoch<'a>(
    epoch: &EpochCell,
    cell: impl FnOnce(EpochWord) -> Option<&'a Consumed>,
) -> Option<u64> {
    let current = epoch.load();
    let consumed = cell(current)?.load(current)?;
    epoch_check_fence();
    (epoch.load() == current).then_some(consumed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_where_the_ring_begins_again() {
        const CAPACITY: u64 = 2 * GROUP;
        for first in 1..=2 * CAPACITY {
            for count in 1..=CAPACITY {
                let shape = RingShape::new(CAPACITY, 8).expect("powers of two");
                let slots = Words::private(shape.words());
                let mut writer =
                    IngressWriter::new(slots.clone(), shape, first).expect("they hold the ring");
                let mut run = writer.run();
                let mut left = count;
                while left > 0 {
                    left -= run.group(left, 100 * count, |_, slot, message| {
                        let payload = slots.get(slot + INGRESS_HEADER_WORDS).expect("inside");
                        payload.store(10 * message, Ordering::Relaxed);
                        1_000 * message
                    });
                }
                drop(run);
                assert_eq!(writer.next(), first + count);
                let mut reader =
                    IngressReader::new(slots, shape, first).expect("they hold the ring");
                for message in first..first + count {
                    assert!(reader.ready(), "{message} of {first} and {count}");
                    let words = [1, INGRESS_HEADER_WORDS, 7].map(|index| reader.word(index));
                    assert_eq!(words, [100 * count, 10 * message, 1_000 * message]);
                    reader.advance();
                }
                assert!(!reader.ready());
            }
        }
    }

    #[test]
    fn what_was_written_before_a_panic_is_sent_and_no_more() {
        let shape = RingShape::new(8, 8).expect("powers of two");
        let slots = Words::private(shape.words());
        let mut writer = IngressWriter::new(slots.clone(), shape, 1).expect("they hold the ring");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.run().group(5, 100, |_, _, message| {
                assert!(message < 3, "the third cannot be written");
                0
            });
        }));
        assert!(panicked.is_err());
        assert_eq!(writer.next(), 3);
        let mut reader = IngressReader::new(slots, shape, 1).expect("they hold the ring");
        for message in 1..3 {
            assert!(reader.ready());
            assert_eq!((reader.next(), reader.word(1)), (message, 100));
            reader.advance();
        }
        assert!(!reader.ready());
    }
}

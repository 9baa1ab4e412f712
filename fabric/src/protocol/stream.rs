//! The sequencer to its readers: a ring of fixed slots that holds the newest frames.
//!
//! Slot layout, in words: 0..4 the frame header (word 0, the publication word, is stored last),
//! 4.. the payload in place or, for an external payload, its position in the payload ring.
//!
//! Sequence `q` lies in slot `q mod capacity` and is published when the slot's word equals the
//! publication word of the epoch and `q`: readers poll that word, so a hop is one transfer of one
//! cache line.
//!
//! Two kinds of reader:
//!
//! - A **gating** reader reads in place. Its cursor holds the ring: the writer never overwrites
//!   what a cursor has not released ([`super::gating`]).
//! - A **copying** reader holds nobody. It copies with relaxed loads, then checks that what it
//!   copied was not overwritten meanwhile. For that the writer announces `overwritten_below`, the
//!   lowest sequence still intact, before it writes over anything below: one store every
//!   sixteenth of a lap, and a release fence that the readers' acquire fence pairs with. Payload
//!   ring positions have the same kind of bound.

use super::epoch::{EpochCell, EpochWord};
use super::ingress::{READ_AHEAD, RingShape};
use super::ordering::{SyncPoint, acquire, fence, release};
use super::sync::Ordering;
use super::words::{View, Words};
use crate::frame::{FrameHeader, MAX_SEQUENCE};

/// Words of a frame header.
pub const FRAME_HEADER_WORDS: usize = 4;

/// Where the writer announces what is being overwritten: word 0 the lowest intact sequence,
/// word 1 the lowest intact position in the payload ring.
#[derive(Clone, Debug)]
pub struct OverwriteBound {
    words: Words,
}

impl OverwriteBound {
    /// The bound in the first two of `words`. `None` where they are fewer.
    pub fn new(words: Words) -> Option<Self> {
        (words.count() >= 2).then_some(OverwriteBound { words })
    }

    fn at(&self, index: usize) -> &super::sync::AtomicU64 {
        debug_assert!(index < 2);
        // SAFETY: `new` checked that there are two words.
        unsafe { self.words.at(index) }
    }

    /// Announces that sequences below `lowest` are about to be overwritten.
    pub fn announce(&self, lowest: u64) {
        self.at(0).store(lowest, Ordering::Relaxed);
        // Pairs with the acquire fence in `intact_from`: who sees any later write to a slot sees
        // this bound.
        fence(SyncPoint::OverwriteRelease, Ordering::Release);
    }

    /// Announces that payload positions below `lowest` are about to be overwritten.
    pub fn announce_payload(&self, lowest: u64) {
        self.at(1).store(lowest, Ordering::Relaxed);
        // Pairs with the acquire fence in `payload_intact_from`.
        fence(SyncPoint::OverwriteRelease, Ordering::Release);
    }

    /// The lowest sequence whose slot was intact at every load before this call.
    #[inline(always)]
    pub fn intact_from(&self) -> u64 {
        // Pairs with the release fence in `announce`.
        fence(SyncPoint::OverwriteAcquire, Ordering::Acquire);
        self.at(0).load(Ordering::Relaxed)
    }

    /// The lowest payload position that was intact at every load before this call.
    #[inline(always)]
    pub fn payload_intact_from(&self) -> u64 {
        // Pairs with the release fence in `announce_payload`.
        fence(SyncPoint::OverwriteAcquire, Ordering::Acquire);
        self.at(1).load(Ordering::Relaxed)
    }
}

/// The sequencer's side of a stream ring, for one epoch.
#[derive(Debug)]
pub struct StreamWriter {
    slots: Words,
    shape: RingShape,
    epoch: EpochWord,
    bound: OverwriteBound,
    first: u64,
    next: u64,
    limit: u64,
    intact_from: u64,
    stride: u64,
}

impl StreamWriter {
    /// A writer that begins at `first` in a ring whose former content is void: the bound is
    /// announced before anything is written. `None` where the words do not hold the ring.
    pub fn new(
        slots: Words,
        shape: RingShape,
        epoch: EpochWord,
        bound: OverwriteBound,
        first: u64,
    ) -> Option<Self> {
        if !shape.fits(&slots) {
            return None;
        }
        bound.announce(first);
        Some(StreamWriter {
            slots,
            shape,
            epoch,
            bound,
            first,
            next: first,
            limit: first,
            intact_from: first,
            stride: (shape.capacity() / 16).max(1),
        })
    }

    /// The sequence of the frame that will be published next.
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The lowest sequence still intact in this ring.
    pub fn intact_from(&self) -> u64 {
        self.intact_from
    }

    /// The first sequence of this epoch.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The epoch that is written.
    #[inline(always)]
    pub fn epoch(&self) -> EpochWord {
        self.epoch
    }

    /// The ring's shape.
    pub fn shape(&self) -> RingShape {
        self.shape
    }

    /// How many frames may be published before [`StreamWriter::extend`] must be asked.
    #[inline(always)]
    pub fn room(&self) -> u64 {
        self.limit - self.next
    }

    /// Makes room: `lowest` is the lowest sequence that a gating consumer holds, `None` without
    /// gating consumers. Announces the next stride where the ring has come round.
    pub fn extend(&mut self, lowest: Option<u64>) {
        let capacity = self.shape.capacity();
        // What consumers hold below this epoch's first sequence lies in another bank.
        let held_from = lowest.map_or(u64::MAX - capacity, |lowest| lowest.max(self.first));
        let gate = held_from + capacity;
        if self.next < gate && self.next == self.intact_from + capacity {
            // Not beyond what is held: some of those who hold copy, and believe the bound.
            self.intact_from = (self.intact_from + self.stride).min(held_from);
            self.bound.announce(self.intact_from);
        }
        self.limit = gate.min(self.intact_from + capacity).max(self.next);
    }

    /// Takes back room that was given, so that a consumer that has just been admitted at
    /// `lowest` holds from now on.
    pub fn withdraw_room(&mut self) {
        self.limit = self.next;
    }

    /// Calls in the line of the next frame where there is room for it, for a writer that has
    /// something to do before it writes it: its reader looks at that line and has a copy. By a store
    /// to the time stamp, which counts for nothing before the frame is published: see
    /// `WriteRun::group`.
    #[inline(always)]
    pub fn expect_next(&self) {
        if self.room() > 0 {
            // SAFETY: a masked slot index; `new` checked that every slot lies inside the words.
            unsafe { self.slots.at(self.shape.slot(self.next) + 1) }.store(0, Ordering::Relaxed);
        }
    }

    /// Publishes a run of frames with everything at hand in registers.
    #[inline(always)]
    pub fn run(&mut self) -> StreamRun<'_> {
        StreamRun {
            slots: self.slots.view(),
            shape: self.shape,
            tag: FrameHeader::publication_word(self.epoch.tag(), 0),
            next: self.next,
            limit: self.limit,
            place: &mut self.next,
        }
    }

    /// Publishes one frame, as [`StreamRun::publish`].
    #[inline(always)]
    pub fn publish(
        &mut self,
        timestamp: u64,
        source: u64,
        descriptor: u64,
        payload_words: usize,
        payload: impl Fn(usize) -> u64,
    ) {
        self.run()
            .publish(timestamp, source, descriptor, payload_words, payload);
    }
}

/// See [`StreamWriter::run`]. The writer learns how far it came when the run is dropped.
#[derive(Debug)]
pub struct StreamRun<'a> {
    slots: View<'a>,
    shape: RingShape,
    tag: u64,
    next: u64,
    limit: u64,
    place: &'a mut u64,
}

impl StreamRun<'_> {
    /// How many frames may be written.
    #[inline(always)]
    pub fn room(&self) -> u64 {
        self.limit - self.next
    }

    /// Asks for the line of the frame `ahead` places after the next, to be written soon: within a run,
    /// so that the fetching of many lines overlaps. Not for a frame that comes alone: its reader is
    /// about to look a few places on, and would have to take the line back.
    #[inline(always)]
    pub fn expect(&self, ahead: u64) {
        // SAFETY: as in `write`.
        unsafe {
            self.slots.expect_write(self.shape.slot(self.next + ahead));
        }
    }

    /// Writes the time stamps of the next `count` frames, for which there is room, before anything
    /// else of them, so that their lines are called in all at once: see `WriteRun::group`. Where they
    /// do not come after all, the slots hold nothing that counts.
    #[inline(always)]
    pub fn stamp(&self, count: u64, timestamp: u64) {
        debug_assert!(self.room() >= count);
        for ahead in 0..count {
            // SAFETY: as in `write`.
            unsafe { self.slots.at(self.shape.slot(self.next + ahead) + 1) }
                .store(timestamp, Ordering::Relaxed);
        }
    }

    /// Publishes a frame whose payload fits the slot, as [`StreamRun::write`].
    #[inline(always)]
    pub fn publish(
        &mut self,
        timestamp: u64,
        source: u64,
        descriptor: u64,
        payload_words: usize,
        payload: impl Fn(usize) -> u64,
    ) {
        self.write(0, timestamp, source, descriptor, payload_words, payload);
        self.publish_written(1);
    }

    /// Writes, without publishing, the frame `ahead` places after the next: header words, and
    /// `payload_words` words from `payload`.
    ///
    /// The caller has checked that there is room and that the words fit: a longer payload is cut
    /// to the slot.
    #[inline(always)]
    pub fn write(
        &mut self,
        ahead: u64,
        timestamp: u64,
        source: u64,
        descriptor: u64,
        payload_words: usize,
        payload: impl Fn(usize) -> u64,
    ) {
        debug_assert!(self.room() > ahead);
        let sequence = self.next + ahead;
        let most = self.shape.slot_words() - FRAME_HEADER_WORDS;
        crash_point!("sequence.begun");
        // SAFETY: masked slot indices, and the writer's `new` checked that every slot lies inside
        // the words; offsets stay below the slot's size.
        unsafe {
            let slot = self.slots.from(self.shape.slot(sequence));
            let copy = |words: usize| {
                for index in 0..words {
                    slot.at(FRAME_HEADER_WORDS + index)
                        .store(payload(index), Ordering::Relaxed);
                }
            };
            // Apart, so that a count that is known when this is compiled is unrolled.
            if payload_words <= most {
                copy(payload_words);
            } else {
                copy(most);
            }
            slot.at(1).store(timestamp, Ordering::Relaxed);
            slot.at(2).store(source, Ordering::Relaxed);
            slot.at(3).store(descriptor, Ordering::Relaxed);
        }
        crash_point!("sequence.written");
    }

    /// Publishes the next `count` frames, which are written, the last first: who sees one sees all
    /// that follow it in the group, and a reader that waits for the first takes no line away that
    /// is half written.
    #[inline(always)]
    pub fn publish_written(&mut self, count: u64) {
        let mut ahead = count;
        while ahead > 0 {
            ahead -= 1;
            let sequence = self.next + ahead;
            // SAFETY: as in `write`.
            let word = unsafe { self.slots.at(self.shape.slot(sequence)) };
            // Pairs with the acquire in `StreamReader::published`.
            word.store(
                self.tag | (sequence & MAX_SEQUENCE),
                release(SyncPoint::StreamPublish),
            );
            crash_point!("sequence.in_group");
        }
        crash_point!("sequence.published");
        self.next += count;
    }
}

impl Drop for StreamRun<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.place = self.next;
    }
}

/// A reader's place in the stream ring of one epoch.
#[derive(Clone, Debug)]
pub struct StreamReader {
    slots: Words,
    shape: RingShape,
    epoch: EpochWord,
    /// The publication word of sequence 0.
    tag: u64,
    next: u64,
    end: u64,
}

/// What a reader finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// Nothing new.
    Nothing,
    /// This many frames from the reader's place on are published and count.
    Frames(u64),
    /// The epoch has moved on, or the epoch's end is reached: find out where to go on with
    /// [`super::epoch::owner_of`].
    EpochMoved,
}

impl StreamReader {
    /// A reader at `next` in the ring of `epoch`, which ends at `closed_at` if it has ended.
    /// `None` where the words do not hold the ring, or no sequence is that large.
    pub fn new(
        slots: Words,
        shape: RingShape,
        epoch: EpochWord,
        next: u64,
        closed_at: Option<u64>,
    ) -> Option<Self> {
        (shape.fits(&slots) && next <= MAX_SEQUENCE).then_some(StreamReader {
            slots,
            shape,
            epoch,
            tag: FrameHeader::publication_word(epoch.tag(), 0),
            next,
            end: closed_at.unwrap_or(u64::MAX),
        })
    }

    /// The sequence read next.
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The epoch that is read.
    #[inline(always)]
    pub fn epoch(&self) -> EpochWord {
        self.epoch
    }

    /// Learns that the epoch has been closed at `closed_at`.
    pub fn close_at(&mut self, closed_at: u64) {
        self.end = closed_at;
    }

    /// Whether `sequence` is published in this epoch's ring.
    pub fn published(&self, sequence: u64) -> bool {
        sequence <= MAX_SEQUENCE && self.holds(sequence)
    }

    /// The same of a possible sequence: the reader's own, or one after a published one. Beyond the
    /// largest the word would be another epoch's.
    #[inline(always)]
    fn holds(&self, sequence: u64) -> bool {
        // SAFETY: a masked slot index; `new` checked that every slot lies inside the words.
        let word = unsafe { self.slots.at(self.shape.slot(sequence)) };
        // Pairs with the release in `StreamWriter::publish`.
        word.load(acquire(SyncPoint::StreamAcquire)) == self.tag | sequence
    }

    /// Whether `sequence` was published in this epoch's ring, even if a later lap has been written
    /// over it since: a slot's words only ever grow within an epoch.
    fn was_published(&self, sequence: u64) -> bool {
        // SAFETY: as in `holds`.
        let word = unsafe { self.slots.at(self.shape.slot(sequence)) };
        // Pairs with the release in `StreamWriter::publish`.
        let found = word.load(acquire(SyncPoint::StreamAcquire));
        let wanted = FrameHeader::publication_word(self.epoch.tag(), sequence);
        found >> 48 == wanted >> 48 && found >= wanted
    }

    /// How many frames, at most `limit`, may be read now.
    #[inline(always)]
    pub fn ready(&self, limit: u64, current: &EpochCell) -> Ready {
        let limit = limit.min(self.end - self.next);
        let mut count = 0;
        if limit > 0 && self.holds(self.next) {
            // Most often it is alone.
            count = if limit > 1 && self.holds(self.next + 1) {
                self.run_length(limit)
            } else {
                1
            };
        }
        if self.end == u64::MAX {
            // The check that makes takeover safe: the epoch, loaded after the publication words.
            if current.load_after_publication() != self.epoch {
                return Ready::EpochMoved;
            }
        } else if self.next == self.end {
            return Ready::EpochMoved;
        }
        if count == 0 {
            Ready::Nothing
        } else {
            Ready::Frames(count)
        }
    }

    /// How many frames, at most `limit`, are published, of which the first two are.
    #[inline(never)]
    fn run_length(&self, limit: u64) -> u64 {
        let mut count = 2;
        while count < limit && self.holds(self.next + count) {
            count += 1;
            // More will follow: the fetching of many lines overlaps. Not for a frame that comes alone:
            // its writer would have to call the lines back in.
            let ahead = self.shape.slot(self.next + count + READ_AHEAD);
            // SAFETY: a masked slot index, as in `holds`.
            unsafe { self.slots.view().expect_read(ahead) };
        }
        count
    }

    /// Word `index` of the slot `ahead` places after the reader's. `index` is cut to the slot.
    #[inline(always)]
    pub fn word(&self, ahead: u64, index: usize) -> u64 {
        let index = index & (self.shape.slot_words() - 1);
        // SAFETY: a masked slot index plus an index below the slot's size.
        unsafe { self.slots.at(self.shape.slot(self.next + ahead) + index) }.load(Ordering::Relaxed)
    }

    /// Index of the first word of the slot `ahead` places after the reader's.
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

    /// Goes `count` frames on.
    #[inline(always)]
    pub fn advance(&mut self, count: u64) {
        self.next += count;
    }

    /// Goes to `sequence`, in this ring; to the largest possible one where it is larger.
    pub fn seek(&mut self, sequence: u64) {
        self.next = sequence.min(MAX_SEQUENCE);
    }
}

/// Finds where an epoch ended: the first sequence from `from` on that is not published in its
/// ring. To be called after [`EpochCell::take_over`] moved the epoch on.
///
/// `from` lies in the epoch and less than a lap below every frame that counts, as the epoch's
/// published position and its overwrite bound do, read after the move. A whole lap of published
/// frames ends the scan too: no more fit. A replaced sequencer may go on meanwhile and write over
/// the slots that are scanned: what it overwrites was published.
pub fn scan_end(reader: &StreamReader, from: u64) -> u64 {
    let mut sequence = from;
    while sequence - from < reader.shape.capacity() && reader.was_published(sequence) {
        sequence += 1;
    }
    sequence
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_that_cannot_be_is_not_taken_for_another_epochs() {
        let shape = RingShape::new(8, 8).expect("powers of two");
        let slots = Words::private(shape.words());
        let bound = OverwriteBound::new(Words::private(2)).expect("two words");
        let epoch = EpochWord::new(3, 0);
        let mut writer = StreamWriter::new(slots.clone(), shape, epoch, bound, 5).expect("a ring");
        writer.extend(None);
        writer.publish(0, 0, 0, 0, |_| 0);
        let of = |epoch, next| StreamReader::new(slots.clone(), shape, epoch, next, None);
        assert!(of(epoch, 5).is_some_and(|reader| reader.published(5)));
        // In one word with the epoch before it would read as sequence 5 of this one.
        let before = EpochWord::new(2, 0);
        let beyond = MAX_SEQUENCE + 1 + 5;
        let mut reader = of(before, 5).expect("a ring");
        assert!(!reader.published(5) && !reader.published(beyond));
        reader.seek(beyond);
        assert_eq!(reader.next(), MAX_SEQUENCE);
        assert!(of(before, beyond).is_none());
    }

    /// The line of the next frame is called in by a store: not where a consumer still holds the frame
    /// that lies there.
    #[test]
    fn what_is_held_is_not_written_to_before_there_is_room() {
        let shape = RingShape::new(8, 8).expect("powers of two");
        let slots = Words::private(shape.words());
        let bound = OverwriteBound::new(Words::private(2)).expect("two words");
        let epoch = EpochWord::new(3, 0);
        let mut writer = StreamWriter::new(slots.clone(), shape, epoch, bound, 8).expect("a ring");
        writer.extend(Some(8));
        for sequence in 8..16 {
            writer.expect_next();
            writer.publish(100 * sequence, 0, 0, 0, |_| 0);
        }
        assert_eq!(writer.room(), 0);
        writer.expect_next();
        let reader = StreamReader::new(slots, shape, epoch, 8, None).expect("a ring");
        assert!(reader.published(8));
        assert_eq!(reader.word(0, 1), 800);
    }
}

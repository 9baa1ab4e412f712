//! A takeover while the replaced sequencer goes on consuming, as a producer meets it.
//!
//! The old sequencer takes messages from a producer's ring of two slots, publishes a frame for
//! each and then says that it consumed it. A successor moves the epoch on, scans where the old
//! epoch ended, takes from the last frame that counts which message was the last, and goes on
//! reading the producer's ring after it. The producer meanwhile reuses slots on the word of
//! `consumed_in_current_epoch`. Required: each message is in the stream exactly once, in order and
//! whole; so the producer never overwrites a message that the successor still needs.
//!
//! Assumed: nobody is overrun in the stream; the successor opens its bank before it says that it
//! consumed anything (else a third sequencer, which skips an epoch that never opened, would look
//! for messages whose slots that epoch gave free).
//!
//! | weakened | what happens |
//! |---|---|
//! | `TakeoverFence` | the scan misses a frame on whose word the producer reused a slot: its message is lost |
//! | `EpochCheck` | the producer reuses a slot on the word of the old sequencer after the scan: the same |
//! | `ConsumedRelease` | the position is seen before the frame that it stands for: the same |
//! | `StreamPublish` | the successor counts a frame and reads old words in it |
//! | `StreamAcquire` | the same |
//!
//! `ConsumedAcquire` makes no difference here, where the full fence of the epoch's check follows
//! the load: `ingress_ring` shows it.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::frame::{FrameHeader, SourceId};
use selvedge_fabric::protocol::epoch::{EpochCell, EpochWord};
use selvedge_fabric::protocol::ingress::{
    Consumed, IngressReader, IngressWriter, RingShape, consumed_in_current_epoch,
};
use selvedge_fabric::protocol::stream::{FRAME_HEADER_WORDS, StreamReader, StreamWriter, scan_end};
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_loom_tests::{
    Bank, FIRST, SECOND, SyncPoint, epoch_cell, fails_without, holds, require, saw, shape, sure,
};

/// Messages that are in the ring before anything begins: as many as fit.
const WAITING: u64 = 2;

/// The message that needs a slot again.
const LAST: u64 = WAITING + 1;

const SOURCE: SourceId = 9;

/// Two preemptions suffice for each of the weakened models; the third is for good measure.
const BOUND: Option<usize> = Some(3);

/// What message `number` carries.
fn payload(number: u64) -> u64 {
    10 * number
}

fn send(writer: &mut IngressWriter) {
    let slot = writer.slot(0);
    sure(writer.words().get(slot + 2)).store(payload(writer.next()), Ordering::Relaxed);
    writer.publish();
}

/// A sequencer's way from one producer to the stream.
struct Sequencer {
    epoch: EpochWord,
    ingress: IngressReader,
    stream: StreamWriter,
    consumed: Consumed,
}

impl Sequencer {
    /// Takes the next message, if it is there.
    fn take(&mut self) -> bool {
        if !self.ingress.ready() {
            return false;
        }
        let number = self.ingress.next();
        let payload = self.ingress.word(2);
        self.stream.extend(None);
        let source = FrameHeader::source_word(SOURCE, number);
        self.stream.publish(0, source, 0, 1, |_| payload);
        self.consumed.store(self.epoch, number);
        self.ingress.advance();
        true
    }
}

/// The source sequence of the reader's frame, whose payload must be that of its message.
fn number(reader: &StreamReader) -> u64 {
    let number = reader.word(0, 2) & ((1 << 48) - 1);
    require(
        reader.word(0, FRAME_HEADER_WORDS) == payload(number),
        "a frame that counts carries its message, whole",
    );
    number
}

#[derive(Clone)]
struct Memory {
    epoch: EpochCell,
    banks: [Bank; 2],
    consumed: [Consumed; 2],
    ring: RingShape,
    slots: Words,
}

impl Memory {
    fn new() -> Self {
        let ring = shape(WAITING, 4);
        Memory {
            epoch: epoch_cell(FIRST),
            banks: [Bank::first(4), Bank::new(4)],
            consumed: [(); 2].map(|()| sure(Consumed::new(Words::private(1)))),
            ring,
            slots: Words::private(ring.words()),
        }
    }

    fn sequencer(&self, epoch: EpochWord, first: u64, first_message: u64) -> Sequencer {
        let ingress = IngressReader::new(self.slots.clone(), self.ring, first_message);
        Sequencer {
            epoch,
            ingress: sure(ingress),
            stream: self.banks[epoch.bank()].writer(epoch, first),
            consumed: self.consumed[epoch.bank()].clone(),
        }
    }

    /// What the producer may take for consumed.
    fn ask(&self) -> Option<u64> {
        consumed_in_current_epoch(&self.epoch, |epoch| self.consumed.get(epoch.bank()))
    }
}

/// Takes over and takes what the ring holds. Returns `closed_at` and what is left to take.
fn succeed(memory: &Memory) -> (u64, Sequencer) {
    let moved = memory.epoch.take_over(FIRST, SECOND);
    require(moved, "nobody else takes over");
    let mut old = memory.banks[0].reader(FIRST, 1, None);
    let closed_at = scan_end(&old, 1);
    let mut last = 0;
    if closed_at > 1 {
        old.seek(closed_at - 1);
        last = number(&old);
        require(last == closed_at - 1, "the last frame says what was taken");
    }
    let mut sequencer = memory.sequencer(SECOND, closed_at, last + 1);
    memory.banks[1].open(SECOND, closed_at, FIRST);
    while sequencer.ingress.next() <= WAITING {
        require(sequencer.take(), "a message that is needed is there");
    }
    (closed_at, sequencer)
}

fn model() {
    let memory = Memory::new();
    let mut producer = sure(IngressWriter::new(memory.slots.clone(), memory.ring, 1));
    for _ in 1..=WAITING {
        send(&mut producer);
    }
    let zombie = thread::spawn({
        let mut sequencer = memory.sequencer(FIRST, 1, 1);
        // The second message too would show nothing new.
        move || sequencer.take()
    });
    let successor = thread::spawn({
        let memory = memory.clone();
        move || succeed(&memory)
    });
    for _ in 1..=2 {
        if let Some(consumed) = memory.ask().filter(|_| producer.next() <= LAST) {
            producer.grant(consumed);
        }
        if producer.room() > 0 && producer.next() <= LAST {
            let current = memory.epoch.load();
            saw(if current == FIRST {
                "a slot freed by the old sequencer"
            } else {
                "a slot freed by the successor, or by the old one just before"
            });
            send(&mut producer);
        }
    }
    sure(zombie.join().ok());
    let (closed_at, mut sequencer) = sure(successor.join().ok());
    if producer.next() <= LAST {
        producer.grant(sure(memory.ask()));
        send(&mut producer);
    }
    require(sequencer.take(), "the last message is there");
    saw(["closed at 1", "closed at 2"][closed_at as usize - 1]);

    // The stream: the old epoch's frames below `closed_at`, the successor's from there on.
    let mut old = memory.banks[0].reader(FIRST, 1, Some(closed_at));
    let mut new = memory.banks[1].reader(SECOND, closed_at, None);
    for sequence in 1..=LAST {
        let reader = if sequence < closed_at {
            &mut old
        } else {
            &mut new
        };
        reader.seek(sequence);
        require(reader.published(sequence), "no message is lost");
        require(number(reader) == sequence, "messages come once, in order");
    }
}

#[test]
fn messages_are_in_the_stream_exactly_once() {
    let seen = [
        "closed at 1",
        "closed at 2",
        "a slot freed by the old sequencer",
        "a slot freed by the successor, or by the old one just before",
    ];
    holds(BOUND, &seen, model);
}

#[test]
fn takeover_fence_is_needed() {
    fails_without(SyncPoint::TakeoverFence, BOUND, model);
}

#[test]
fn epoch_check_is_needed() {
    fails_without(SyncPoint::EpochCheck, BOUND, model);
}

#[test]
fn consumed_release_is_needed() {
    fails_without(SyncPoint::ConsumedRelease, BOUND, model);
}

#[test]
fn stream_publish_is_needed() {
    fails_without(SyncPoint::StreamPublish, BOUND, model);
}

#[test]
fn stream_acquire_is_needed() {
    fails_without(SyncPoint::StreamAcquire, BOUND, model);
}

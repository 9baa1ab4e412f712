//! A takeover while the replaced sequencer goes on consuming, as a producer meets it.
//!
//! The old sequencer takes messages from a producer's ring of two slots, publishes a frame for
//! each and then says that it consumed it. A successor moves the epoch on, scans where the old
//! epoch ended, takes from the last frame that counts which message was the last, and goes on
//! reading the producer's ring after it. The producer meanwhile reuses slots on the word of
//! `consumed_in_current_epoch`. Required: each message is in the stream exactly once, in order and
//! whole; so the producer never overwrites a message that the successor still needs.
//!
//! `a_third_epoch_takes_over` has a second epoch that moved the word on before anything begins and
//! a third that takes over from it, whether it opened its bank or not.
//!
//! Assumed: nobody is overrun in the stream; a successor opens its bank before it says that anything
//! is consumed, even what counted before it. `a_sequencer_opens_before_it_says_consumed` is why: a
//! third sequencer that says so and dies before it opens its bank is skipped, a second that opened
//! late is not, and that one may have seen less of the first than the third gave free.
//!
//! | weakened | what happens |
//! |---|---|
//! | `TakeoverFence` | the scan misses a frame on whose word the producer reused a slot: the successor finds another message there, or none |
//! | `EpochCheck` | the producer reuses a slot on the word of the old sequencer after the scan: the same |
//! | `ConsumedRelease` | the position is seen before the frame that it stands for: the same |
//! | `StreamPublish` | the successor counts a frame and reads old words in it |
//! | `StreamAcquire` | the same |
//!
//! `ConsumedAcquire` makes no difference here, where the full fence of the epoch's check follows
//! the load: `ingress_ring` shows it.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::frame::{FrameHeader, MAX_SEQUENCE, SourceId};
use selvedge_fabric::protocol::epoch::{EpochCell, EpochWord};
use selvedge_fabric::protocol::ingress::{
    Consumed, IngressReader, IngressWriter, RingShape, consumed_in_current_epoch,
};
use selvedge_fabric::protocol::stream::{FRAME_HEADER_WORDS, StreamReader, StreamWriter, scan_end};
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_loom_tests::{
    Bank, FIRST, SECOND, SyncPoint, THIRD, breaks, epoch_cell, fails_without, holds, require, saw,
    shape, sure,
};

const FOURTH: EpochWord = EpochWord::new(4, 3);

/// Messages that are in the ring before anything begins: as many as fit.
const WAITING: u64 = 2;

/// The message that needs a slot again.
const LAST: u64 = WAITING + 1;

const SOURCE: SourceId = 9;

/// The full spaces are too large for every run.
const TWO_EPOCHS: Option<usize> = Some(4);
const THREE_EPOCHS: Option<usize> = Some(3);
const FOUR_EPOCHS: Option<usize> = Some(3);

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

/// The source sequence of the reader's frame, and whether its payload is that of its message.
fn number(reader: &StreamReader) -> (u64, bool) {
    let number = reader.word(0, 2) & MAX_SEQUENCE;
    let whole = reader.word(0, FRAME_HEADER_WORDS) == payload(number);
    (number, whole)
}

/// The epochs that count, each with its first sequence.
type Chain = Vec<(EpochWord, u64)>;

#[derive(Clone)]
struct Memory {
    epoch: EpochCell,
    banks: [Bank; 4],
    consumed: [Consumed; 4],
    ring: RingShape,
    slots: Words,
}

impl Memory {
    fn new() -> Self {
        let ring = shape(WAITING, 4);
        Memory {
            epoch: epoch_cell(FIRST),
            banks: [Bank::first(4), Bank::new(4), Bank::new(4), Bank::new(4)],
            consumed: [(); 4].map(|()| sure(Consumed::new(Words::private(1)))),
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

impl Memory {
    /// The frame at `sequence`: its number and whether it is whole, where it is published at all.
    fn frame(&self, chain: &Chain, sequence: u64) -> Option<(u64, bool)> {
        let (epoch, _) = chain.iter().rfind(|(_, first)| *first <= sequence)?;
        let reader = self.banks[epoch.bank()].reader(*epoch, sequence, None);
        reader.published(sequence).then(|| number(&reader))
    }

    /// Finds where the chain's last epoch ended and goes on from there as `epoch`, after the move.
    fn go_on(&self, chain: &mut Chain, epoch: EpochWord) -> Sequencer {
        let (previous, first) = sure(chain.last().copied());
        let old = self.banks[previous.bank()].reader(previous, first, None);
        let closed_at = scan_end(&old, first);
        let last = match closed_at {
            1 => 0,
            _ => sure(self.frame(chain, closed_at - 1)).0,
        };
        let sequencer = self.sequencer(epoch, closed_at, last + 1);
        self.banks[epoch.bank()].open(epoch, closed_at, previous);
        // Else a producer whose messages all count already would wait for a word on them.
        sequencer.consumed.store(epoch, last);
        chain.push((epoch, closed_at));
        sequencer
    }

    /// Moves the epoch on and takes what was waiting. Nobody takes over afterwards.
    fn succeed(&self, from: EpochWord, to: EpochWord) -> (Chain, Sequencer) {
        require(self.epoch.take_over(from, to), "nobody else takes over");
        let mut chain = vec![(FIRST, 1)];
        if from != FIRST {
            match self.banks[1].header.read(SECOND) {
                Some(opened) => {
                    saw("the second opened in time");
                    chain.push((SECOND, opened.first_sequence));
                }
                None => saw("the second is skipped"),
            }
        }
        let mut sequencer = self.go_on(&mut chain, to);
        require(
            sequencer.ingress.next() == sequencer.stream.next(),
            "the last frame says what was taken",
        );
        while sequencer.ingress.next() <= WAITING {
            require(sequencer.take(), "a message that is needed is there");
        }
        (chain, sequencer)
    }

    /// Writes the last message where there is room for it.
    fn try_last(&self, producer: &mut IngressWriter) {
        if producer.next() > LAST {
            return;
        }
        if let Some(consumed) = self.ask() {
            producer.grant(consumed);
        }
        if producer.room() > 0 {
            saw(if self.epoch.load() == FIRST {
                "a slot freed by the first"
            } else {
                "a slot freed by a successor, or by the one before just in time"
            });
            send(producer);
        }
    }

    /// Ends the model, after the replaced sequencers have ended.
    fn finish(&self, mut producer: IngressWriter, chain: &Chain, mut sequencer: Sequencer) {
        self.try_last(&mut producer);
        require(producer.next() > LAST, "the producer gets on");
        require(sequencer.take(), "the last message is there");
        for sequence in 1..=LAST {
            let (number, whole) = self.frame(chain, sequence).unwrap_or_default();
            require(number == sequence, "messages come once, in order");
            require(whole, "a frame that counts carries its message, whole");
        }
    }
}

/// A producer with its ring full, and the first sequencer with nothing taken.
fn begin() -> (Memory, IngressWriter, Sequencer) {
    let memory = Memory::new();
    let mut producer = sure(IngressWriter::new(memory.slots.clone(), memory.ring, 1));
    for _ in 1..=WAITING {
        send(&mut producer);
    }
    let first = memory.sequencer(FIRST, 1, 1);
    (memory, producer, first)
}

fn two_epochs() {
    let (memory, mut producer, mut first) = begin();
    let zombie = thread::spawn(move || {
        for _ in 1..=WAITING {
            first.take();
        }
    });
    let successor = thread::spawn({
        let memory = memory.clone();
        move || memory.succeed(FIRST, SECOND)
    });
    for _ in 1..=2 {
        memory.try_last(&mut producer);
    }
    sure(zombie.join().ok());
    let (chain, sequencer) = sure(successor.join().ok());
    saw(["closed at 1", "closed at 2", "closed at 3"][chain[1].1 as usize - 1]);
    memory.finish(producer, &chain, sequencer);
}

fn three_epochs() {
    let (memory, mut producer, mut first) = begin();
    require(memory.epoch.take_over(FIRST, SECOND), "nobody else does");
    let zombie = thread::spawn(move || first.take());
    let second = thread::spawn({
        let memory = memory.clone();
        move || memory.go_on(&mut vec![(FIRST, 1)], SECOND).take()
    });
    let third = thread::spawn({
        let memory = memory.clone();
        move || memory.succeed(SECOND, THIRD)
    });
    memory.try_last(&mut producer);
    sure(zombie.join().ok());
    sure(second.join().ok());
    let (chain, sequencer) = sure(third.join().ok());
    memory.finish(producer, &chain, sequencer);
}

/// As `three_epochs`, but the third dies before it opens its bank (having said what is consumed, if
/// it `speaks_early`), and a fourth takes over.
fn four_epochs(speaks_early: bool) {
    let (memory, mut producer, mut first) = begin();
    require(memory.epoch.take_over(FIRST, SECOND), "nobody else does");
    let zombie = thread::spawn(move || first.take());
    let second = thread::spawn({
        let memory = memory.clone();
        move || {
            memory.go_on(&mut vec![(FIRST, 1)], SECOND);
        }
    });
    let rest = thread::spawn({
        let memory = memory.clone();
        move || {
            require(memory.epoch.take_over(SECOND, THIRD), "nobody else does");
            if memory.banks[1].header.read(SECOND).is_none() {
                let closed_at = scan_end(&memory.banks[0].reader(FIRST, 1, None), 1);
                if speaks_early {
                    memory.consumed[2].store(THIRD, closed_at - 1);
                }
            }
            memory.succeed(THIRD, FOURTH)
        }
    });
    memory.try_last(&mut producer);
    sure(zombie.join().ok());
    sure(second.join().ok());
    let (chain, sequencer) = sure(rest.join().ok());
    memory.finish(producer, &chain, sequencer);
}

#[test]
fn messages_are_in_the_stream_exactly_once() {
    let seen = [
        "closed at 1",
        "closed at 2",
        "closed at 3",
        "a slot freed by the first",
        "a slot freed by a successor, or by the one before just in time",
    ];
    holds(TWO_EPOCHS, &seen, two_epochs);
}

#[test]
fn a_third_epoch_takes_over() {
    let seen = ["the second opened in time", "the second is skipped"];
    holds(THREE_EPOCHS, &seen, three_epochs);
}

#[test]
fn a_sequencer_opens_before_it_says_consumed() {
    let seen = ["the second opened in time", "the second is skipped"];
    holds(FOUR_EPOCHS, &seen, || four_epochs(false));
    breaks(FOUR_EPOCHS, || four_epochs(true));
}

#[test]
fn takeover_fence_is_needed() {
    fails_without(SyncPoint::TakeoverFence, TWO_EPOCHS, two_epochs);
}

#[test]
fn epoch_check_is_needed() {
    fails_without(SyncPoint::EpochCheck, TWO_EPOCHS, two_epochs);
}

#[test]
fn consumed_release_is_needed() {
    fails_without(SyncPoint::ConsumedRelease, TWO_EPOCHS, two_epochs);
}

#[test]
fn stream_publish_is_needed() {
    fails_without(SyncPoint::StreamPublish, TWO_EPOCHS, two_epochs);
}

#[test]
fn stream_acquire_is_needed() {
    fails_without(SyncPoint::StreamAcquire, TWO_EPOCHS, two_epochs);
}

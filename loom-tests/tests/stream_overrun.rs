//! The sequencer and a copying reader that it overruns.
//!
//! Nothing holds the writer: it goes round a ring of two slots while the reader copies. The
//! reader copies a frame's words and then asks how far the writer has announced to overwrite.
//! Required: what the reader accepts is the frame that it asked for, whole; a frame that is gone
//! is noticed, so that the reader never waits for it. The same for payloads in the payload ring,
//! which have a bound of their own.
//!
//! | weakened | what happens |
//! |---|---|
//! | `OverwriteRelease` | new words are seen, the announcement that precedes them is not: a mixture is accepted |
//! | `OverwriteAcquire` | the same |
//!
//! Each is shown for both bounds: they are fences of their own in the source.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::protocol::epoch::EpochCell;
use selvedge_fabric::protocol::stream::{
    FRAME_HEADER_WORDS, OverwriteBound, Ready, StreamReader, StreamWriter,
};
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_loom_tests::{
    Bank, FIRST, SyncPoint, content, copy, epoch_cell, fails_without, holds, publish_ungated,
    require, saw, sure,
};

const FRAMES: u64 = 4;

/// Every interleaving.
const BOUND: Option<usize> = None;

/// What one attempt of a copying reader comes to.
enum Attempt {
    Nothing,
    Overrun(u64),
    Copied(Option<u64>),
}

fn attempt(reader: &StreamReader, bound: &OverwriteBound, epoch: &EpochCell) -> Attempt {
    let ready = reader.ready(1, epoch);
    let copied = (ready == Ready::Frames(1)).then(|| copy(reader));
    let intact_from = bound.intact_from();
    if intact_from > reader.next() {
        return Attempt::Overrun(intact_from);
    }
    copied.map_or(Attempt::Nothing, Attempt::Copied)
}

/// Makes an attempt and judges it. `false`: nothing there.
fn step(reader: &mut StreamReader, bound: &OverwriteBound, epoch: &EpochCell) -> bool {
    match attempt(reader, bound, epoch) {
        Attempt::Nothing => return false,
        Attempt::Overrun(intact_from) => {
            saw("overrun");
            reader.seek(intact_from);
        }
        Attempt::Copied(copied) => {
            saw("accepted");
            require(
                copied == Some(content(FIRST, reader.next())),
                "what is accepted is the frame asked for, whole",
            );
            reader.advance(1);
        }
    }
    true
}

fn frames() {
    let bank = Bank::first(2);
    let epoch = epoch_cell(FIRST);
    let writer = thread::spawn({
        let mut writer = bank.writer(FIRST, 1);
        move || {
            for _ in 1..=FRAMES {
                publish_ungated(&mut writer);
            }
        }
    });
    let mut reader = bank.reader(FIRST, 1, None);
    for _ in 1..=2 {
        step(&mut reader, &bank.bound, &epoch);
    }
    sure(writer.join().ok());
    while reader.next() <= FRAMES {
        require(
            step(&mut reader, &bank.bound, &epoch),
            "a frame that is gone is noticed",
        );
    }
}

/// Words of a payload in the payload ring.
const PAYLOAD: u64 = 2;

/// Where the payload of `sequence` begins, among all payload words ever written.
fn position(sequence: u64) -> u64 {
    (sequence - 1) * PAYLOAD
}

fn write_external(writer: &mut StreamWriter, bound: &OverwriteBound, payloads: &Words) {
    let capacity = payloads.count() as u64;
    let sequence = writer.next();
    let begin = position(sequence);
    if begin + PAYLOAD > capacity {
        bound.announce_payload(begin + PAYLOAD - capacity);
    }
    for word in begin..begin + PAYLOAD {
        sure(payloads.get((word % capacity) as usize))
            .store(content(FIRST, sequence), Ordering::Relaxed);
    }
    writer.extend(None);
    let descriptor = FrameHeader::descriptor_word(1, 0, PAYLOAD as usize * 8, Flags::EXTERNAL);
    writer.publish(0, 0, descriptor, 1, |_| begin);
}

fn payloads() {
    // The slots are enough for all frames: only payloads are overwritten.
    let bank = Bank::first(4);
    let epoch = epoch_cell(FIRST);
    let payloads = Words::private(2 * PAYLOAD as usize);
    let writer = thread::spawn({
        let mut writer = bank.writer(FIRST, 1);
        let (bound, payloads) = (bank.bound.clone(), payloads.clone());
        move || {
            for _ in 1..=FRAMES {
                write_external(&mut writer, &bound, &payloads);
            }
        }
    });
    let mut reader = bank.reader(FIRST, 1, None);
    let mut read = || {
        if reader.ready(1, &epoch) != Ready::Frames(1) {
            return false;
        }
        let begin = reader.word(0, FRAME_HEADER_WORDS);
        require(begin == position(reader.next()), "the slot is whole");
        let whole = (begin..begin + PAYLOAD).all(|word| {
            let word = sure(payloads.get((word % payloads.count() as u64) as usize));
            word.load(Ordering::Relaxed) == content(FIRST, reader.next())
        });
        if bank.bound.payload_intact_from() > begin {
            saw("payload overrun");
        } else {
            saw("payload accepted");
            require(whole, "what is accepted is the payload asked for, whole");
        }
        reader.advance(1);
        true
    };
    read();
    sure(writer.join().ok());
    while read() {}
    require(reader.next() == FRAMES + 1, "no frame is missed");
}

#[test]
fn what_is_accepted_is_whole_and_an_overrun_is_noticed() {
    holds(BOUND, &["accepted", "overrun"], frames);
}

#[test]
fn so_it_is_with_payloads() {
    holds(BOUND, &["payload accepted", "payload overrun"], payloads);
}

#[test]
fn overwrite_release_is_needed() {
    fails_without(SyncPoint::OverwriteRelease, BOUND, frames);
    fails_without(SyncPoint::OverwriteRelease, BOUND, payloads);
}

#[test]
fn overwrite_acquire_is_needed() {
    fails_without(SyncPoint::OverwriteAcquire, BOUND, frames);
    fails_without(SyncPoint::OverwriteAcquire, BOUND, payloads);
}

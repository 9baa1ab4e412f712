//! One producer and the sequencer over an ingress ring of two slots.
//!
//! The producer writes three messages in place, so the third takes the slot of the first: it asks
//! how far the ring was consumed and waits for room. The sequencer reads each message's words and
//! then says that it is consumed. Required: every message arrives once, in order, and whole; no
//! slot is written while it may still be read.
//!
//! Assumed: one epoch, an honest producer (a hostile one can hurt nobody but itself: what the
//! sequencer reads it checks in its own memory, which is not a matter of ordering).
//!
//! | weakened | what happens |
//! |---|---|
//! | `IngressPublish` | the word is seen before the message: old words in a new message |
//! | `IngressAcquire` | the same |
//! | `ConsumedRelease` | the producer writes into a slot that is still being read |
//! | `ConsumedAcquire` | the same, where the producer takes the position without the epoch's check |
//!
//! In a second model the producer publishes groups, the last message's word first, through
//! `IngressWriter::run`: the reader still finds every message whole and in order, and with the
//! first of a group the rest.
//!
//! The check of the epoch (`consumed_in_current_epoch`) has a full fence after the load of the
//! position, which does what `ConsumedAcquire` does. So that ordering is shown by a producer that
//! takes the position alone; it is what stands in the product on x86-64, where the check needs no
//! fence.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::protocol::epoch::EpochCell;
use selvedge_fabric::protocol::ingress::{
    Consumed, GROUP, IngressReader, IngressWriter, consumed_in_current_epoch,
};
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_loom_tests::{
    FIRST, Places, SyncPoint, epoch_cell, fails_without, holds, require, saw, shape, sure,
};

const MESSAGES: u64 = 4;

/// Every interleaving, with the check of the epoch; fewer without, for the sake of time.
const BOUND: Option<usize> = None;
const ALONE: Option<usize> = Some(3);

/// How the producer learns what was consumed.
type Ask = fn(&EpochCell, &Consumed) -> Option<u64>;

fn checked(epoch: &EpochCell, consumed: &Consumed) -> Option<u64> {
    consumed_in_current_epoch(epoch, |_| Some(consumed))
}

fn unchecked(_: &EpochCell, consumed: &Consumed) -> Option<u64> {
    consumed.load(FIRST)
}

fn produce(mut writer: IngressWriter, places: &Places, ask: impl Fn() -> Option<u64>) {
    for message in 1..=MESSAGES {
        while writer.room() == 0 {
            match ask() {
                Some(consumed) => writer.grant(consumed),
                None => saw("nothing consumed yet"),
            }
            if writer.room() == 0 {
                thread::yield_now();
            }
        }
        let slot = writer.slot(0);
        places.write(message);
        sure(writer.words().get(slot + 2)).store(10 * message, Ordering::Relaxed);
        writer.describe(0, 100 * message, 1_000 * message);
        writer.publish();
    }
}

fn sequence(mut reader: IngressReader, places: &Places, consumed: &Consumed) {
    for message in 1..=MESSAGES {
        while !reader.ready() {
            thread::yield_now();
        }
        require(reader.next() == message, "messages arrive in order");
        require(reader.word(1) == 100 * message, "its descriptor is whole");
        require(reader.word(2) == 10 * message, "its payload is whole");
        require(reader.word(3) == 1_000 * message, "its time is whole");
        places.read(message);
        consumed.store(FIRST, message);
        reader.advance();
    }
    require(!reader.ready(), "nothing arrives twice");
}

fn model(ask: Ask, places: &Places) {
    let shape = shape(2, 4);
    let slots = Words::private(shape.words());
    let epoch = epoch_cell(FIRST);
    let consumed = sure(Consumed::new(Words::private(1)));

    let producer = thread::spawn({
        let writer = sure(IngressWriter::new(slots.clone(), shape, 1));
        let (consumed, places) = (consumed.clone(), places.clone());
        move || produce(writer, &places, || ask(&epoch, &consumed))
    });
    let reader = sure(IngressReader::new(slots, shape, 1));
    sequence(reader, places, &consumed);
    sure(producer.join().ok());
}

fn watched(ask: Ask) {
    model(ask, &Places::new(2));
}

fn unwatched(ask: Ask) {
    model(ask, &Places::unwatched());
}

/// Two whole groups (of two in a model), in a ring that holds them all. They begin where the ring begins: a group ends
/// where it ends.
fn groups() {
    const GROUPS: u64 = 2;
    const FIRST: u64 = 4;
    let shape = shape(4, 4);
    let slots = Words::private(shape.words());
    let mut writer = sure(IngressWriter::new(slots.clone(), shape, FIRST));
    let mut reader = sure(IngressReader::new(slots.clone(), shape, FIRST));
    let producer = thread::spawn(move || {
        for _ in 0..GROUPS {
            let written = writer.run().group(GROUP, 100, |_, slot, message| {
                sure(slots.get(slot + 2)).store(10 * message, Ordering::Relaxed);
                1_000 * message
            });
            require(
                written == GROUP,
                "a group ends where the ring does, and no sooner",
            );
        }
    });
    for first in [FIRST, FIRST + 2] {
        while !reader.ready() {
            thread::yield_now();
        }
        let mut run = reader.run();
        require(run.ready(1), "who sees the first sees the rest");
        for ahead in 0..2 {
            let message = first + ahead;
            let slot = run.slot(ahead);
            // SAFETY: a slot has four words.
            let word = |index| unsafe { slot.at(index) }.load(Ordering::Relaxed);
            require(word(1) == 100, "its descriptor is whole");
            require(word(2) == 10 * message, "its payload is whole");
            require(word(3) == 1_000 * message, "its time is whole");
        }
        run.advance(2);
    }
    require(!reader.ready(), "nothing arrives twice");
    sure(producer.join().ok());
}

#[test]
fn groups_arrive_once_in_order_and_whole() {
    holds(BOUND, &[], groups);
}

#[test]
fn ingress_publish_is_needed_by_groups() {
    fails_without(SyncPoint::IngressPublish, BOUND, groups);
}

#[test]
fn ingress_acquire_is_needed_by_groups() {
    fails_without(SyncPoint::IngressAcquire, BOUND, groups);
}

#[test]
fn messages_arrive_once_in_order_and_whole() {
    holds(BOUND, &["nothing consumed yet"], || watched(checked));
}

#[test]
fn so_they_do_on_the_word_of_consumed_alone() {
    holds(ALONE, &["nothing consumed yet"], || watched(unchecked));
}

#[test]
fn ingress_publish_is_needed() {
    fails_without(SyncPoint::IngressPublish, BOUND, || unwatched(checked));
}

#[test]
fn ingress_acquire_is_needed() {
    fails_without(SyncPoint::IngressAcquire, BOUND, || unwatched(checked));
}

#[test]
fn consumed_release_is_needed() {
    fails_without(SyncPoint::ConsumedRelease, BOUND, || watched(checked));
}

#[test]
fn consumed_acquire_is_needed() {
    fails_without(SyncPoint::ConsumedAcquire, BOUND, || watched(unchecked));
}

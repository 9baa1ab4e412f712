//! A consumer begins to hold the ring: while frames are published, and while the sequencer is
//! replaced.
//!
//! `attach` is a consumer that asks the sequencer, is granted a sequence, and starts there while
//! the sequencer goes round a ring of two slots. `attach_in_a_takeover` is one that was granted
//! sequence 1 by a sequencer that is replaced before it publishes: the consumer stores its cursor
//! and checks that the epoch still is the one that admitted it; the successor reads the cursor
//! after it has moved the epoch on, holds what it finds there, and else goes on without the
//! consumer. Required: once `start` has said yes, no frame from the grant on is overwritten before
//! the consumer has released it.
//!
//! Assumed: the request and the grant travel as a word with release and acquire (in the product
//! they are files of the consumer and of the sequencer, registered the same way).
//!
//! | weakened | what happens |
//! |---|---|
//! | `GrantFence` | the successor does not see the cursor, and the consumer does not see that it was replaced |
//! | `TakeoverFence` | the same |
//! | `CursorRelease` | the writer writes into a slot that is still being read |
//! | `CursorAcquire` | the same |
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::protocol::epoch::EpochCell;
use selvedge_fabric::protocol::gating::{GatingCursor, GatingSet};
use selvedge_fabric::protocol::stream::{Ready, StreamReader, StreamWriter, scan_end};
use selvedge_fabric::protocol::{Ordering, Words};
use selvedge_loom_tests::{
    Bank, FIRST, Places, SECOND, SyncPoint, content, copy, epoch_cell, fails_without, holds,
    publish, require, saw, sure,
};

/// The consumer's key in the gating set.
const KEY: u64 = 7;

/// Publishes as far as the set allows, at most up to `last`.
fn publish_to(writer: &mut StreamWriter, set: &mut GatingSet, last: u64, places: &Places) {
    while writer.next() <= last {
        if writer.room() == 0 {
            writer.extend(set.lowest(writer.next()));
        }
        if writer.room() == 0 {
            saw("held back");
            return;
        }
        places.write(writer.next());
        publish(writer);
    }
}

/// Reads the next frame in place and releases it.
fn read(reader: &mut StreamReader, epoch: &EpochCell, cursor: &GatingCursor, places: &Places) {
    if reader.ready(1, epoch) == Ready::Frames(1) {
        places.read(reader.next());
        require(
            copy(reader) == Some(content(reader.epoch(), reader.next())),
            "a frame that was granted is whole",
        );
        reader.advance(1);
        cursor.release(reader.next());
    }
}

/// Words 0 and 1: the consumer's request, the sequencer's grant.
#[derive(Clone)]
struct Registration(Words);

impl Registration {
    fn ask(&self) {
        sure(self.0.get(0)).store(1, Ordering::Release);
    }

    fn asked(&self) -> bool {
        sure(self.0.get(0)).load(Ordering::Acquire) == 1
    }

    fn grant(&self, sequence: u64) {
        sure(self.0.get(1)).store(sequence, Ordering::Release);
    }

    fn granted(&self) -> Option<u64> {
        let sequence = sure(self.0.get(1)).load(Ordering::Acquire);
        (sequence > 0).then_some(sequence)
    }
}

fn attach() {
    const FRAMES: u64 = 4;
    let bank = Bank::first(2);
    let epoch = epoch_cell(FIRST);
    let cursor = sure(GatingCursor::new(Words::private(1)));
    let registration = Registration(Words::private(2));
    let places = Places::new(2);

    let sequencer = thread::spawn({
        let mut writer = bank.writer(FIRST, 1);
        let (cursor, registration, places) = (cursor.clone(), registration.clone(), places.clone());
        move || {
            let mut set = GatingSet::with_capacity(1);
            for last in 1..=FRAMES {
                if set.is_empty() && registration.asked() {
                    set.add(KEY, cursor.clone(), writer.next());
                    writer.withdraw_room();
                    registration.grant(writer.next());
                }
                publish_to(&mut writer, &mut set, last, &places);
            }
            writer.next()
        }
    });
    registration.ask();
    let mut reading = None;
    for _ in 1..=2 {
        reading = reading.or_else(|| {
            let granted = registration.granted()?;
            saw("granted");
            require(cursor.start(granted, &epoch, FIRST), "nobody takes over");
            Some(bank.reader(FIRST, granted, None))
        });
        if let Some(reader) = &mut reading {
            read(reader, &epoch, &cursor, &places);
        }
    }
    let next = sure(sequencer.join().ok());
    if let Some(reader) = &mut reading {
        while reader.next() < next {
            let sequence = reader.next();
            require(reader.published(sequence), "a granted frame is there");
            read(reader, &epoch, &cursor, &places);
        }
    }
}

fn attach_in_a_takeover() {
    let banks = [Bank::first(2), Bank::new(2)];
    let epoch = epoch_cell(FIRST);
    let cursor = sure(GatingCursor::new(Words::private(1)));
    let places = Places::new(2);

    let successor = thread::spawn({
        let ([old, new], epoch) = (banks.clone(), epoch.clone());
        let (cursor, places) = (cursor.clone(), places.clone());
        move || {
            require(epoch.take_over(FIRST, SECOND), "nobody else takes over");
            let mut set = GatingSet::with_capacity(1);
            let held = cursor.load();
            if held > 0 {
                set.add(KEY, cursor, held);
            } else {
                saw("the cursor is not there yet");
            }
            let closed_at = scan_end(&old.reader(FIRST, 1, None), 1);
            let mut writer = new.writer(SECOND, closed_at);
            new.open(SECOND, closed_at, FIRST);
            publish_to(&mut writer, &mut set, 3, &places);
            writer.next()
        }
    });
    // The sequencer that granted 1 has published nothing: the frame will be in the next bank.
    let started = cursor.start(1, &epoch, FIRST);
    let mut reader = banks[1].reader(SECOND, 1, None);
    if started {
        for _ in 1..=2 {
            read(&mut reader, &epoch, &cursor, &places);
        }
    }
    let next = sure(successor.join().ok());
    if started {
        saw("started");
        while reader.next() < next {
            let sequence = reader.next();
            require(reader.published(sequence), "a granted frame is there");
            read(&mut reader, &epoch, &cursor, &places);
        }
    } else {
        saw("replaced before the start");
    }
}

/// Every interleaving.
const BOUND: Option<usize> = None;

#[test]
fn a_granted_frame_is_held() {
    holds(BOUND, &["granted", "held back"], attach);
}

#[test]
fn a_granted_frame_is_held_by_the_successor() {
    let seen = [
        "the cursor is not there yet",
        "started",
        "replaced before the start",
        "held back",
    ];
    holds(BOUND, &seen, attach_in_a_takeover);
}

#[test]
fn grant_fence_is_needed() {
    fails_without(SyncPoint::GrantFence, BOUND, attach_in_a_takeover);
}

#[test]
fn takeover_fence_is_needed() {
    fails_without(SyncPoint::TakeoverFence, BOUND, attach_in_a_takeover);
}

#[test]
fn cursor_release_is_needed() {
    fails_without(SyncPoint::CursorRelease, BOUND, attach);
}

#[test]
fn cursor_acquire_is_needed() {
    fails_without(SyncPoint::CursorAcquire, BOUND, attach);
}

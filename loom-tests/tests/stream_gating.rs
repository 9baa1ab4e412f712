//! The sequencer and a gating reader over a stream ring of two slots.
//!
//! The writer publishes three frames, so the third takes the slot of the first: it asks the
//! gating set how far it may go and waits for the reader's cursor. The reader reads each frame in
//! place and then releases it. Required: frames arrive in order and whole; no slot is written
//! while it may still be read.
//!
//! Assumed: one epoch; the cursor was granted before the writer began (`cursor_handover` has the
//! attaching).
//!
//! | weakened | what happens |
//! |---|---|
//! | `StreamPublish` | the word is seen before the frame: old words in a new frame |
//! | `StreamAcquire` | the same, where the reader takes the word without the epoch's check |
//! | `CursorRelease` | the writer writes into a slot that is still being read |
//! | `CursorAcquire` | the same |
//!
//! `StreamReader::ready` has the full fence of the epoch's check after its loads of publication
//! words, which does what `StreamAcquire` does. So that ordering is shown by a reader that asks
//! for the word alone, as readers of a closed epoch and a successor's scan do (`takeover_producers`
//! has the latter); it is also what stands in the product on x86-64, where the check needs no
//! fence.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::protocol::Words;
use selvedge_fabric::protocol::epoch::EpochCell;
use selvedge_fabric::protocol::gating::{GatingCursor, GatingSet};
use selvedge_fabric::protocol::stream::{Ready, StreamReader, StreamWriter};
use selvedge_loom_tests::{
    Bank, FIRST, Places, SyncPoint, content, copy, epoch_cell, fails_without, holds, publish,
    require, saw, sure,
};

const FRAMES: u64 = 4;

/// Every interleaving, with the check of the epoch; fewer without, for the sake of time.
const BOUND: Option<usize> = None;
const ALONE: Option<usize> = Some(3);

/// How the reader learns that its next frame is there.
type Ask = fn(&StreamReader, &EpochCell) -> bool;

fn checked(reader: &StreamReader, epoch: &EpochCell) -> bool {
    reader.ready(1, epoch) == Ready::Frames(1)
}

fn unchecked(reader: &StreamReader, _: &EpochCell) -> bool {
    reader.published(reader.next())
}

fn write(mut writer: StreamWriter, set: &mut GatingSet, places: &Places) {
    for _ in 1..=FRAMES {
        while writer.room() == 0 {
            writer.extend(set.lowest(writer.next()));
            if writer.room() == 0 {
                saw("held back");
                thread::yield_now();
            }
        }
        places.write(writer.next());
        publish(&mut writer);
    }
}

fn model(ask: Ask, places: &Places) {
    let bank = Bank::first(2);
    let epoch = epoch_cell(FIRST);
    let cursor = sure(GatingCursor::new(Words::private(1)));
    require(cursor.start(1, &epoch, FIRST), "the epoch is current");

    let writer = thread::spawn({
        let writer = bank.writer(FIRST, 1);
        let mut set = GatingSet::with_capacity(1);
        set.add(7, cursor.clone(), 1);
        let places = places.clone();
        move || write(writer, &mut set, &places)
    });
    let mut reader = bank.reader(FIRST, 1, None);
    for sequence in 1..=FRAMES {
        while !ask(&reader, &epoch) {
            thread::yield_now();
        }
        places.read(sequence);
        require(
            copy(&reader) == Some(content(FIRST, sequence)),
            "frames are whole and in order",
        );
        reader.advance(1);
        cursor.release(reader.next());
    }
    sure(writer.join().ok());
}

fn watched(ask: Ask) {
    model(ask, &Places::new(2));
}

fn unwatched(ask: Ask) {
    model(ask, &Places::unwatched());
}

#[test]
fn frames_arrive_in_order_and_whole() {
    holds(BOUND, &["held back"], || watched(checked));
}

#[test]
fn so_they_do_on_the_publication_word_alone() {
    holds(ALONE, &["held back"], || watched(unchecked));
}

#[test]
fn stream_publish_is_needed() {
    fails_without(SyncPoint::StreamPublish, BOUND, || unwatched(checked));
}

#[test]
fn stream_acquire_is_needed() {
    fails_without(SyncPoint::StreamAcquire, BOUND, || unwatched(unchecked));
}

#[test]
fn cursor_release_is_needed() {
    fails_without(SyncPoint::CursorRelease, BOUND, || watched(checked));
}

#[test]
fn cursor_acquire_is_needed() {
    fails_without(SyncPoint::CursorAcquire, BOUND, || watched(checked));
}

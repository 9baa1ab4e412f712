//! A copying reader attaches while the stream goes on.
//!
//! `anywhere` begins at the oldest frame that the overwrite bound gives while the sequencer goes
//! round a ring of two slots: from there on it accepts an unbroken run of whole frames, or is told
//! that it was overrun. `a_bank_that_is_reused` finds its way through a bank's header while the
//! sequencer of a later epoch closes the bank, prepares it, and opens it again. Required: what the
//! header is accepted to say is what one epoch wrote; the frames that are accepted are that epoch's.
//!
//! Assumed: a bank is reused only after the sequencer before has ended (two writers of one file
//! are kept apart outside these protocols).
//!
//! | weakened | what happens |
//! |---|---|
//! | `OpenRelease` | the closing is missed: the old epoch's word with the new epoch's first sequence |
//! | `OpenAcquire` | the same |
//! | `OverwriteRelease` | a frame of the later epoch is accepted as the old one's |
//! | `OverwriteAcquire` | the same |
//!
//! The first two are the fences beside the closing; `takeover_readers` shows the store that opens
//! and the load that finds it.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::protocol::epoch::{EpochWord, Opened};
use selvedge_fabric::protocol::stream::Ready;
use selvedge_loom_tests::{
    Bank, FIRST, SECOND, SyncPoint, content, copy, epoch_cell, fails_without, holds,
    publish_ungated, require, saw, sure,
};

/// Every interleaving where the bank is reused; too many where the reader begins anywhere.
const REUSED: Option<usize> = None;
const ANYWHERE: Option<usize> = Some(3);

/// An epoch after [`SECOND`] that has the bank of [`FIRST`] again.
const REUSING: EpochWord = EpochWord::new(3, 0);

/// Where [`REUSING`] begins: in the slot of 1.
const AGAIN: u64 = 3;

fn anywhere() {
    const FRAMES: u64 = 4;
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
    let begin = bank.bound.intact_from();
    if begin > 1 {
        saw("began in the middle");
    }
    let mut reader = bank.reader(FIRST, begin, None);
    for _ in 1..=2 {
        let ready = reader.ready(1, &epoch);
        let copied = (ready == Ready::Frames(1)).then(|| copy(&reader));
        if bank.bound.intact_from() > reader.next() {
            saw("overrun");
            break;
        }
        if let Some(copied) = copied {
            saw("accepted");
            require(
                copied == Some(content(FIRST, reader.next())),
                "what is accepted is the frame asked for, whole",
            );
            reader.advance(1);
        }
    }
    sure(writer.join().ok());
    let begin = bank.bound.intact_from();
    require(begin == FRAMES - 1, "the bound gives the oldest frame");
    reader.seek(begin);
    require(
        reader.ready(9, &epoch) == Ready::Frames(2),
        "what the bound gives is there",
    );
}

/// What each epoch says when it opens the bank.
fn opened(epoch: EpochWord) -> Opened {
    let (first_sequence, previous) = if epoch == FIRST {
        (1, EpochWord::NONE)
    } else {
        (AGAIN, SECOND)
    };
    Opened {
        epoch,
        first_sequence,
        previous,
    }
}

fn a_bank_that_is_reused() {
    let bank = Bank::first(2);
    // The first epoch published frame 1 and ended at 2; the second follows in its own bank.
    publish_ungated(&mut bank.writer(FIRST, 1));
    let sequencer = thread::spawn({
        let bank = bank.clone();
        move || {
            bank.header.close();
            let mut writer = bank.writer(REUSING, AGAIN);
            bank.header.open(opened(REUSING));
            publish_ungated(&mut writer);
        }
    });
    for epoch in [FIRST, REUSING] {
        if let Some(said) = bank.header.read(epoch) {
            saw(if epoch == FIRST {
                "as it was"
            } else {
                "reused"
            });
            require(said == opened(epoch), "a header is one epoch's");
        }
    }
    let reader = bank.reader(FIRST, 1, Some(2));
    let published = reader.published(1);
    let copied = copy(&reader);
    if bank.bound.intact_from() > 1 {
        saw("overwritten by the later epoch");
    } else {
        require(published, "what is not overwritten is there");
        require(
            copied == Some(content(FIRST, 1)),
            "what is accepted is the frame asked for, whole",
        );
    }
    sure(sequencer.join().ok());
    require(bank.header.read(FIRST).is_none(), "a closed epoch is gone");
    require(
        bank.header.read(REUSING) == Some(opened(REUSING)),
        "the later epoch is there",
    );
}

#[test]
fn a_reader_may_begin_anywhere() {
    let seen = ["began in the middle", "overrun", "accepted"];
    holds(ANYWHERE, &seen, anywhere);
}

#[test]
fn a_bank_is_never_read_as_two_epochs() {
    let seen = ["as it was", "reused", "overwritten by the later epoch"];
    holds(REUSED, &seen, a_bank_that_is_reused);
}

#[test]
fn open_release_is_needed() {
    fails_without(SyncPoint::OpenRelease, REUSED, a_bank_that_is_reused);
}

#[test]
fn open_acquire_is_needed() {
    fails_without(SyncPoint::OpenAcquire, REUSED, a_bank_that_is_reused);
}

#[test]
fn overwrite_release_is_needed() {
    fails_without(SyncPoint::OverwriteRelease, REUSED, a_bank_that_is_reused);
    fails_without(SyncPoint::OverwriteRelease, ANYWHERE, anywhere);
}

#[test]
fn overwrite_acquire_is_needed() {
    fails_without(SyncPoint::OverwriteAcquire, REUSED, a_bank_that_is_reused);
    fails_without(SyncPoint::OverwriteAcquire, ANYWHERE, anywhere);
}

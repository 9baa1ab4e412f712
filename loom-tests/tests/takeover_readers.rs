//! A takeover while the replaced sequencer goes on publishing, as readers see it.
//!
//! The old sequencer (a zombie from the moment that the epoch moves) publishes frames 1 and 2 in
//! its bank. A successor moves the epoch on, scans where the old epoch ended, opens its own bank
//! there and publishes frames of other content. A reader follows with `StreamReader::ready` and
//! `owner_of`. Required: for each sequence the reader accepts what the final truth holds (the old
//! epoch's frames below `closed_at`, the successor's from there on), and it gets to the end.
//!
//! Assumed: nobody is overrun (the rings hold all frames), but in `a_scan_while_the_ring_goes_round`,
//! where the zombie overwrites what the successor scans.
//!
//! | weakened | what happens |
//! |---|---|
//! | `TakeoverFence` | the scan misses a frame that a reader accepted |
//! | `EpochCheck` | a reader accepts a frame that was published after the scan |
//! | `OpenRelease` | a reader sees the bank open and not where it begins: it waits there for a frame of the old epoch |
//! | `OpenAcquire` | the same |
//!
//! `an_epoch_that_never_opens_is_skipped` has a second epoch that moves the word on and is slow to
//! open its bank, and a third that takes over from it. Either the third finds the second open and
//! follows it, or nothing of the second counts, even when it opens its bank later.
#![cfg(loom)]

use loom::thread::{self, JoinHandle};
use selvedge_fabric::protocol::epoch::{EpochCell, EpochWord, Owner, owner_of};
use selvedge_fabric::protocol::stream::{Ready, StreamReader, StreamWriter, scan_end};
use selvedge_loom_tests::{
    Bank, FIRST, SECOND, SyncPoint, THIRD, content, copy, epoch_cell, fails_without, holds,
    publish, publish_group, publish_ungated, require, saw, sure,
};

/// The last sequence of each model.
const LAST: u64 = 2;

/// A reader that follows the stream through the banks.
struct Follower {
    epoch: EpochCell,
    banks: Vec<Bank>,
    reader: StreamReader,
    accepted: Vec<Option<u64>>,
}

impl Follower {
    fn new(epoch: &EpochCell, banks: &[Bank]) -> Self {
        Follower {
            epoch: epoch.clone(),
            banks: banks.to_vec(),
            reader: banks[0].reader(FIRST, 1, None),
            accepted: Vec::new(),
        }
    }

    /// One step. `false`: it came no further.
    fn step(&mut self) -> bool {
        match self.reader.ready(1, &self.epoch) {
            Ready::Nothing => false,
            Ready::Frames(count) => {
                require(count == 1, "no more than was asked for");
                self.accepted.push(copy(&self.reader));
                self.reader.advance(1);
                true
            }
            Ready::EpochMoved => self.follow(),
        }
    }

    fn follow(&mut self) -> bool {
        let next = self.reader.next();
        let owner = owner_of(&self.epoch, next, |epoch| {
            let bank = self.banks.get(epoch.bank()).filter(|_| epoch.is_some());
            bank.map(|bank| &bank.header)
        });
        match owner {
            Owner::Found(span) => {
                require(span.epoch.is_some(), "an epoch is found");
                self.reader =
                    self.banks[span.epoch.bank()].reader(span.epoch, next, span.closed_at);
                true
            }
            Owner::NotOpen => {
                saw("not open yet");
                false
            }
            Owner::Gone { .. } => {
                require(false, "no bank is reused here");
                false
            }
        }
    }

    /// Reads the rest, after all writers have ended, and compares with the truth.
    fn finish(mut self, truth: &[u64]) {
        // Two steps for each frame and three to change banks are more than enough.
        for _ in 0..2 * truth.len() + 3 {
            self.step();
        }
        let truth: Vec<_> = truth.iter().map(|&content| Some(content)).collect();
        require(
            self.accepted.len() >= truth.len(),
            "a reader gets to the end",
        );
        require(self.accepted == truth, "a reader accepts what counts");
    }
}

/// What counts: `epochs` has each epoch that counts and its first sequence.
fn truth(epochs: &[(EpochWord, u64)], last: u64) -> Vec<u64> {
    (1..=last)
        .filter_map(|sequence| {
            let (epoch, _) = epochs.iter().rfind(|(_, first)| *first <= sequence)?;
            Some(content(*epoch, sequence))
        })
        .collect()
}

/// Publishes up to `last`.
fn publish_to(mut writer: StreamWriter, last: u64) {
    while writer.next() <= last {
        publish_ungated(&mut writer);
    }
}

/// Takes over from [`FIRST`] as [`SECOND`] and publishes up to `last`. Returns `closed_at`.
fn succeed(epoch: &EpochCell, old: &Bank, new: &Bank, last: u64) -> u64 {
    require(epoch.take_over(FIRST, SECOND), "nobody else takes over");
    // As the scan begins, everything that counts is less than a lap above what the bound says.
    let from = old.bound.intact_from().max(1);
    let closed_at = scan_end(&old.reader(FIRST, from, None), from);
    let writer = new.writer(SECOND, closed_at);
    new.open(SECOND, closed_at, FIRST);
    publish_to(writer, last);
    closed_at
}

fn two_epochs() {
    taken_over(&["closed at 1", "closed at 2", "closed at 3"], |writer| {
        publish_to(writer, LAST)
    });
}

/// The zombie publishes both frames as one group: the word of the second comes first, and the
/// successor may find it behind a frame that is not there. It never counts without the first.
fn two_epochs_in_a_group() {
    taken_over(&["closed at 1", "", "closed at 3"], |mut writer| {
        publish_group(&mut writer, LAST)
    });
}

/// `closed`: what is seen when the old epoch is closed at 1, 2 and 3.
fn taken_over(closed: &[&'static str; 3], publish: fn(StreamWriter)) {
    let epoch = epoch_cell(FIRST);
    let banks = [Bank::first(4), Bank::new(4)];
    let zombie = thread::spawn({
        let writer = banks[0].writer(FIRST, 1);
        move || publish(writer)
    });
    let successor = thread::spawn({
        let (epoch, [old, new]) = (epoch.clone(), banks.clone());
        move || succeed(&epoch, &old, &new, LAST)
    });
    let mut follower = Follower::new(&epoch, &banks);
    for _ in 0..4 {
        follower.step();
    }
    sure(zombie.join().ok());
    let closed_at = sure(successor.join().ok());
    let seen = closed[closed_at as usize - 1];
    require(!seen.is_empty(), "a group counts as a whole");
    saw(seen);
    follower.finish(&truth(&[(FIRST, 1), (SECOND, closed_at)], LAST));
}

/// The full spaces are too large for every run.
const ROUND: Option<usize> = Some(5);
const TWO_EPOCHS: Option<usize> = Some(4);

#[test]
fn readers_see_one_sequence() {
    let seen = ["closed at 1", "closed at 2", "closed at 3", "not open yet"];
    holds(TWO_EPOCHS, &seen, two_epochs);
}

#[test]
fn readers_see_one_sequence_of_groups() {
    let seen = ["closed at 1", "closed at 3", "not open yet"];
    holds(TWO_EPOCHS, &seen, two_epochs_in_a_group);
}

#[test]
fn takeover_fence_is_needed_by_groups() {
    fails_without(SyncPoint::TakeoverFence, TWO_EPOCHS, two_epochs_in_a_group);
}

#[test]
fn epoch_check_is_needed_by_groups() {
    fails_without(SyncPoint::EpochCheck, TWO_EPOCHS, two_epochs_in_a_group);
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
fn open_release_is_needed() {
    fails_without(SyncPoint::OpenRelease, TWO_EPOCHS, two_epochs);
}

#[test]
fn open_acquire_is_needed() {
    fails_without(SyncPoint::OpenAcquire, TWO_EPOCHS, two_epochs);
}

/// The third epoch takes over from the second, which may have opened its bank or not. Returns the
/// epochs that count.
fn succeed_twice(epoch: &EpochCell, banks: &[Bank; 3]) -> Vec<(EpochWord, u64)> {
    require(epoch.take_over(SECOND, THIRD), "nobody else takes over");
    let (counting, previous) = match banks[1].header.read(SECOND) {
        Some(opened) => {
            saw("the second opened in time");
            (
                vec![(FIRST, 1), (SECOND, opened.first_sequence)],
                (SECOND, opened.first_sequence),
            )
        }
        None => {
            saw("the second is skipped");
            (vec![(FIRST, 1)], (FIRST, 1))
        }
    };
    let (before, from) = previous;
    let closed_at = scan_end(&banks[before.bank()].reader(before, from, None), from);
    let writer = banks[2].writer(THIRD, closed_at);
    banks[2].open(THIRD, closed_at, before);
    publish_to(writer, LAST);
    [counting, vec![(THIRD, closed_at)]].concat()
}

/// Three epochs: the first publishes on, the second has moved the word on and not scanned yet, the
/// third takes over from it.
struct ThreeEpochs {
    epoch: EpochCell,
    banks: [Bank; 3],
    first: JoinHandle<()>,
    second: JoinHandle<()>,
    third: JoinHandle<Vec<(EpochWord, u64)>>,
}

impl ThreeEpochs {
    fn begin() -> Self {
        let epoch = epoch_cell(FIRST);
        let banks = [Bank::first(4), Bank::new(4), Bank::new(4)];
        let mut writer = banks[0].writer(FIRST, 1);
        publish_ungated(&mut writer);
        require(epoch.take_over(FIRST, SECOND), "nobody else takes over");
        let first = thread::spawn(move || publish_to(writer, LAST));
        let second = thread::spawn({
            let [old, new, _] = banks.clone();
            move || {
                let closed_at = scan_end(&old.reader(FIRST, 1, None), 1);
                let writer = new.writer(SECOND, closed_at);
                new.open(SECOND, closed_at, FIRST);
                publish_to(writer, LAST);
            }
        });
        let third = thread::spawn({
            let (epoch, banks) = (epoch.clone(), banks.clone());
            move || succeed_twice(&epoch, &banks)
        });
        ThreeEpochs {
            epoch,
            banks,
            first,
            second,
            third,
        }
    }

    /// Waits for the writers. Returns the epochs that count.
    fn end(self) -> Vec<(EpochWord, u64)> {
        sure(self.first.join().ok());
        sure(self.second.join().ok());
        sure(self.third.join().ok())
    }
}

fn three_epochs() {
    let model = ThreeEpochs::begin();
    let mut follower = Follower::new(&model.epoch, &model.banks);
    for _ in 0..3 {
        follower.step();
    }
    follower.finish(&truth(&model.end(), LAST));
}

/// Only asks where the frame at [`LAST`] is: what is said to be closed needs no further check.
fn late_opening() {
    let model = ThreeEpochs::begin();
    let banks = model.banks.clone();
    let owner = owner_of(&model.epoch, LAST, |epoch| {
        let bank = banks.get(epoch.bank()).filter(|_| epoch.is_some());
        bank.map(|bank| &bank.header)
    });
    let epochs = model.end();
    let Owner::Found(span) = owner else { return };
    let Some(closed_at) = span.closed_at else {
        return;
    };
    saw("closed");
    let place = epochs.iter().position(|(epoch, _)| *epoch == span.epoch);
    let next = place.and_then(|place| epochs.get(place + 1));
    require(
        next.is_some_and(|(_, first)| *first == closed_at),
        "an epoch that is closed counts, and ends where the next that counts begins",
    );
}

const THREE_EPOCHS: Option<usize> = Some(2);

#[test]
fn an_epoch_that_never_opens_is_skipped() {
    let seen = ["the second opened in time", "the second is skipped"];
    holds(THREE_EPOCHS, &seen, three_epochs);
}

#[test]
fn an_epoch_that_opens_late_closes_nothing() {
    let seen = [
        "the second opened in time",
        "the second is skipped",
        "closed",
    ];
    holds(THREE_EPOCHS, &seen, late_opening);
}

#[test]
fn the_fences_are_needed_where_an_epoch_opens_late() {
    fails_without(SyncPoint::TakeoverFence, THREE_EPOCHS, late_opening);
    fails_without(SyncPoint::EpochCheck, THREE_EPOCHS, late_opening);
}

/// The zombie goes round its ring of two slots: it publishes 3 over the slot of 1.
fn round_the_ring() {
    let epoch = epoch_cell(FIRST);
    let banks = [Bank::first(2), Bank::new(2)];
    let mut first = banks[0].writer(FIRST, 1);
    first.extend(None);
    publish(&mut first);
    let zombie = thread::spawn(move || publish_to(first, 3));
    let successor = thread::spawn({
        let (epoch, [old, new]) = (epoch.clone(), banks.clone());
        move || succeed(&epoch, &old, &new, 0)
    });
    let mut reader = banks[0].reader(FIRST, 1, None);
    let mut accepted = 0;
    for sequence in 1..=2 {
        if reader.ready(1, &epoch) == Ready::Frames(1) {
            accepted = sequence;
            reader.advance(1);
        }
    }
    sure(zombie.join().ok());
    let closed_at = sure(successor.join().ok());
    if accepted == 2 {
        saw("both accepted");
    }
    require(closed_at > accepted, "what a reader accepted counts");
}

#[test]
fn a_scan_while_the_ring_goes_round() {
    holds(ROUND, &["both accepted"], round_the_ring);
}

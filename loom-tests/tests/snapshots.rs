//! A successor reads snapshots while the replaced sequencer still writes them.
//!
//! `replaced` has both slots full and a writer that fills the older one anew, `first` a writer
//! that fills them for the first time. Required: what is accepted is one whole snapshot, of the
//! epoch asked for, not above `closed_at`, and the newest such one that was complete before the
//! reader began.
//!
//! | weakened | what happens |
//! |---|---|
//! | `SnapshotRelease` | `first`: the end mark is seen before the table; `replaced`: the new table is seen, the new begin mark is not |
//! | `SnapshotAcquire` | the same |
//!
//! The two models are for the two halves of each: the end mark's store and load, and the fences
//! beside the begin mark.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::protocol::Words;
use selvedge_fabric::protocol::epoch::EpochWord;
use selvedge_fabric::protocol::snapshot::Snapshots;
use selvedge_loom_tests::{FIRST, SECOND, SyncPoint, fails_without, holds, require, saw, sure};

const SOURCES: usize = 2;

/// Every interleaving.
const BOUND: Option<usize> = None;

fn empty() -> Snapshots {
    sure(Snapshots::new(
        Words::private(Snapshots::words(SOURCES)),
        SOURCES,
    ))
}

/// The table as of `sequence`.
fn table(sequence: u64) -> [u64; SOURCES] {
    [10 * sequence + 1, 10 * sequence + 2]
}

fn write(snapshots: &Snapshots, turn: u64) {
    let sequence = turn + 1;
    snapshots.write(turn, FIRST, sequence, &table(sequence));
}

/// Reads, and checks what is accepted. `None`: nothing is.
fn read(snapshots: &Snapshots, epoch: EpochWord, closed_at: u64) -> Option<u64> {
    let mut last = Vec::new();
    let sequence = snapshots.read(epoch, closed_at, &mut last)?;
    require(epoch == FIRST, "a snapshot is of the epoch asked for");
    require(sequence <= closed_at, "a snapshot is not above the end");
    require(last == table(sequence), "an accepted snapshot is whole");
    Some(sequence)
}

fn replaced() {
    let snapshots = empty();
    write(&snapshots, 0);
    write(&snapshots, 1);
    let writer = thread::spawn({
        let snapshots = snapshots.clone();
        move || write(&snapshots, 2)
    });
    // Closed at 1: only the snapshot that is being replaced would do.
    match read(&snapshots, FIRST, 1) {
        Some(_) => saw("the old one"),
        None => saw("the old one is gone"),
    }
    let newest = sure(read(&snapshots, FIRST, 3));
    require(newest >= 2, "the newest complete snapshot is found");
    require(read(&snapshots, SECOND, 3).is_none(), "no other epoch's");
    sure(writer.join().ok());
    require(read(&snapshots, FIRST, 3) == Some(3), "the newest is found");
    require(read(&snapshots, FIRST, 2) == Some(2), "the older is found");
}

fn first() {
    let snapshots = empty();
    let writer = thread::spawn({
        let snapshots = snapshots.clone();
        move || {
            write(&snapshots, 0);
            write(&snapshots, 1);
        }
    });
    match read(&snapshots, FIRST, 9) {
        Some(2) => saw("the second"),
        Some(_) => saw("the first"),
        None => saw("none yet"),
    }
    sure(writer.join().ok());
    require(read(&snapshots, FIRST, 9) == Some(2), "the newest is found");
}

#[test]
fn an_accepted_snapshot_is_whole() {
    holds(BOUND, &["the old one", "the old one is gone"], replaced);
}

#[test]
fn so_is_the_first() {
    holds(BOUND, &["none yet", "the first", "the second"], first);
}

#[test]
fn snapshot_release_is_needed() {
    fails_without(SyncPoint::SnapshotRelease, BOUND, replaced);
    fails_without(SyncPoint::SnapshotRelease, BOUND, first);
}

#[test]
fn snapshot_acquire_is_needed() {
    fails_without(SyncPoint::SnapshotAcquire, BOUND, replaced);
    fails_without(SyncPoint::SnapshotAcquire, BOUND, first);
}

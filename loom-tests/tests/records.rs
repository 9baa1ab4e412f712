//! A table entry is read while its owner replaces it.
//!
//! Each content has a key of its own. Required: fields that are accepted with a key are that key's
//! content; an empty entry is never read.
//!
//! | weakened | what happens |
//! |---|---|
//! | `RecordRelease` | `first`: the key is seen before the fields; `replaced`: new fields are seen, and the key not gone |
//! | `RecordAcquire` | the same |
//!
//! The two models are for the two halves of each: the key's store and load, and the fences after
//! taking the key away and before loading it again.
#![cfg(loom)]

use loom::thread;
use selvedge_fabric::protocol::Words;
use selvedge_fabric::protocol::record::Record;
use selvedge_loom_tests::{SyncPoint, fails_without, holds, require, saw, sure};

/// Every interleaving.
const BOUND: Option<usize> = None;

fn fields(key: u64) -> [u64; 2] {
    [10 * key + 1, 10 * key + 2]
}

fn read(record: &Record) -> Option<u64> {
    let mut found = [0; 2];
    let key = record.read(&mut found)?;
    require(key != 0, "an empty entry is not read");
    require(found == fields(key), "an entry is one content");
    Some(key)
}

fn replaced() {
    let record = sure(Record::new(Words::private(3)));
    record.write(1, &fields(1));
    let owner = thread::spawn({
        let record = record.clone();
        move || {
            record.clear();
            record.write(2, &fields(2));
        }
    });
    match read(&record) {
        Some(1) => saw("the old"),
        Some(_) => saw("the new"),
        None => saw("neither"),
    }
    sure(owner.join().ok());
    require(read(&record) == Some(2), "the new content is there");
}

fn first() {
    let record = sure(Record::new(Words::private(3)));
    let owner = thread::spawn({
        let record = record.clone();
        move || record.write(1, &fields(1))
    });
    match read(&record) {
        Some(_) => saw("the first"),
        None => saw("none yet"),
    }
    sure(owner.join().ok());
    require(read(&record) == Some(1), "the content is there");
}

#[test]
fn an_entry_is_read_whole() {
    holds(BOUND, &["the old", "the new", "neither"], replaced);
}

#[test]
fn so_is_the_first() {
    holds(BOUND, &["the first", "none yet"], first);
}

#[test]
fn record_release_is_needed() {
    fails_without(SyncPoint::RecordRelease, BOUND, replaced);
    fails_without(SyncPoint::RecordRelease, BOUND, first);
}

#[test]
fn record_acquire_is_needed() {
    fails_without(SyncPoint::RecordAcquire, BOUND, replaced);
    fails_without(SyncPoint::RecordAcquire, BOUND, first);
}

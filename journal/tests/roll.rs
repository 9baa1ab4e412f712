//! Segments that end by time.

mod common;

use common::{check, header_of, identity, payload_of, segments, small};
use selvedge_fabric::frame::FrameHeader;
use selvedge_journal::storage::{Faults, MemoryStorage};
use selvedge_journal::{
    Append, Dictionary, JournalConfig, JournalReader, JournalWriter, ReadOptions, SyncPolicy,
    Verdict, WriteMode,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// The frame with this sequence, stamped in second `second` and a little later than the one before.
fn append(writer: &mut JournalWriter, second: u64) {
    let sequence = writer.next_sequence();
    let like = header_of(sequence, 7, 3, 40);
    let descriptor =
        FrameHeader::descriptor_word(like.message_type(), like.topic(), 40, like.flags());
    let timestamp = second * SECOND + sequence;
    let header = FrameHeader::new(1, sequence, timestamp, 3, sequence, descriptor);
    let payload = payload_of(sequence, 40);
    while writer.append(&header, &payload).unwrap() == Append::WouldBlock {
        std::thread::yield_now();
    }
}

fn rolling(mode: WriteMode, clock: fn() -> u64) -> JournalConfig {
    JournalConfig {
        roll_every: Some(Duration::from_secs(1)),
        segment_bytes: 1 << 20,
        buffers: 16,
        sync: SyncPolicy::EveryBlock,
        mode,
        clock,
        ..small()
    }
}

fn open(storage: &MemoryStorage, config: &JournalConfig) -> JournalWriter {
    let storage = Arc::new(storage.clone());
    JournalWriter::open_in(storage, &identity(), 1, &Dictionary::default(), config).unwrap()
}

/// The seconds in which the frames of each segment are stamped, and how many frames it has.
fn seconds_of_segments(storage: &MemoryStorage) -> Vec<(u64, u64)> {
    let firsts: Vec<u64> = segments(storage)
        .iter()
        .map(|name| name[11..26].parse().unwrap())
        .collect();
    let mut found: Vec<(u64, u64)> = Vec::new();
    let mut reader =
        JournalReader::open_in(Arc::new(storage.clone()), ReadOptions::default()).unwrap();
    while let Some((header, _)) = reader.next().unwrap() {
        let second = header.timestamp() / SECOND;
        if firsts.contains(&header.sequence()) {
            found.push((second, 0));
        }
        let last = found.last_mut().expect("the first frame begins a segment");
        assert_eq!(last.0, second, "a segment has frames of two periods");
        last.1 += 1;
    }
    assert_eq!(firsts.len(), found.len(), "a segment has no frame");
    found
}

#[test]
fn a_segment_holds_the_frames_of_one_period_and_none_is_without_a_frame() {
    for mode in [WriteMode::Inline, WriteMode::HelperThread] {
        let storage = MemoryStorage::new();
        let config = rolling(mode, || 0);
        let mut writer = open(&storage, &config);
        // Nothing comes in seconds 12 to 19; the last frame of a period is not flushed.
        for (second, frames) in [(10, 3), (11, 200), (20, 1), (21, 7)] {
            for _ in 0..frames {
                append(&mut writer, second);
            }
        }
        writer.finish().unwrap();
        assert_eq!(
            seconds_of_segments(&storage),
            [(10, 3), (11, 200), (20, 1), (21, 7)],
            "{mode:?}"
        );
        assert_eq!(check(&storage).verdict, Verdict::Sealed);
    }
}

#[test]
fn a_writer_that_opens_the_journal_again_goes_on_in_the_same_period_only() {
    let storage = MemoryStorage::new();
    let config = rolling(WriteMode::Inline, || 0);
    let mut writer = open(&storage, &config);
    append(&mut writer, 10);
    drop(writer);
    let mut writer = open(&storage, &config);
    append(&mut writer, 10);
    drop(writer);
    let mut writer = open(&storage, &config);
    append(&mut writer, 12);
    writer.finish().unwrap();
    assert_eq!(seconds_of_segments(&storage), [(10, 2), (12, 1)]);
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
}

/// The first frame of a period is there, then a sync fails, and it is as if it had not come.
#[test]
fn frames_that_come_again_after_a_failed_sync_end_their_period_again() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &rolling(WriteMode::Inline, || 0));
    append(&mut writer, 10);
    writer.request_sync().unwrap();
    append(&mut writer, 10);
    storage.set_faults(Faults {
        syncs_left: Some(0),
        ..Faults::default()
    });
    append(&mut writer, 11);
    assert!(writer.request_sync().is_err());
    storage.set_faults(Faults::default());
    writer.retry().unwrap();
    assert_eq!(writer.next_sequence(), 2);
    append(&mut writer, 10);
    append(&mut writer, 11);
    writer.finish().unwrap();
    assert_eq!(seconds_of_segments(&storage), [(10, 2), (11, 1)]);
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
}

static CLOCK: AtomicU64 = AtomicU64::new(0);

#[test]
fn a_period_that_is_over_is_sealed_although_no_frame_comes() {
    let storage = MemoryStorage::new();
    // The host's clock and the fabric's need not agree: only what passes counts.
    let start = 77 * SECOND;
    CLOCK.store(start, Ordering::Relaxed);
    let mut config = rolling(WriteMode::HelperThread, || CLOCK.load(Ordering::Relaxed));
    config.segment_bytes = 64 << 10;
    let mut writer = open(&storage, &config);
    append(&mut writer, 10);
    writer.flush().unwrap();
    let positions = writer.positions();
    while positions.durable() < 1 {
        std::thread::yield_now();
    }
    let bytes = || storage.content(&segments(&storage)[0]).unwrap();
    // Reserved whole as long as it is open.
    assert_eq!(bytes().len(), 64 << 10);
    CLOCK.store(start + 3 * SECOND, Ordering::Relaxed);
    while bytes().len() == 64 << 10 {
        std::thread::yield_now();
    }
    drop(writer);
    assert_eq!(segments(&storage).len(), 1, "no segment without a frame");
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
}

#[test]
fn only_whole_parts_of_a_day_are_taken() {
    for (every, fits) in [(3600, true), (86_400, true), (7, false), (172_800, false)] {
        let config = JournalConfig {
            roll_every: Some(Duration::from_secs(every)),
            ..JournalConfig::default()
        };
        assert_eq!(config.check().is_ok(), fits, "{every} s");
    }
}

//! What is read by the index alone: records between frames, and what is known at the end.

mod common;

use common::{
    activities, activity, append_to, block_offsets, check, header_of, joined, journal, open,
    read_all, reader, segments, small, wait_for_error,
};
use selvedge_journal::format::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind};
use selvedge_journal::storage::{Faults, MemoryStorage, Storage};
use selvedge_journal::{
    AlarmState, Append, BlockFault, JournalConfig, JournalError, JournalReader, JournalWriter,
    ReadOptions, SyncPolicy, Verdict, WriteMode, final_dictionary_in, inspect_in,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

/// One segment: a block for every four frames, and a record before every tenth of them.
fn with_records(frames: u64) -> (MemoryStorage, JournalWriter) {
    let config = JournalConfig {
        segment_bytes: 1 << 20,
        ..small()
    };
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &config).unwrap();
    for last in (4..=frames).step_by(4) {
        append_to(&mut writer, last);
        if last % 40 == 0 {
            assert!(writer.record(&activity(&last.to_string())).unwrap());
        }
        writer.flush().unwrap();
    }
    (storage, writer)
}

fn details(storage: &MemoryStorage) -> Result<Vec<String>, JournalError> {
    let found = activities(storage)?;
    Ok(found.into_iter().map(|(_, detail)| detail).collect())
}

fn expected(frames: u64) -> Vec<String> {
    (40..=frames)
        .step_by(40)
        .map(|last| last.to_string())
        .collect()
}

/// The blocks of a segment, in order.
fn blocks(segment: &[u8]) -> Vec<BlockHeader> {
    block_offsets(segment)
        .into_iter()
        .filter_map(|at| BlockHeader::from_prefix(&segment[at..]))
        .collect()
}

fn of_kind(segment: &[u8], kind: BlockKind) -> Vec<BlockHeader> {
    let mut found = blocks(segment);
    found.retain(|block| block.kind == kind as u16);
    found
}

/// Changes a block's payload and computes its checks again.
fn forge(segment: &mut [u8], block: &BlockHeader, change: impl Fn(&mut [u8])) {
    let mut block = *block;
    let at = block.offset as usize;
    let start = at + BLOCK_HEADER_BYTES;
    let payload = &mut segment[start..start + block.payload_bytes as usize];
    change(payload);
    block.hash = block.compute_hash(payload);
    block.crc32c = block.compute_crc(payload);
    segment[at..start].copy_from_slice(block.as_bytes());
}

#[track_caller]
fn same_dictionary(storage: &MemoryStorage) {
    let inspected = inspect_in(storage).unwrap().dictionary;
    assert_eq!(final_dictionary_in(storage).unwrap(), inspected);
}

#[test]
fn what_is_known_at_the_end_is_what_reading_the_last_segment_gives() {
    let join = |writer: &mut JournalWriter, source| {
        let (header, payload) = joined(writer.next_sequence(), source, &format!("late{source}"));
        assert_eq!(writer.append(&header, &payload).unwrap(), Append::Done);
    };
    // Sealed, in one segment and in several.
    same_dictionary(&journal(50, 7, &small()));
    let many = journal(3_000, 7, &small());
    assert!(segments(&many).len() > 2);
    same_dictionary(&many);
    // Open, with news in the last block, before it, and in none; with a record behind.
    for (before, behind, record) in [(0, 0, false), (3, 0, false), (0, 9, true), (3, 9, false)] {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &small()).unwrap();
        append_to(&mut writer, 20 + before);
        join(&mut writer, 8);
        writer.flush().unwrap();
        let last = writer.next_sequence() - 1 + behind;
        append_to(&mut writer, last);
        if behind > 0 {
            writer.flush().unwrap();
            join(&mut writer, 9);
        }
        if record {
            assert!(writer.record(&activity("x")).unwrap());
        }
        drop(writer);
        let known = final_dictionary_in(&storage).unwrap();
        assert_eq!(known.source(8), Some("late8"));
        assert_eq!(known.source(9), (behind > 0).then_some("late9"));
        same_dictionary(&storage);
        // Torn inside the last block.
        let name = segments(&storage).remove(0);
        storage.change(&name, |bytes| {
            let last = *block_offsets(bytes).last().unwrap();
            bytes[last + 100..last + 300].fill(0xEE);
        });
        same_dictionary(&storage);
        // Gone on with, which says all again.
        drop(open(&storage, &small()).unwrap());
        same_dictionary(&storage);
    }
}

#[test]
fn damage_to_a_record_or_a_dictionary_is_told_with_its_block() {
    let (storage, writer) = with_records(400);
    writer.finish().unwrap();
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    assert_eq!(details(&storage).unwrap(), expected(400));
    let damaged = |kind: BlockKind, nth: usize, error: JournalError| {
        let expected = of_kind(&whole, kind)[nth];
        let JournalError::Damaged {
            block,
            offset,
            sequence,
            fault,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(
            (block, offset, sequence),
            (
                expected.block_number,
                expected.offset,
                expected.first_sequence
            )
        );
        fault
    };
    // A flipped bit.
    let third = of_kind(&whole, BlockKind::Activity)[2].offset as usize;
    storage.change(&name, |bytes| bytes[third + BLOCK_HEADER_BYTES] ^= 1);
    let fault = damaged(BlockKind::Activity, 2, details(&storage).unwrap_err());
    assert!(matches!(fault, BlockFault::Crc { .. }), "{fault}");
    // A whole block with a record that is none.
    storage.put(&name, &whole);
    let block = of_kind(&whole, BlockKind::Activity)[1];
    storage.change(&name, |bytes| {
        forge(bytes, &block, |payload| payload.fill(0xFF));
    });
    let fault = damaged(BlockKind::Activity, 1, details(&storage).unwrap_err());
    assert!(matches!(fault, BlockFault::Payload(_)), "{fault}");
    storage.put(&name, &whole);
    let block = of_kind(&whole, BlockKind::Dictionary)[1];
    storage.change(&name, |bytes| {
        forge(bytes, &block, |payload| payload.fill(0xFF));
    });
    let error = final_dictionary_in(&storage).unwrap_err();
    let fault = damaged(BlockKind::Dictionary, 1, error);
    assert!(matches!(fault, BlockFault::Payload(_)), "{fault}");
}

/// Of the entry at this place in an index: the code of its kind.
fn kind_at(entries: &mut [u8], place: usize, kind: BlockKind) {
    entries[place * 32 + 28..place * 32 + 30].copy_from_slice(&(kind as u16).to_le_bytes());
}

#[test]
fn an_index_that_calls_a_block_what_it_is_not_is_damage() {
    let (storage, writer) = with_records(400);
    writer.finish().unwrap();
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    let index = of_kind(&whole, BlockKind::Index)[0];
    let place = of_kind(&whole, BlockKind::Frames)[3].block_number as usize;
    for kind in [BlockKind::Activity, BlockKind::Dictionary] {
        storage.put(&name, &whole);
        storage.change(&name, |bytes| {
            forge(bytes, &index, |entries| kind_at(entries, place, kind));
            // And the seal, which names the index by its hash.
            let mut seal = of_kind(bytes, BlockKind::Seal)[0];
            seal.previous_hash = of_kind(bytes, BlockKind::Index)[0].hash;
            forge(bytes, &seal, |_| ());
        });
        let error = match kind {
            BlockKind::Activity => details(&storage).unwrap_err(),
            _ => final_dictionary_in(&storage).unwrap_err(),
        };
        assert!(
            matches!(error, JournalError::Damaged { block, fault: BlockFault::NotIndexed, .. }
                if block == place as u64),
            "{error}"
        );
    }
}

/// The index of a sealed segment calls every record and dictionary a Snapshot, its checks right: it
/// is not the one that was sealed.
#[test]
fn a_forged_index_block_hides_no_record_and_no_name() {
    let (storage, writer) = with_records(400);
    writer.finish().unwrap();
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    let known = final_dictionary_in(&storage).unwrap();
    let index = of_kind(&whole, BlockKind::Index)[0];
    let hidden = [BlockKind::Activity, BlockKind::Dictionary].map(|kind| of_kind(&whole, kind));
    storage.change(&name, |bytes| {
        forge(bytes, &index, |entries| {
            for block in hidden.iter().flatten() {
                kind_at(entries, block.block_number as usize, BlockKind::Snapshot);
            }
        });
    });
    let found = (
        details(&storage).unwrap(),
        final_dictionary_in(&storage).unwrap(),
    );
    assert_eq!(found, (expected(400), known));
    assert_eq!(check(&storage).verdict, Verdict::Damaged);
}

#[test]
fn a_forged_index_file_hides_no_record_and_no_name() {
    let (storage, mut writer) = with_records(400);
    let payload = joined(writer.next_sequence(), 9, "late").1;
    let header = header_of(writer.next_sequence(), 0xF002, 0, payload.len());
    assert_eq!(writer.append(&header, &payload).unwrap(), Append::Done);
    let last = writer.next_sequence() + 40;
    append_to(&mut writer, last);
    drop(writer);
    // A seek leaves the file; then every record and every dictionary in it is called a Snapshot.
    JournalReader::open_in(Arc::new(storage.clone()), ReadOptions::default())
        .and_then(|mut reader| reader.seek(300))
        .unwrap();
    let file = segments(&storage)[0].replace(".segment", ".index");
    let mut content = storage.content(&file).unwrap();
    let entries = (content.len() - 128) / 32;
    for place in 0..entries {
        let at = 128 + place * 32 + 28;
        let kind = u16::from_le_bytes([content[at], content[at + 1]]);
        if kind == BlockKind::Activity as u16 || kind == BlockKind::Dictionary as u16 {
            kind_at(&mut content[128..], place, BlockKind::Snapshot);
        }
    }
    content[80..112].fill(0);
    let hash = blake3::hash(&content);
    content[80..112].copy_from_slice(hash.as_bytes());
    storage.remove(&file).unwrap();
    storage.put(&file, &content);
    assert_eq!(details(&storage).unwrap(), expected(400));
    same_dictionary(&storage);
    // Nor for whoever seeks by it.
    let mut reader = reader(&storage).unwrap();
    reader.seek(last).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().0.sequence(), last);
    assert_eq!(reader.dictionary().source(3), Some("feed"));
    assert_eq!(reader.dictionary().source(9), Some("late"));
    assert_eq!(storage.content(&file).unwrap(), content, "still forged");
}

/// A host that loses its power finds the record: on an idle fabric, too, no frame behind it.
#[test]
fn a_record_becomes_durable_although_no_frame_comes() {
    for (sync, mode) in [
        (
            SyncPolicy::EveryInterval(Duration::from_millis(20)),
            WriteMode::HelperThread,
        ),
        (SyncPolicy::EveryBlock, WriteMode::HelperThread),
        (SyncPolicy::EveryInterval(Duration::ZERO), WriteMode::Inline),
        (SyncPolicy::EveryBlock, WriteMode::Inline),
    ] {
        let config = JournalConfig {
            sync,
            mode,
            buffers: 4,
            ..small()
        };
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &config).unwrap();
        append_to(&mut writer, 10);
        writer.request_sync().unwrap();
        while writer.positions().durable() < 10 {
            std::thread::yield_now();
        }
        for number in 0..3 {
            assert!(writer.record(&activity(&number.to_string())).unwrap());
            let expected: Vec<String> = (0..=number).map(|one: u32| one.to_string()).collect();
            let is_durable = || {
                (0..20).all(|seed| {
                    let found = storage.after_power_loss(seed);
                    details(&found).is_ok_and(|details| details == expected)
                })
            };
            let began = Instant::now();
            while !is_durable() {
                assert!(
                    mode == WriteMode::HelperThread && began.elapsed() < Duration::from_secs(20),
                    "{sync:?}, {mode:?}: record {number}"
                );
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        // What a record's sync says is true of frames: none was forgotten, none is durable early.
        assert_eq!(writer.positions().durable(), 10);
        append_to(&mut writer, 20);
        assert_eq!(writer.finish().unwrap().last_sequence, 20);
        assert_eq!(check(&storage).verdict, Verdict::Sealed);
    }
}

/// Written by a thread, and synced when asked.
fn by_thread() -> JournalConfig {
    JournalConfig {
        mode: WriteMode::HelperThread,
        block_alignment: 4096,
        buffers: 16,
        ..small()
    }
}

/// What the journal holds after all, whatever was only in the page cache.
#[track_caller]
fn holds(storage: &MemoryStorage, records: &[(u64, &str)]) -> MemoryStorage {
    let found = storage.after_power_loss(7);
    let all = activities(&found).unwrap();
    let all: Vec<(u64, &str)> = all.iter().map(|(at, one)| (*at, one.as_str())).collect();
    assert_eq!(all, records);
    assert_eq!(check(&found).verdict, Verdict::Sealed);
    found
}

#[test]
fn records_that_a_failed_sync_takes_away_are_written_again_in_their_place() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &by_thread()).unwrap();
    assert!(writer.record(&activity("durable")).unwrap());
    append_to(&mut writer, 10);
    writer.request_sync().unwrap();
    while writer.positions().durable() < 10 {
        std::thread::yield_now();
    }
    assert!(writer.record(&activity("alone")).unwrap());
    while activities(&storage).unwrap().len() < 2 {
        std::thread::yield_now();
    }
    append_to(&mut writer, 20);
    assert!(writer.record(&activity("between")).unwrap());
    append_to(&mut writer, 30);
    assert!(writer.record(&activity("behind")).unwrap());
    while activities(&storage).unwrap().len() < 4 {
        std::thread::yield_now();
    }
    storage.set_faults(Faults {
        syncs_left: Some(0),
        ..Faults::default()
    });
    writer.request_sync().unwrap();
    wait_for_error(&mut writer);
    storage.set_faults(Faults::default());
    writer.retry().unwrap();
    append_to(&mut writer, 40);
    writer.finish().unwrap();
    let records = [
        (1, "durable"),
        (11, "alone"),
        (21, "between"),
        (31, "behind"),
    ];
    let found = holds(&storage, &records);
    assert_eq!(read_all(&mut reader(&found).unwrap()).unwrap(), 40);
    assert_eq!(check(&found).recoveries.len(), 1);
}

/// The write of a record or a gap fails: before anything of it comes to the disk, or when only the
/// zeros behind it do not. Whichever it was, it is written once, although opening again fails, too,
/// with a block of its own where the record was to be.
#[test]
fn after_its_own_write_failed_a_record_or_gap_is_there_once() {
    for (gap, whole) in [(false, false), (false, true), (true, false), (true, true)] {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &by_thread()).unwrap();
        append_to(&mut writer, 10);
        // What the first frames name comes to the disk with it.
        assert!(writer.record(&activity("before")).unwrap());
        while activities(&storage).unwrap().is_empty() {
            std::thread::yield_now();
        }
        storage.set_faults(Faults {
            writes_left: Some(u64::from(whole)),
            longest_write: Some(1024),
            ..Faults::default()
        });
        match gap {
            false => assert!(writer.record(&activity("once")).unwrap()),
            true => assert!(writer.declare_gap(15, 1, AlarmState::Other).unwrap()),
        }
        wait_for_error(&mut writer);
        storage.set_faults(Faults {
            writes_left: Some(2),
            ..Faults::default()
        });
        writer.retry().unwrap();
        wait_for_error(&mut writer);
        storage.set_faults(Faults::default());
        writer.retry().unwrap();
        append_to(&mut writer, 20);
        let positions = writer.positions();
        writer.finish().unwrap();
        let found = match gap {
            false => holds(&storage, &[(11, "before"), (11, "once")]),
            true => holds(&storage, &[(11, "before")]),
        };
        let gaps: Vec<(u64, u64)> = check(&found)
            .gaps
            .iter()
            .map(|gap| (gap.first_sequence, gap.last_sequence))
            .collect();
        assert_eq!(gaps, if gap { vec![(11, 15)] } else { vec![] });
        assert_eq!(positions.gaps().2, u64::from(gap));
    }
}

/// Where no sync comes to an end, records are not taken without bound, and those that were taken
/// are all there.
#[test]
fn records_wait_for_a_disk_that_stalls_and_are_bounded() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &by_thread()).unwrap();
    storage.set_faults(Faults {
        stalled: true,
        ..Faults::default()
    });
    let mut taken = 0;
    while taken < 200 && writer.record(&activity(&taken.to_string())).unwrap() {
        taken += 1;
        // One by one: what is bounded is not the queue to the thread.
        while activities(&storage).unwrap().len() < taken {
            std::thread::yield_now();
        }
    }
    storage.set_faults(Faults::default());
    assert!(taken < 200, "without bound");
    let began = Instant::now();
    while !writer.record(&activity(&taken.to_string())).unwrap() {
        assert!(began.elapsed() < Duration::from_secs(20), "no room again");
        std::thread::sleep(Duration::from_millis(1));
    }
    writer.finish().unwrap();
    let all: Vec<String> = (0..=taken).map(|number| number.to_string()).collect();
    assert_eq!(details(&storage.after_power_loss(7)).unwrap(), all);
}

//! What is read by the index alone: records between frames, and what is known at the end.

mod common;

use common::{append_to, block_offsets, check, header_of, joined, journal, open, segments, small};
use selvedge_journal::format::{Action, Activity, BLOCK_HEADER_BYTES, BlockHeader, BlockKind};
use selvedge_journal::storage::{MemoryStorage, Storage};
use selvedge_journal::{
    Append, BlockFault, JournalConfig, JournalError, JournalReader, JournalWriter, ReadOptions,
    Record, SyncPolicy, Verdict, WriteMode, final_dictionary_in, inspect_in, records_in,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

fn activity(detail: &str) -> Record {
    Record::Activity(vec![Activity {
        at: 1,
        action: Action::OperatorAction,
        pid: 2,
        uid: 3,
        executable: "x".to_owned(),
        detail: detail.to_owned(),
    }])
}

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
    let mut found = Vec::new();
    records_in(storage, 0, &mut |placed| {
        if let Record::Activity(entries) = placed.record {
            found.extend(entries.into_iter().map(|entry| entry.detail));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
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

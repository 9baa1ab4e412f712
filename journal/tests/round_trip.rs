//! What was appended is read back, whatever the sizes, blocks, segments and threads.

mod common;

use common::*;
use proptest::prelude::*;
use selvedge_fabric::frame::Flags;
use selvedge_journal::storage::{Faults, MemoryStorage};
use selvedge_journal::{
    Append, Dictionary, JournalConfig, JournalError, JournalIdentity, JournalReader, JournalWriter,
    SyncPolicy, Tail, Verdict, VerifyOptions, WriteMode, digest, digest_in, inspect, verify,
    verify_in,
};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_journal_on_disk_with_a_helper_thread() {
    let directory = tempfile::tempdir().unwrap();
    let config = JournalConfig {
        block_bytes: 16 << 10,
        segment_bytes: 256 << 10,
        buffers: 3,
        sync: SyncPolicy::EveryInterval(Duration::from_millis(1)),
        ..JournalConfig::default()
    };
    let mut dictionary = Dictionary::default();
    dictionary.add_topic(5, "equities");
    let mut writer =
        JournalWriter::open(directory.path(), &identity(), 1, &dictionary, &config).unwrap();
    let second = JournalWriter::open(directory.path(), &identity(), 1, &dictionary, &config);
    assert!(matches!(second, Err(JournalError::InUse { .. })));
    append_to(&mut writer, 20_000);
    let positions = writer.positions();
    writer.request_sync().unwrap();
    while positions.durable() < 20_000 {
        std::thread::yield_now();
    }
    assert_eq!(positions.recorded(), 20_000);
    append_to(&mut writer, 20_500);
    let end = writer.finish().unwrap();
    assert_eq!(end.last_sequence, 20_500);
    assert_eq!(positions.durable(), 20_500);
    assert!(end.segments > 5, "{} segments", end.segments);
    assert_eq!(end.sources, vec![(0, 2), (3, 20_500)]);

    let found = inspect(directory.path()).unwrap();
    assert_eq!(found, end);
    let mut reader = JournalReader::open(directory.path()).unwrap();
    assert_eq!(read_all(&mut reader).unwrap(), 20_500);
    assert_eq!(reader.tail().unwrap(), Tail::Sealed);
    assert_eq!(reader.identity().unwrap(), identity());
    let mut calls = 0;
    let report = verify(directory.path(), &VerifyOptions::default(), &mut |_| {
        calls += 1
    })
    .unwrap();
    assert!(calls > 1);
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    assert_eq!((report.frames, report.last_sequence), (20_500, 20_500));
    assert_eq!(report.sealed_segments, end.segments);
    assert_eq!(report.head_hash, end.head_hash);
    let whole = digest(directory.path(), None, None).unwrap();
    assert_eq!(report.digest, Some(whole.hash));
}

#[test]
fn payloads_up_to_the_limit() {
    let storage = MemoryStorage::new();
    let config = JournalConfig {
        block_bytes: 256 << 10,
        segment_bytes: 1 << 20,
        ..small()
    };
    let lengths = [0, 1, 7, 8, 9, 4095, 65_535, 65_536, 100_001, 262_144 - 224];
    let mut writer = open(&storage, &config).unwrap();
    for (at, length) in lengths.into_iter().enumerate() {
        let sequence = at as u64 + 1;
        assert!(writer.has_room(length).unwrap());
        let header = header_of(sequence, 9, 4, length);
        let appended = writer.append(&header, &payload_of(sequence, length));
        assert_eq!(appended.unwrap(), Append::Done);
    }
    let too_long = 262_144 - 223;
    let refused = writer.append(&header_of(11, 9, 4, too_long), &vec![0; too_long]);
    assert!(matches!(
        refused,
        Err(JournalError::FrameTooLarge { sequence: 11, .. })
    ));
    writer.finish().unwrap();
    let mut reader = reader(&storage).unwrap();
    for (at, length) in lengths.into_iter().enumerate() {
        let sequence = at as u64 + 1;
        let (header, payload) = reader.next().unwrap().unwrap();
        assert_eq!(
            header,
            header_of(sequence, 9, 4, length).with_flags(Flags::NONE)
        );
        assert_eq!(payload, payload_of(sequence, length));
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn a_frame_that_does_not_follow_is_refused_and_changes_nothing() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &small()).unwrap();
    append_to(&mut writer, 4);
    for wrong in [0, 4, 6] {
        let refused = writer.append(&header_of(wrong, 7, 3, 1), &[1]);
        assert!(
            matches!(refused, Err(JournalError::OutOfSequence { expected: 5, found }) if found == wrong)
        );
    }
    let refused = writer.append(&header_of(5, 7, 3, 2), &[1]);
    assert!(matches!(refused, Err(JournalError::LengthMismatch { .. })));
    let (five, _) = frame(5);
    let mut words = five.words();
    words[1] = 1_000;
    let early = selvedge_fabric::frame::FrameHeader::from_words(words);
    let refused = writer.append(&early, &frame(5).1);
    assert!(matches!(
        refused,
        Err(JournalError::TimestampDecreased { .. })
    ));
    append_to(&mut writer, 9);
    writer.finish().unwrap();
    assert_eq!(read_all(&mut reader(&storage).unwrap()).unwrap(), 9);
}

#[test]
fn every_sequence_can_be_sought_with_its_dictionary() {
    for finished in [true, false] {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &small()).unwrap();
        append_to(&mut writer, 1_000);
        // A source that joins in the middle of a segment: known from there on.
        let (header, payload) = joined(1_001, 77, "late");
        assert_eq!(writer.append(&header, &payload).unwrap(), Append::Done);
        for sequence in 1_002..=1_500 {
            let header = header_of(sequence, 7, 77, 8);
            assert_eq!(writer.append(&header, &[9; 8]).unwrap(), Append::Done);
        }
        if finished {
            writer.finish().unwrap();
        } else {
            writer.flush().unwrap();
        }
        assert!(segments(&storage).len() > 2);
        let mut reader = reader(&storage).unwrap();
        for sequence in 1..=1_500 {
            reader.seek(sequence).unwrap();
            let (header, _) = reader.next().unwrap().unwrap();
            assert_eq!(header.sequence(), sequence);
            let dictionary = reader.dictionary();
            assert_eq!(dictionary.source(3), Some("feed"), "{sequence}");
            assert_eq!(dictionary.schema(0xF002).is_some(), sequence >= 2);
            assert_eq!(
                dictionary.source(77).is_some(),
                sequence >= 1_001,
                "{sequence}"
            );
        }
        reader.seek(1_501).unwrap();
        assert!(reader.next().unwrap().is_none());
        assert!(matches!(
            reader.seek(1_502),
            Err(JournalError::NoSuchSequence { last: 1_500, .. })
        ));
        assert!(matches!(
            reader.seek(0),
            Err(JournalError::NoSuchSequence { .. })
        ));
    }
}

#[test]
fn a_reader_follows_a_writer_over_segments() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &small()).unwrap();
    let mut reader = reader(&storage).unwrap();
    let mut read = 0;
    for _ in 0..300 {
        let more = writer.next_sequence() + 6;
        append_to(&mut writer, more);
        writer.flush().unwrap();
        let recorded = writer.positions().recorded();
        assert_eq!(recorded, more);
        while let Some((header, _)) = reader.next().unwrap() {
            read += 1;
            assert_eq!(header.sequence(), read);
        }
        assert_eq!(read, recorded);
    }
    assert!(segments(&storage).len() > 3);
    writer.finish().unwrap();
    assert!(reader.next().unwrap().is_none());
    assert_eq!(reader.tail().unwrap(), Tail::Sealed);
}

#[test]
fn reopening_goes_on_where_it_ended() {
    let storage = MemoryStorage::new();
    for round in 1..=6 {
        let mut writer = open(&storage, &small()).unwrap();
        assert_eq!(writer.next_sequence(), (round - 1) * 50 + 1);
        append_to(&mut writer, round * 50);
        if round % 2 == 0 {
            writer.finish().unwrap();
        } else {
            drop(writer);
        }
    }
    assert_eq!(read_all(&mut reader(&storage).unwrap()).unwrap(), 300);
    let report = check(&storage);
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    assert_eq!(report.recoveries.len(), 3);
    assert!(report.recoveries.iter().all(|record| record.cut_bytes == 0));
    assert_eq!(segments(&storage).len(), 3);
}

#[test]
fn another_fabric_and_an_older_life_are_refused_a_newer_life_begins_a_segment() {
    let storage = journal(30, 10, &small());
    let open = |fabric, life| {
        let identity = JournalIdentity::new("test", fabric, life).unwrap();
        JournalWriter::open_in(
            Arc::new(storage.clone()),
            &identity,
            1,
            &Dictionary::default(),
            &small(),
        )
    };
    assert!(matches!(
        open(FABRIC + 1, 1),
        Err(JournalError::OtherFabric { .. })
    ));
    let mut writer = open(FABRIC, 3).unwrap();
    append_to(&mut writer, 60);
    drop(writer);
    assert!(matches!(
        open(FABRIC, 2),
        Err(JournalError::OlderLife { found: 3, .. })
    ));
    let mut writer = open(FABRIC, 4).unwrap();
    append_to(&mut writer, 90);
    let end = writer.finish().unwrap();
    assert_eq!((end.segments, end.identity.life), (3, 4));
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
}

#[test]
fn a_stalled_disk_never_blocks_the_appender() {
    let storage = MemoryStorage::new();
    let config = JournalConfig {
        mode: WriteMode::HelperThread,
        sync: SyncPolicy::EveryBlock,
        buffers: 4,
        ..small()
    };
    let mut writer = open(&storage, &config).unwrap();
    storage.set_faults(Faults {
        stalled: true,
        ..Faults::default()
    });
    // Returns although no sync ever ends: the frames fit in no more than four buffers.
    let mut taken = 0;
    while taken < 1_000 {
        let (header, payload) = frame(writer.next_sequence());
        if writer.append(&header, &payload).unwrap() == Append::WouldBlock {
            break;
        }
        taken += 1;
    }
    assert!((50..1_000).contains(&taken), "{taken} frames taken");
    assert!(!writer.has_room(300).unwrap());
    assert_eq!(writer.positions().durable(), 0);
    storage.set_faults(Faults::default());
    append_to(&mut writer, 1_000);
    assert_eq!(writer.finish().unwrap().last_sequence, 1_000);
    assert_eq!(read_all(&mut reader(&storage).unwrap()).unwrap(), 1_000);
}

#[test]
fn sync_policies_move_durable_as_they_say() {
    let durable_after = |sync| {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &JournalConfig { sync, ..small() }).unwrap();
        for last in 1..=40 {
            append_to(&mut writer, last);
            writer.flush().unwrap();
        }
        assert_eq!(writer.positions().recorded(), 40);
        let durable = writer.positions().durable();
        writer.request_sync().unwrap();
        assert_eq!(writer.positions().durable(), 40);
        durable
    };
    assert_eq!(durable_after(SyncPolicy::EveryBlock), 40);
    assert_eq!(durable_after(SyncPolicy::OnlyAtClose), 0);
    assert_eq!(durable_after(SyncPolicy::EveryInterval(Duration::ZERO)), 40);
    assert_eq!(
        durable_after(SyncPolicy::EveryInterval(Duration::from_secs(3600))),
        0
    );
    let some = durable_after(SyncPolicy::EveryBytes(4096));
    assert!((1..40).contains(&some), "{some}");
}

#[test]
fn two_recordings_of_one_stream_have_one_digest() {
    let one = journal(700, 9, &small());
    let two = journal(
        700,
        700,
        &JournalConfig {
            block_bytes: 64 << 10,
            block_alignment: 4096,
            segment_bytes: 1 << 20,
            ..small()
        },
    );
    let of = |storage: &MemoryStorage, from, to| digest_in(Arc::new(storage.clone()), from, to);
    let whole = of(&one, None, None).unwrap();
    assert_eq!(whole, of(&two, None, None).unwrap());
    assert_eq!((whole.first_sequence, whole.last_sequence), (1, 700));
    let part = of(&one, Some(123), Some(456)).unwrap();
    assert_eq!(part, of(&two, Some(123), Some(456)).unwrap());
    assert_ne!(part.hash, of(&one, Some(123), Some(457)).unwrap().hash);
    assert_ne!(part.hash, of(&one, Some(122), Some(456)).unwrap().hash);
    // Exactly as documented: the frames' bytes, one after the other.
    let mut hasher = blake3::Hasher::new();
    for sequence in 123..=456 {
        let (header, mut payload) = frame(sequence);
        payload.resize(payload.len().next_multiple_of(8), 0);
        hasher.update(&header.with_flags(Flags::NONE).to_bytes());
        hasher.update(&payload);
    }
    assert_eq!(*hasher.finalize().as_bytes(), part.hash);
    assert!(matches!(
        of(&one, Some(1), Some(701)),
        Err(JournalError::NoSuchSequence { sequence: 701, .. })
    ));
}

#[test]
fn the_head_hash_tells_when_segments_were_taken_off_the_end() {
    let storage = journal(900, 50, &small());
    let whole = check(&storage);
    let cut = storage.copy();
    let last = segments(&cut).pop().unwrap();
    selvedge_journal::storage::Storage::remove(&cut, &last).unwrap();
    assert_eq!(check(&cut).verdict, Verdict::Sealed);
    let options = VerifyOptions {
        expected_head: Some(whole.head_hash),
        ..VerifyOptions::default()
    };
    let report = verify_in(&cut, &options, &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Damaged);
    let report = verify_in(&storage, &options, &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed);
}

#[test]
fn settings_out_of_range_are_refused() {
    for config in [
        JournalConfig {
            block_bytes: 4097,
            ..small()
        },
        JournalConfig {
            block_bytes: 0,
            ..small()
        },
        JournalConfig {
            block_bytes: 64 << 20,
            ..small()
        },
        JournalConfig {
            block_alignment: 32,
            ..small()
        },
        JournalConfig {
            block_alignment: 96,
            ..small()
        },
        JournalConfig {
            block_alignment: 8192,
            ..small()
        },
        JournalConfig {
            segment_bytes: 1,
            ..small()
        },
        JournalConfig {
            buffers: 1,
            ..small()
        },
    ] {
        let opened = open(&MemoryStorage::new(), &config);
        assert!(
            matches!(opened, Err(JournalError::Setting { .. })),
            "{config:?}"
        );
    }
    assert!(JournalIdentity::new("", 1, 1).is_err());
    assert!(JournalIdentity::new(&"x".repeat(49), 1, 1).is_err());
    assert!(JournalIdentity::new("x", 1, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_survives(
        start in 1_u64..1_000_000,
        frames in proptest::collection::vec((0_usize..3_000, any::<u16>(), 0_u64..50, 0_u8..20), 1..400),
        alignment in 6_u32..=12,
        block_pages in 1_usize..6,
        threaded in any::<bool>(),
        longest_write in 1_usize..9_000,
    ) {
        let storage = MemoryStorage::new();
        storage.set_faults(Faults { longest_write: Some(longest_write), ..Faults::default() });
        let config = JournalConfig {
            block_bytes: block_pages * 4096,
            block_alignment: 1 << alignment,
            mode: if threaded { WriteMode::HelperThread } else { WriteMode::Inline },
            ..small()
        };
        let mut writer = JournalWriter::open_in(
            Arc::new(storage.clone()), &identity(), start, &Dictionary::default(), &config,
        ).unwrap();
        let mut time = 5;
        let mut expected = Vec::new();
        for (at, (length, message_type, step, action)) in frames.iter().enumerate() {
            time += step;
            let sequence = start + at as u64;
            let descriptor = selvedge_fabric::frame::FrameHeader::descriptor_word(
                *message_type, 1, *length, Flags::NONE);
            let header = selvedge_fabric::frame::FrameHeader::new(
                at as u64, sequence, time, message_type % 7, sequence, descriptor);
            let payload = payload_of(sequence, *length);
            while writer.append(&header, &payload).unwrap() == Append::WouldBlock {
                std::thread::yield_now();
            }
            match action {
                0 => writer.flush().unwrap(),
                1 => writer.request_sync().unwrap(),
                2 => {
                    drop(writer);
                    writer = JournalWriter::open_in(
                        Arc::new(storage.clone()), &identity(), 1, &Dictionary::default(), &config,
                    ).unwrap();
                }
                _ => {}
            }
            expected.push((header, payload));
        }
        let end = writer.finish().unwrap();
        prop_assert_eq!(end.last_sequence, start + frames.len() as u64 - 1);
        let mut reader = reader(&storage).unwrap();
        for (header, payload) in &expected {
            let (read, bytes) = reader.next().unwrap().unwrap();
            prop_assert_eq!(&read, header);
            prop_assert_eq!(bytes, &payload[..]);
        }
        prop_assert!(reader.next().unwrap().is_none());
        let report = check(&storage);
        prop_assert_eq!(report.verdict, Verdict::Sealed, "{:?}", report);
        prop_assert_eq!(report.frames, frames.len() as u64);
    }
}

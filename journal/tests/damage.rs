//! Whatever is done to a journal's bytes is noticed, named, and never read as frames.

mod common;

use common::*;
use selvedge_fabric::frame::Flags;
use selvedge_journal::format::{BLOCK_HEADER_BYTES, BlockHeader};
use selvedge_journal::storage::{MemoryStorage, Storage};
use selvedge_journal::{
    JournalConfig, JournalError, JournalReader, ReadOptions, Tail, Verdict, VerifyOptions,
    verify_in,
};
use std::sync::Arc;
use zerocopy::IntoBytes;

/// Blocks large enough to be checked ahead, by other threads: what is found does not depend on it.
fn large() -> JournalConfig {
    JournalConfig {
        block_bytes: 128 << 10,
        block_alignment: 4096,
        segment_bytes: 1 << 20,
        ..small()
    }
}

#[test]
fn in_large_blocks_too_every_change_is_found_and_named() {
    let storage = journal(20_000, 20_000, &large());
    let report = check(&storage);
    assert_eq!((report.verdict, report.frames), (Verdict::Sealed, 20_000));
    for name in segments(&storage) {
        let whole = storage.content(&name).unwrap();
        let blocks = block_offsets(&whole);
        for (number, &start) in blocks.iter().enumerate() {
            let end = blocks.get(number + 1).copied().unwrap_or(whole.len());
            if end - start < 64 << 10 {
                continue;
            }
            // Every field of the header, the first frames, the middle, the padding at the end.
            let places = (0..BLOCK_HEADER_BYTES).step_by(7).chain([
                BLOCK_HEADER_BYTES,
                BLOCK_HEADER_BYTES + 33,
                (end - start) / 2,
                end - start - 1,
            ]);
            for (nth, place) in places.enumerate() {
                storage.change(&name, |data| data[start + place] ^= 1 << (nth % 8));
                let report = check(&storage);
                assert_eq!(report.verdict, Verdict::Damaged, "{name} {start}+{place}");
                let damage = &report.damage[0];
                assert_eq!((&damage.file, damage.offset), (&name, start as u64));
                storage.change(&name, |data| data[start + place] ^= 1 << (nth % 8));
            }
        }
    }
    assert_eq!(check(&storage), report);
}

/// What has a right CRC comes through to the checks behind that one, also where they are made ahead.
#[test]
fn in_large_blocks_too_a_right_crc_does_not_hide_a_wrong_hash_or_a_wrong_frame() {
    let storage = journal(20_000, 20_000, &large());
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    let offsets = block_offsets(&whole);
    let at = offsets
        .windows(2)
        .find(|pair| pair[1] - pair[0] >= 64 << 10)
        .unwrap()[0];
    for (payload_too, hash_too) in [(true, false), (false, false), (false, true)] {
        let changed = storage.copy();
        changed.change(&name, |bytes| {
            let mut header = BlockHeader::from_prefix(&bytes[at..]).unwrap();
            let start = at + BLOCK_HEADER_BYTES;
            let end = start + header.payload_bytes as usize;
            if payload_too {
                // Of a message: no check of the frames can tell.
                bytes[end - 8] ^= 2;
            } else {
                header.last_timestamp += 1;
            }
            if hash_too {
                header.hash = header.compute_hash(&bytes[start..end]);
            }
            header.crc32c = header.compute_crc(&bytes[start..end]);
            bytes[at..start].copy_from_slice(header.as_bytes());
        });
        let report = check(&changed);
        assert_eq!(report.verdict, Verdict::Damaged, "{report:?}");
        let damage = &report.damage[0];
        assert_eq!((&damage.file, damage.offset), (&name, at as u64));
        assert_eq!(damage.problem.contains("BLAKE3"), !hash_too, "{report:?}");
    }
}

/// Two sealed segments of 12 and 8 frames.
fn two_segments() -> MemoryStorage {
    let storage = journal(12, 4, &small());
    let mut writer = open(&storage, &small()).unwrap();
    append_to(&mut writer, 20);
    writer.finish().unwrap();
    assert_eq!(segments(&storage).len(), 2);
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
    storage
}

/// Reads what can be read and holds every frame against what was written.
fn read_prefix(storage: &MemoryStorage) -> (u64, Option<JournalError>) {
    let mut reader = match JournalReader::open_in(Arc::new(storage.clone()), ReadOptions::default())
    {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    let mut last = 0;
    loop {
        match reader.next() {
            Ok(Some((header, payload))) => {
                let (expected, expected_payload) = frame(last + 1);
                assert_eq!(header, expected.with_flags(Flags::NONE));
                assert_eq!(payload, expected_payload);
                last += 1;
            }
            Ok(None) => return (last, None),
            Err(error) => return (last, Some(error)),
        }
    }
}

#[test]
fn every_flipped_bit_of_a_sealed_journal_is_found() {
    let storage = two_segments();
    let names = segments(&storage);
    for (number, name) in names.iter().enumerate() {
        let whole = storage.content(name).unwrap();
        let seal = *block_offsets(&whole).last().unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            storage.put(name, &flipped);
            let report = check(&storage);
            // Only of the very last block can nobody say that it was durable.
            let least = if number == 1 && bit / 8 >= seal {
                Verdict::TornTail
            } else {
                Verdict::Damaged
            };
            assert!(report.verdict >= least, "{name} bit {bit}: {report:?}");
            if least == Verdict::Damaged {
                assert_eq!(report.damage[0].file, *name, "bit {bit}");
            }
            if bit % 61 == 0 {
                let (last, error) = read_prefix(&storage);
                // Frames survive what is wrong behind them: index, seal.
                assert!(last == 20 || error.is_some(), "{name} bit {bit}: {last}");
            }
        }
        storage.put(name, &whole);
    }
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
}

#[test]
fn every_flipped_bit_of_an_open_journal_is_found() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &small()).unwrap();
    for last in [4, 8, 12] {
        append_to(&mut writer, last);
        writer.request_sync().unwrap();
    }
    drop(writer);
    assert_eq!(check(&storage).verdict, Verdict::Open);
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    let last_block = *block_offsets(&whole).last().unwrap();
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap();
    // Bits of the reserved space behind the blocks are sampled: they are all alike.
    let behind = (end * 8 + 8..whole.len() * 8).step_by(97);
    for bit in (0..end * 8 + 8).chain(behind) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        storage.put(&name, &flipped);
        let verdict = check(&storage).verdict;
        if bit / 8 < last_block {
            assert_eq!(verdict, Verdict::Damaged, "bit {bit}");
        } else {
            assert!(verdict >= Verdict::TornTail, "bit {bit}");
        }
        if bit % 61 == 0 && bit / 8 < last_block {
            // Durable frames are not cut off silently: the journal cannot be opened.
            let opened = open(&storage, &small());
            assert!(opened.is_err(), "bit {bit}");
            assert!(read_prefix(&storage).1.is_some(), "bit {bit}");
        }
    }
}

#[test]
fn cut_at_every_byte_the_rest_is_recovered_and_goes_on() {
    for sealed in [false, true] {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &small()).unwrap();
        // What was recorded up to each block's end, as the blocks follow dictionary and snapshot.
        for last in [5, 9, 14] {
            append_to(&mut writer, last);
            writer.flush().unwrap();
        }
        if sealed {
            writer.finish().unwrap();
        } else {
            drop(writer);
        }
        let name = segments(&storage).remove(0);
        let whole = storage.content(&name).unwrap();
        let blocks: Vec<(usize, BlockHeader)> = block_offsets(&whole)
            .into_iter()
            .map(|at| (at, BlockHeader::from_prefix(&whole[at..]).unwrap()))
            .collect();
        let end = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        let (from, _) = blocks[blocks.len() - 2];
        assert!(from > 4096 + 2 * BLOCK_HEADER_BYTES);
        for cut in from..end {
            // Cut off, and left in place but zeroed: what a crash makes of it differs by host.
            for zeroed in [false, true] {
                let mut bytes = whole.clone();
                if zeroed {
                    bytes[cut..].fill(0);
                } else {
                    bytes.truncate(cut);
                }
                let disk = MemoryStorage::new();
                disk.put(&name, &bytes);
                // Zeros may stand in for zeros: a block whose end is all zero is whole.
                let used = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
                let kept = blocks
                    .iter()
                    .filter(|(at, header)| {
                        let end = at + BLOCK_HEADER_BYTES + header.payload_bytes as usize;
                        let padded = end.next_multiple_of(64);
                        padded <= bytes.len()
                            && (end <= used || whole[used..end].iter().all(|&byte| byte == 0))
                    })
                    .map(|(_, header)| header.last_sequence)
                    .max()
                    .unwrap();
                let before = check(&disk);
                assert!(before.verdict <= Verdict::TornTail, "cut {cut}: {before:?}");
                assert_eq!(before.last_sequence, kept, "cut {cut}");
                assert_eq!(read_prefix(&disk).0, kept);
                let mut writer = open(&disk, &small()).unwrap();
                assert_eq!(writer.next_sequence(), kept + 1, "cut {cut}");
                append_to(&mut writer, 30);
                writer.finish().unwrap();
                assert_eq!(read_prefix(&disk).0, 30, "cut {cut}");
                let report = check(&disk);
                assert_eq!(report.verdict, Verdict::Sealed, "cut {cut}: {report:?}");
                if before.verdict == Verdict::TornTail {
                    let torn = before.torn_tail.unwrap();
                    let record = report.recoveries[0];
                    assert_eq!(record.cut_offset, torn.offset);
                    assert_eq!(record.cut_bytes, torn.bytes);
                    assert_eq!(record.last_sequence, kept);
                    let lost = &bytes[torn.offset as usize..][..torn.bytes as usize];
                    assert_eq!(record.cut_hash, *blake3::hash(lost).as_bytes());
                }
            }
        }
    }
}

#[test]
fn damage_names_block_and_sequences() {
    let storage = journal(200, 20, &small());
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    let mut seen = 0;
    for at in block_offsets(&whole) {
        let header = BlockHeader::from_prefix(&whole[at..]).unwrap();
        if header.frame_count == 0 {
            continue;
        }
        seen += 1;
        storage.change(&name, |bytes| bytes[at + 250] ^= 4);
        let report = check(&storage);
        assert_eq!(report.damage.len(), 1, "{report:?}");
        let damage = &report.damage[0];
        assert_eq!(damage.block, Some(header.block_number));
        assert_eq!(damage.offset, at as u64);
        assert_eq!(damage.first_sequence, header.first_sequence);
        assert_eq!(damage.last_sequence, Some(header.last_sequence));
        assert_eq!(report.frames, 200 - u64::from(header.frame_count));
        assert_eq!(report.digest, None);
        let (last, error) = read_prefix(&storage);
        assert_eq!(last, header.first_sequence - 1);
        assert!(
            matches!(error, Some(JournalError::Damaged { block, .. }) if block == header.block_number)
        );
        storage.put(&name, &whole);
    }
    assert!(seen >= 10);
}

#[test]
fn a_forger_who_mends_the_crc_is_caught_by_the_hash_and_then_by_the_chain() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &small()).unwrap();
    append_to(&mut writer, 6);
    writer.flush().unwrap();
    let header = header_of(7, 7, 3, 8);
    assert_eq!(
        writer.append(&header, &payload_of(7, 8)).unwrap(),
        selvedge_journal::Append::Done
    );
    writer.flush().unwrap();
    for last in [10, 14] {
        append_to(&mut writer, last);
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    let crc_only = VerifyOptions {
        check_hashes: false,
        ..VerifyOptions::default()
    };
    let name = segments(&storage).remove(0);
    let whole = storage.content(&name).unwrap();
    let forged = |hash_too| {
        let copy = storage.copy();
        // Blocks: dictionary, snapshot, frames 1 to 6, dictionary news, frame 7.
        let offsets = block_offsets(&whole);
        let place = offsets
            .iter()
            .position(|&at| {
                let header = BlockHeader::from_prefix(&whole[at..]).unwrap();
                header.first_sequence == 7 && header.frame_count == 1
            })
            .unwrap();
        assert_eq!(place, 4);
        let at = offsets[place];
        copy.change(&name, |bytes| {
            let mut header = BlockHeader::from_prefix(&bytes[at..]).unwrap();
            let end = at + BLOCK_HEADER_BYTES + header.payload_bytes as usize;
            bytes[end - 1] ^= 2;
            let payload = bytes[at + BLOCK_HEADER_BYTES..end].to_vec();
            if hash_too {
                header.hash = header.compute_hash(&payload);
            }
            header.crc32c = header.compute_crc(&payload);
            bytes[at..at + BLOCK_HEADER_BYTES].copy_from_slice(header.as_bytes());
        });
        copy
    };
    let crc_mended = forged(false);
    assert_eq!(
        verify_in(&crc_mended, &crc_only, &mut |_| ())
            .unwrap()
            .verdict,
        Verdict::Sealed
    );
    let report = check(&crc_mended);
    assert_eq!(report.verdict, Verdict::Damaged);
    assert!(report.damage[0].problem.contains("BLAKE3"), "{report:?}");
    let report = check(&forged(true));
    assert_eq!(report.verdict, Verdict::Damaged);
    assert!(report.damage[0].problem.contains("chain"), "{report:?}");
    // Nobody goes on writing behind a forged block of the last segment.
    let mut bytes = forged(true).content(&name).unwrap();
    let seal = *block_offsets(&bytes).last().unwrap();
    bytes.truncate(seal);
    let open_disk = MemoryStorage::new();
    open_disk.put(&name, &bytes);
    assert!(matches!(
        open(&open_disk, &small()),
        Err(JournalError::Damaged { .. })
    ));
}

fn many_segments() -> MemoryStorage {
    let storage = journal(2_500, 100, &small());
    assert!(segments(&storage).len() >= 4);
    storage
}

#[test]
fn a_missing_segment_is_noticed_by_everyone() {
    let names = segments(&many_segments());
    let (_, but_last) = names.split_last().unwrap();
    for (at, name) in but_last.iter().enumerate() {
        let storage = many_segments();
        storage.remove(name).unwrap();
        let report = check(&storage);
        assert_eq!(report.verdict, Verdict::Damaged, "{at}");
        assert!(report.damage[0].problem.contains("missing"), "{report:?}");
        if at == 0 {
            // Older segments may have been archived: said by the caller, seen by the reader.
            let options = VerifyOptions {
                allow_missing_front: true,
                ..VerifyOptions::default()
            };
            let report = verify_in(&storage, &options, &mut |_| ()).unwrap();
            assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
            assert!(reader(&storage).unwrap().first_sequence() > 1);
        } else {
            let (_, error) = read_prefix(&storage);
            assert!(
                matches!(error, Some(JournalError::Segment { .. })),
                "{error:?}"
            );
            assert!(open(&storage, &small()).is_err());
        }
    }
}

#[test]
fn swapped_duplicated_and_foreign_segments_are_noticed() {
    let original = many_segments();
    let names = segments(&original);
    let content = |at: usize| original.content(&names[at]).unwrap();

    let swapped = original.copy();
    swapped.put(&names[1], &content(2));
    swapped.put(&names[2], &content(1));
    assert_eq!(check(&swapped).verdict, Verdict::Damaged);
    assert!(read_prefix(&swapped).1.is_some());

    let renamed = original.copy();
    renamed.put("0000000002-000000000000001.segment", &content(1));
    let report = check(&renamed);
    assert_eq!(report.verdict, Verdict::Damaged);
    assert!(read_prefix(&renamed).1.is_some());
    assert!(open(&renamed, &small()).is_err());

    let repeated = original.copy();
    repeated.put(&names[2], &content(1));
    assert_eq!(check(&repeated).verdict, Verdict::Damaged);
    assert!(read_prefix(&repeated).1.is_some());

    // The same stream recorded a second time: right by itself, but of another chain.
    let other = journal(2_500, 90, &small());
    let foreign = original.copy();
    foreign.put(
        &segments(&other)[1],
        &other.content(&segments(&other)[1]).unwrap(),
    );
    assert_eq!(check(&foreign).verdict, Verdict::Damaged);
}

#[test]
fn a_truncated_segment_is_noticed_at_every_length() {
    let original = journal(900, 100, &small());
    let names = segments(&original);
    assert!(names.len() >= 2);
    let whole = original.content(&names[0]).unwrap();
    let cuts = (0..whole.len()).step_by(331).chain(block_offsets(&whole));
    for cut in cuts {
        let storage = original.copy();
        storage.put(&names[0], &whole[..cut]);
        let report = check(&storage);
        assert_eq!(report.verdict, Verdict::Damaged, "cut at {cut}");
        let (_, error) = read_prefix(&storage);
        assert!(error.is_some(), "cut at {cut}");
    }
}

#[test]
fn bytes_behind_a_seal_are_noticed() {
    let storage = two_segments();
    let name = segments(&storage).remove(1);
    storage.change(&name, |bytes| bytes.extend_from_slice(&[0; 4096]));
    assert_eq!(check(&storage).verdict, Verdict::Sealed);
    storage.change(&name, |bytes| bytes.push(1));
    assert_eq!(check(&storage).verdict, Verdict::Damaged);
}

#[test]
fn a_lost_block_before_durable_ones_is_damage_not_a_torn_tail() {
    // The same bytes are missing; what the blocks behind say about durability decides.
    for durable in [false, true] {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &small()).unwrap();
        for last in [4, 8, 12] {
            append_to(&mut writer, last);
            writer.flush().unwrap();
            if durable {
                writer.request_sync().unwrap();
            }
        }
        drop(writer);
        let name = segments(&storage).remove(0);
        let whole = storage.content(&name).unwrap();
        let offsets = block_offsets(&whole);
        let frames: Vec<usize> = offsets
            .iter()
            .copied()
            .filter(|at| BlockHeader::from_prefix(&whole[*at..]).unwrap().frame_count > 0)
            .collect();
        let (from, to) = (frames[1], frames[2]);
        storage.change(&name, |bytes| bytes[from..to].fill(0));
        let mut reader = reader(&storage).unwrap();
        let tail = reader.tail();
        let report = check(&storage);
        if durable {
            assert_eq!(report.verdict, Verdict::Damaged);
            assert!(tail.is_err());
            assert!(open(&storage, &small()).is_err());
        } else {
            assert_eq!(report.verdict, Verdict::TornTail);
            assert_eq!(report.torn_tail.as_ref().unwrap().whole_blocks, 1);
            assert!(matches!(tail, Ok(Tail::Torn(_))));
            assert_eq!(open(&storage, &small()).unwrap().next_sequence(), 5);
        }
    }
}

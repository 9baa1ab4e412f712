//! Seeking with a changed index file.

mod common;

use common::{MEMORY, config, identity};
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fuzz::{CountingAllocator, Script, iterations, peak_of};
use selvedge_journal::storage::{MemoryStorage, Storage};
use selvedge_journal::{Dictionary, JournalReader, JournalWriter, ReadOptions};
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const FRAMES: u64 = 400;

/// Not sealed, with enough blocks that an index is kept.
fn unsealed() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut writer = JournalWriter::open_in(
        Arc::new(storage.clone()),
        &identity(),
        1,
        &Dictionary::default(),
        &config(false),
    )
    .expect("memory takes it");
    for sequence in 1..=FRAMES {
        let descriptor = FrameHeader::descriptor_word(7, 0, 8, Flags::NONE);
        let header = FrameHeader::new(1, sequence, sequence * 10, 3, sequence, descriptor);
        let _ = writer.append(&header, &[1; 8]).expect("taken");
        if sequence % 4 == 0 {
            writer.flush().expect("written");
        }
    }
    drop(writer);
    storage
}

fn seek(storage: &MemoryStorage, sequence: u64) -> Option<u64> {
    let mut reader =
        JournalReader::open_in(Arc::new(storage.clone()), ReadOptions::default()).ok()?;
    reader.seek_time(sequence * 10).ok()?;
    let by_time = reader.next().ok()?.map(|(header, _)| header.sequence());
    reader.seek(sequence).ok()?;
    let found = reader.next().ok()?.map(|(header, _)| header.sequence());
    assert!(by_time >= found);
    found
}

#[test]
fn a_changed_index_file_is_refused_and_the_answers_stay() {
    let seed = unsealed();
    assert_eq!(seek(&seed, 1), Some(1));
    let name = seed
        .list()
        .expect("memory")
        .into_iter()
        .find(|name| name.ends_with(".index"))
        .expect("an index was kept");
    let whole = seed.content(&name).expect("it is there");
    bolero::check!(name = "index")
        .with_iterations(iterations(500))
        .with_test_time(Duration::MAX)
        .with_max_len(64)
        .for_each(|input: &[u8]| {
            let mut script = Script::new(input);
            let sequence = 1 + script.below(FRAMES as usize) as u64;
            let hashed = script.byte() & 1 != 0;
            let mut bytes = whole.clone();
            script.change(&mut bytes, &[0, 128]);
            if hashed && bytes.len() >= 128 {
                // As somebody would who forges one.
                bytes[80..112].fill(0);
                let hash = *blake3_of(&bytes);
                bytes[80..112].copy_from_slice(&hash);
            }
            let storage = seed.copy();
            storage.put(&name, &bytes);
            let (found, peak) = peak_of(|| seek(&storage, sequence));
            assert!(peak <= MEMORY + 64 * bytes.len() as u64, "{peak} bytes");
            if !hashed || bytes == whole {
                assert_eq!(found, Some(sequence));
            } else {
                // Forged by somebody who may write here: never another frame than asked for.
                assert!(found.is_none_or(|found| found == sequence));
            }
        });
}

fn blake3_of(bytes: &[u8]) -> Box<[u8; 32]> {
    Box::new(*blake3::hash(bytes).as_bytes())
}

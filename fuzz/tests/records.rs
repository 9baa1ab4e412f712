//! The structures inside blocks and files, each by itself: seals, activities, schemas, staging.

mod common;

use common::{FABRIC, MEMORY, journal, segments};
use selvedge_fabric::frame::system::SourceJoined;
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::MessageSchema;
use selvedge_fuzz::{CountingAllocator, Script, iterations, peak_of};
use selvedge_journal::format::{Activity, SEAL_BYTES, Seal};
use selvedge_journal::staging::StagingView;
use selvedge_journal::storage::MemoryStorage;
use selvedge_journal::{
    Dictionary, FrameCounts, JournalConfig, JournalWriter, STAGING_FILE, SignatureState,
    StateSnapshot, check_signature, parse_hash,
};
use selvedge_query::UtcTime;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zerocopy::FromBytes;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn bounded<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let (done, peak) = peak_of(work);
    assert!(
        peak <= MEMORY + 64 * bytes as u64,
        "{peak} bytes for {bytes}"
    );
    done
}

#[test]
fn no_changed_seal_keeps_its_signature() {
    let storage = journal(180, true, true);
    let segment = storage
        .content(&segments(&storage)[0])
        .expect("it is there");
    // The last block of a sealed segment, behind its header of 192 bytes.
    let at = segment.len() - (192 + SEAL_BYTES).next_multiple_of(64) + 192;
    let whole = segment[at..at + SEAL_BYTES].to_vec();
    let fabric_id = FABRIC.to_le_bytes();
    let check = |bytes: &[u8]| {
        let seal = Seal::read_from_bytes(bytes).ok()?;
        Some(check_signature(&seal, fabric_id, 1))
    };
    assert!(matches!(check(&whole), Some(SignatureState::Valid(_))));
    bolero::check!(name = "seal")
        .with_iterations(iterations(500))
        .with_test_time(Duration::MAX)
        .with_max_len(64)
        .for_each(|input: &[u8]| {
            let mut bytes = whole.clone();
            Script::new(input).change(&mut bytes, &[0, 160]);
            let state = bounded(bytes.len(), || check(&bytes));
            if bytes != whole {
                assert!(!matches!(state, Some(SignatureState::Valid(_))));
            }
        });
}

#[test]
fn structures_are_read_or_refused() {
    let mut schema = Vec::new();
    MessageSchema::of::<SourceJoined>().encode(&mut schema);
    let snapshot = StateSnapshot::take(&FrameCounts::default(), 7).encode();
    let activity = [7_u64, 0x0000_0004_0003_0008, 0x0000_0009_0000_0008]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .chain(*b"abcdefg\0")
        .collect::<Vec<u8>>();
    assert_eq!(Activity::decode_all(&activity).map(|all| all.len()), Ok(1));
    bolero::check!(name = "structures")
        .with_iterations(iterations(3_000))
        .with_test_time(Duration::MAX)
        .with_max_len(96)
        .for_each(|input: &[u8]| {
            let mut script = Script::new(input);
            let seeds = [&schema, &snapshot, &activity];
            let mut bytes = seeds[script.below(seeds.len())].clone();
            script.change(&mut bytes, &[0, 24]);
            bounded(bytes.len(), || {
                if let Ok((found, used)) = MessageSchema::decode(&bytes) {
                    assert!(used <= bytes.len());
                    let mut again = Vec::new();
                    found.encode(&mut again);
                    assert_eq!(
                        MessageSchema::decode(&again).map(|(same, _)| same),
                        Ok(found)
                    );
                }
                if let Ok(found) = StateSnapshot::decode(&bytes) {
                    let _ = found.restore(&mut FrameCounts::default());
                }
                if let Ok(entries) = Activity::decode_all(&bytes) {
                    assert!(entries.len() <= bytes.len() / 24);
                }
                let text = String::from_utf8_lossy(input);
                let _ = parse_hash(&text);
                let _ = UtcTime::parse(&text, UtcTime(0)).map(|time| time.to_string());
            });
        });
}

/// The staging file that a writer leaves which is killed.
fn staging(directory: &Path) -> Vec<u8> {
    let storage = MemoryStorage::new();
    let config = JournalConfig {
        shared: Some(directory.to_owned()),
        ..common::config(false)
    };
    let mut writer = JournalWriter::open_in(
        Arc::new(storage),
        &common::identity(),
        1,
        &Dictionary::default(),
        &config,
    )
    .expect("it opens");
    let descriptor = FrameHeader::descriptor_word(7, 0, 8, Flags::NONE);
    for sequence in 1..=20 {
        let header = FrameHeader::new(1, sequence, sequence, 3, sequence, descriptor);
        let _ = writer.append(&header, &[1; 8]).expect("taken");
    }
    // As it lies there while frames wait in it.
    std::fs::read(directory.join(STAGING_FILE)).expect("it is there")
}

#[test]
fn a_changed_staging_file_is_taken_as_far_as_it_is_right() {
    let directory = tempfile::tempdir().expect("a directory");
    let whole = staging(directory.path());
    let path = directory.path().join(STAGING_FILE);
    let config = JournalConfig {
        shared: Some(directory.path().to_owned()),
        ..common::config(false)
    };
    let open = |storage: &MemoryStorage| {
        JournalWriter::open_in(
            Arc::new(storage.clone()),
            &common::identity(),
            1,
            &Dictionary::default(),
            &config,
        )
    };
    std::fs::write(&path, &whole).expect("written");
    let untouched = open(&Default::default()).expect("it opens");
    assert_eq!(untouched.taken_from_staging(), 20);
    drop(untouched);
    bolero::check!(name = "staging")
        .with_iterations(iterations(300))
        .with_test_time(Duration::MAX)
        .with_max_len(64)
        .for_each(|input: &[u8]| {
            let mut bytes = whole.clone();
            Script::new(input).change(&mut bytes, &[0, 4096, 4096 + 256, 8192, 8192 + 192]);
            std::fs::write(&path, &bytes).expect("written");
            bounded(bytes.len(), || {
                if let Ok(view) = StagingView::open(&path) {
                    let mut copied = Vec::new();
                    for slot in 0..view.slots() {
                        let _ = view.slot(slot);
                        let _ = view.copy(slot, &mut copied);
                    }
                }
            });
            let storage = MemoryStorage::new();
            let writer = open(&storage).expect("what is wrong there is left");
            assert!(writer.taken_from_staging() <= 20);
            assert_eq!(writer.next_sequence(), 1 + writer.taken_from_staging());
        });
}

//! Readers, recovery and the tools' answers over changed segments.

mod common;

use common::{MEMORY, block_offsets, config, identity, journal, reseal, segments};
use selvedge_fuzz::{CountingAllocator, Script, iterations, peak_of};
use selvedge_journal::storage::{MemoryStorage, Storage};
use selvedge_journal::{
    Dictionary, JournalReader, JournalWriter, ReadOptions, RetainOptions, VerifyOptions, digest_in,
    final_dictionary_in, inspect_in, prove_in, retain_in, verify_in,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Frames of the journals that are changed.
const FRAMES: u64 = 180;

/// Reads every frame there is: at most as many as fit, each behind the one before.
fn read_all(storage: &MemoryStorage, options: ReadOptions, bytes: usize) {
    let Ok(mut reader) = JournalReader::open_in(Arc::new(storage.clone()), options) else {
        return;
    };
    let (mut last, mut frames) = (0, 0);
    while let Ok(Some((header, _))) = reader.next() {
        assert!(
            header.sequence() > last,
            "{} after {last}",
            header.sequence()
        );
        last = header.sequence();
        frames += 1;
        assert!(frames <= bytes / 32, "more frames than bytes");
    }
    let _ = reader.tail();
    for sequence in [0, 1, FRAMES / 2, FRAMES + 1, u64::MAX] {
        let found = reader.seek(sequence).is_ok();
        if let (true, Ok(Some((header, _)))) = (found, reader.next()) {
            assert!(header.sequence() >= sequence);
        }
        let timestamp = sequence.wrapping_mul(10);
        if reader.seek_time(timestamp).is_ok()
            && let Ok(Some((header, _))) = reader.next()
        {
            assert!(header.timestamp() >= timestamp);
        }
    }
}

/// Everything that reads a journal, over this one.
fn read(storage: &MemoryStorage, bytes: usize) {
    for (check_hashes, allow_gaps) in [(false, false), (true, true)] {
        let options = ReadOptions {
            check_hashes,
            allow_gaps,
        };
        read_all(storage, options, bytes);
    }
    let _ = inspect_in(storage);
    let _ = final_dictionary_in(storage);
    let _ = verify_in(storage, &VerifyOptions::default(), &mut |_| ());
    let _ = digest_in(Arc::new(storage.clone()), None, None);
    let _ = prove_in(storage, FRAMES / 3);
    let options = RetainOptions {
        max_bytes: Some(1),
        dry_run: true,
        ..RetainOptions::default()
    };
    let _ = retain_in(storage, &options);
    // A writer that opens it, and what it leaves.
    let opened = JournalWriter::open_in(
        Arc::new(storage.clone()),
        &identity(),
        1,
        &Dictionary::default(),
        &config(false),
    );
    if let Ok(writer) = opened {
        drop(writer);
        read_all(storage, ReadOptions::default(), bytes + (64 << 10));
    }
}

#[test]
fn changed_segments_are_read_or_refused() {
    let seeds = [
        journal(FRAMES, false, false),
        journal(FRAMES, true, true),
        // Several segments.
        journal(8 * FRAMES, true, false),
    ];
    let changed = AtomicUsize::new(0);
    bolero::check!(name = "segment")
        .with_iterations(iterations(300))
        .with_test_time(Duration::MAX)
        .with_max_len(64)
        .for_each(|input: &[u8]| {
            let mut script = Script::new(input);
            let seed = &seeds[script.below(seeds.len())];
            let names = segments(seed);
            let name = &names[script.below(names.len())];
            let mode = script.byte();
            let mut bytes = seed.content(name).expect("it is there");
            let before = bytes.clone();
            let anchors: Vec<usize> = [vec![0], block_offsets(&bytes)].concat();
            script.change(&mut bytes, &anchors);
            changed.fetch_add(usize::from(bytes != before), Ordering::Relaxed);
            if mode & 1 != 0 {
                reseal(&mut bytes, mode & 2 != 0);
            }
            let storage = seed.copy();
            storage.put(name, &bytes);
            let total: usize = names
                .iter()
                .filter_map(|name| storage.content(name))
                .map(|content| content.len())
                .sum();
            let ((), peak) = peak_of(|| read(&storage, total));
            let allowed = MEMORY + 64 * total as u64;
            assert!(peak <= allowed, "{peak} bytes for a journal of {total}");
            assert!(storage.list().is_ok());
        });
    let changed = changed.into_inner();
    assert!(changed > iterations(300) / 3, "only {changed} were changed");
}

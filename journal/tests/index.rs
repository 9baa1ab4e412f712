//! Finding frames where a segment has no index of its own: not sealed, torn, the index damaged.

mod common;

use common::{FABRIC, append_to, block_offsets, open, segments, small};
use selvedge_journal::format::{BLOCK_HEADER_BYTES, BlockHeader};
use selvedge_journal::storage::{Faults, MemoryStorage, Storage, StorageFile};
use selvedge_journal::{JournalConfig, JournalReader, ReadOptions, RetainOptions, retain_in};
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::IntoBytes;

/// A storage that counts what is read.
#[derive(Clone, Debug)]
struct Counting {
    inside: MemoryStorage,
    bytes: Arc<AtomicU64>,
    /// How often something was asked for ahead.
    asked: Arc<AtomicU64>,
}

impl Counting {
    fn new(inside: &MemoryStorage) -> Self {
        Counting {
            inside: inside.clone(),
            bytes: Arc::default(),
            asked: Arc::default(),
        }
    }
}

#[derive(Debug)]
struct CountingFile {
    file: Box<dyn StorageFile>,
    counts: Counting,
}

impl StorageFile for CountingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(into, offset)?;
        self.counts.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(from, offset)
    }
    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.file.resize(bytes)
    }
    fn will_need(&self, _offset: u64, _bytes: usize) {
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Storage for Counting {
    fn describe(&self) -> String {
        self.inside.describe()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.inside.list()
    }
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn StorageFile>> {
        self.inside.create(name, bytes)
    }
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn StorageFile>> {
        let file = self.inside.open(name, write)?;
        Ok(Box::new(CountingFile {
            file,
            counts: self.clone(),
        }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inside.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inside.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.inside.sync_directory()
    }
    fn has_writer(&self) -> bool {
        self.inside.has_writer()
    }
    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        self.inside.lock()
    }
}

/// Frames of the journal in these tests: more than a thousand blocks of 4 KiB.
const FRAMES: u64 = 60_000;

fn large() -> JournalConfig {
    JournalConfig {
        segment_bytes: 8 << 20,
        sync: selvedge_journal::SyncPolicy::EveryBytes(256 << 10),
        ..small()
    }
}

/// A journal whose writer ended without sealing it.
fn unsealed() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &large()).unwrap();
    append_to(&mut writer, FRAMES);
    drop(writer);
    storage
}

fn index_files(storage: &MemoryStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.contains(".index"));
    names
}

/// Where a few seeks lead: the sequence of the frame found, or that there is none.
fn answers(storage: Arc<dyn Storage>) -> Vec<Option<u64>> {
    let mut reader = JournalReader::open_in(storage, ReadOptions::default()).unwrap();
    let mut found = Vec::new();
    for sequence in [1, 2, FRAMES / 3, FRAMES - 1, FRAMES] {
        let there = reader.seek(sequence).is_ok();
        found.push(there.then(|| reader.next().unwrap().unwrap().0.sequence()));
        // Frame n is stamped 1000 + 10 n.
        reader.seek_time(1_000 + sequence * 10 - 5).unwrap();
        found.push(reader.next().unwrap().map(|(header, _)| header.sequence()));
    }
    // Behind the last frame.
    reader.seek(FRAMES + 1).unwrap();
    found.push(reader.next().unwrap().map(|(header, _)| header.sequence()));
    found
}

fn right() -> Vec<Option<u64>> {
    let mut right: Vec<Option<u64>> = [1, 2, FRAMES / 3, FRAMES - 1, FRAMES]
        .iter()
        .flat_map(|sequence| [Some(*sequence), Some(*sequence)])
        .collect();
    right.push(None);
    right
}

fn in_memory(storage: &MemoryStorage) -> Arc<dyn Storage> {
    Arc::new(storage.clone())
}

#[test]
fn an_unsealed_segment_is_found_in_without_reading_it_all_and_its_index_is_kept() {
    let storage = unsealed();
    let size = storage.content(&segments(&storage)[0]).unwrap();
    let size = size.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let counting = Counting::new(&storage);
    let bytes = &counting.bytes;
    let seek = || {
        bytes.store(0, Ordering::Relaxed);
        let mut reader =
            JournalReader::open_in(Arc::new(counting.clone()), ReadOptions::default()).unwrap();
        reader.seek(FRAMES / 3).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().0.sequence(), FRAMES / 3);
        bytes.load(Ordering::Relaxed)
    };
    assert_eq!(index_files(&storage), [] as [String; 0]);
    // Blocks here are small, a reader reads ahead by 256 KiB, and looks at a few places.
    let ahead = 256 << 10;
    assert!(size > 16 * ahead, "{size}");
    let without = seek();
    assert!(without < size / 2, "{without} of {size}");
    assert_eq!(
        index_files(&storage),
        [segments(&storage)[0].replace(".segment", ".index")]
    );
    let with = seek();
    assert!(with < without, "{with} of {without}");
}

/// A header is asked for ahead where it can be known where it lies, and once.
#[test]
fn headers_are_asked_for_ahead_where_the_blocks_are_equal() {
    // Six frames in a row take the same room, whichever comes first.
    for (step, expected) in [([6, 6], 100..=164), ([6, 12], 0..=0)] {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &large()).unwrap();
        for block in 0..100 {
            let last = writer.next_sequence() - 1 + step[block % 2];
            append_to(&mut writer, last);
            writer.flush().unwrap();
        }
        drop(writer);
        let counting = Counting::new(&storage);
        let mut reader =
            JournalReader::open_in(Arc::new(counting.clone()), ReadOptions::default()).unwrap();
        reader.seek(100).unwrap();
        let asked = counting.asked.load(Ordering::Relaxed);
        assert!(expected.contains(&asked), "{step:?}: {asked}");
    }
}

#[test]
fn deleted_damaged_stale_or_foreign_the_index_file_changes_no_answer() {
    let storage = unsealed();
    assert_eq!(answers(in_memory(&storage)), right());
    let file = index_files(&storage).remove(0);
    let whole = storage.content(&file).unwrap();
    storage.remove(&file).unwrap();
    assert_eq!(answers(in_memory(&storage)), right());
    assert_eq!(storage.content(&file).unwrap(), whole, "built anew");
    let mut damaged: Vec<Vec<u8>> = vec![
        Vec::new(),
        whole[..100].to_vec(),
        whole[..whole.len() - 32].to_vec(),
        vec![0xFF; 4096],
    ];
    for at in [0, 8, 12, 16, 32, 40, 48, 80, 112, 128, whole.len() - 1] {
        let mut one = whole.clone();
        one[at] ^= 1;
        damaged.push(one);
    }
    for (number, content) in damaged.iter().enumerate() {
        storage.put(&file, content);
        assert_eq!(answers(in_memory(&storage)), right(), "{number}");
        assert_eq!(storage.content(&file).unwrap(), whole, "{number}: mended");
    }
    // Of a journal with other frames in the same places, and of another fabric.
    let mut other = large();
    other.block_bytes = 8192;
    let foreign = MemoryStorage::new();
    let mut writer = open(&foreign, &other).unwrap();
    append_to(&mut writer, FRAMES);
    drop(writer);
    answers(in_memory(&foreign));
    storage.put(&file, &foreign.content(&index_files(&foreign)[0]).unwrap());
    assert_eq!(answers(in_memory(&storage)), right());
    assert_eq!(storage.content(&file).unwrap(), whole);
    assert_eq!(whole[16..32], FABRIC.to_le_bytes());
}

#[test]
fn while_a_writer_is_at_work_and_where_nothing_can_be_written_there_is_no_index_file() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &large()).unwrap();
    append_to(&mut writer, FRAMES);
    writer.flush().unwrap();
    assert_eq!(answers(in_memory(&storage)), right());
    assert_eq!(index_files(&storage), [] as [String; 0]);
    drop(writer);
    storage.set_faults(Faults {
        space_left: Some(0),
        ..Faults::default()
    });
    assert_eq!(answers(in_memory(&storage)), right());
    assert_eq!(index_files(&storage), [] as [String; 0]);
    storage.set_faults(Faults::default());
    assert_eq!(answers(in_memory(&storage)), right());
    assert_eq!(index_files(&storage).len(), 1);
    // A writer that goes on with the segment takes the file away, and what others left of one.
    let unfinished = format!("{}.77.tmp", index_files(&storage)[0]);
    storage.put(&unfinished, b"");
    let writer = open(&storage, &large()).unwrap();
    assert_eq!(index_files(&storage), [] as [String; 0]);
    drop(writer);
}

#[test]
fn a_sealed_segment_with_a_damaged_index_is_found_in() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &large()).unwrap();
    append_to(&mut writer, FRAMES);
    writer.finish().unwrap();
    let name = segments(&storage).remove(0);
    let all = answers(in_memory(&storage));
    assert_eq!(all, right());
    assert_eq!(index_files(&storage), [] as [String; 0], "it has its own");
    storage.change(&name, |bytes| {
        let offsets = block_offsets(bytes);
        // The last block is the seal, the one before it the index.
        let index = offsets[offsets.len() - 2];
        bytes[index + 500] ^= 1;
    });
    let mut reader = JournalReader::open_in(in_memory(&storage), ReadOptions::default()).unwrap();
    for sequence in [1, FRAMES / 3, FRAMES - 1, FRAMES] {
        reader.seek(sequence).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().0.sequence(), sequence);
        reader.seek_time(1_000 + sequence * 10 - 5).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().0.sequence(), sequence);
    }
    assert_eq!(index_files(&storage).len(), 1);
    // The damage itself is told as ever.
    assert!(reader.next().is_err());
}

#[test]
fn what_a_crash_left_behind_a_broken_block_is_not_found() {
    let storage = MemoryStorage::new();
    let mut config = large();
    config.sync = selvedge_journal::SyncPolicy::OnlyAtClose;
    let mut writer = open(&storage, &config).unwrap();
    append_to(&mut writer, FRAMES);
    drop(writer);
    let name = segments(&storage).remove(0);
    let mut broken = 0;
    storage.change(&name, |bytes| {
        let offsets = block_offsets(bytes);
        // A sector in the middle of a block was not written; the blocks behind it were.
        broken = offsets[offsets.len() / 2];
        bytes[broken + 512..broken + 1024].fill(0);
    });
    let mut reader = JournalReader::open_in(in_memory(&storage), ReadOptions::default()).unwrap();
    let mut last = 0;
    while let Some((header, _)) = reader.next().unwrap() {
        last = header.sequence();
    }
    assert!(last > 0 && last < FRAMES);
    for sequence in [1, last - 1, last] {
        reader.seek(sequence).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().0.sequence(), sequence);
    }
    reader.seek(last + 1).unwrap();
    assert!(reader.next().unwrap().is_none());
    assert!(reader.seek(last + 2).is_err());
    reader.seek_time(1_000 + FRAMES * 10).unwrap();
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn a_segment_that_is_retired_takes_its_index_file_along() {
    let storage = MemoryStorage::new();
    let config = JournalConfig {
        segment_bytes: 1 << 20,
        ..large()
    };
    let mut writer = open(&storage, &config).unwrap();
    append_to(&mut writer, FRAMES);
    writer.finish().unwrap();
    let first = segments(&storage).remove(0);
    assert!(segments(&storage).len() > 2);
    storage.put(&first.replace(".segment", ".index"), b"an index");
    let options = RetainOptions {
        max_bytes: Some(1),
        ..RetainOptions::default()
    };
    assert!(!retain_in(&storage, &options).unwrap().is_empty());
    assert_eq!(index_files(&storage), [] as [String; 0]);
}

/// The file's own hash, computed again.
fn reseal(content: &mut [u8]) {
    content[80..112].fill(0);
    let hash = blake3::hash(content);
    content[80..112].copy_from_slice(hash.as_bytes());
}

/// Whole in itself, but not of the blocks that are there.
#[test]
fn an_index_file_that_ends_elsewhere_is_not_gone_on_from() {
    let storage = unsealed();
    assert_eq!(answers(in_memory(&storage)), right());
    let file = index_files(&storage).remove(0);
    let whole = storage.content(&file).unwrap();
    let mut forged = whole.clone();
    reseal(&mut forged);
    assert_eq!(forged, whole);
    for (at, change) in [(40, 64_u8), (41, 1)] {
        let mut forged = whole.clone();
        forged[at] ^= change;
        reseal(&mut forged);
        storage.put(&file, &forged);
        assert_eq!(answers(in_memory(&storage)), right());
        assert_eq!(storage.content(&file).unwrap(), whole, "{at}: mended");
    }
}

/// The entry of a block claims an earlier time, or other frames, than the block has: by it a time or
/// a sequence would lead behind frames that are wanted.
#[test]
fn an_index_that_is_wrong_about_a_block_leads_past_no_frame() {
    let sealed = MemoryStorage::new();
    let mut writer = open(&sealed, &large()).unwrap();
    append_to(&mut writer, FRAMES);
    writer.finish().unwrap();
    let unsealed = unsealed();
    assert_eq!(answers(in_memory(&unsealed)), right());
    // By the index file, and by the index in the segment, with checks that are right.
    for storage in [&unsealed, &sealed] {
        let file = index_files(storage).pop();
        let file = file.unwrap_or_else(|| segments(storage).remove(0));
        let whole = storage.content(&file).unwrap();
        let first_entry = match file.ends_with(".index") {
            true => 128,
            false => index_block(&whole).offset as usize + BLOCK_HEADER_BYTES,
        };
        let place = first_entry + 600 * 32;
        let word = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
        let (sequence, time) = (word(place), word(place + 8));
        assert_eq!(time, 1_000 + sequence * 10);
        for (at, wrong, from) in [
            (8, 0, sequence - 3),
            (0, sequence + 5, sequence + 2),
            (0, sequence - 30, sequence - 25),
        ] {
            let mut forged = whole.clone();
            forged[place + at..place + at + 8].copy_from_slice(&u64::to_le_bytes(wrong));
            match first_entry {
                128 => reseal(&mut forged),
                _ => mend_index(&mut forged, at == 8),
            }
            storage.put(&file, &forged);
            let mut reader =
                JournalReader::open_in(in_memory(storage), ReadOptions::default()).unwrap();
            reader.seek_time(1_000 + from * 10).unwrap();
            let found = reader.next().unwrap().map(|(header, _)| header.sequence());
            assert_eq!(found, Some(from), "{file}: {at}");
            reader.seek(from).unwrap();
            let found = reader.next().unwrap().map(|(header, _)| header.sequence());
            assert_eq!(found, Some(from), "{file}: {at}");
        }
    }
}

fn index_block(segment: &[u8]) -> BlockHeader {
    let offsets = block_offsets(segment);
    // The last block is the seal, the one before it the index.
    BlockHeader::from_prefix(&segment[offsets[offsets.len() - 2]..]).unwrap()
}

/// Computes the CRC of the Index block again, and its hash or not: most readers compute none.
fn mend_index(segment: &mut [u8], hash: bool) {
    let mut block = index_block(segment);
    let start = block.offset as usize + BLOCK_HEADER_BYTES;
    let payload = &segment[start..start + block.payload_bytes as usize];
    if hash {
        block.hash = block.compute_hash(payload);
    }
    block.crc32c = block.compute_crc(payload);
    segment[block.offset as usize..start].copy_from_slice(block.as_bytes());
}

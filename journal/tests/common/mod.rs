//! What the tests share: streams, configurations, a journal in memory.

#![allow(dead_code)] // Each test binary uses a part of it.

pub mod slow;

use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_journal::format::{Action, Activity};
use selvedge_journal::storage::{MemoryStorage, Storage};
use selvedge_journal::{
    Append, Dictionary, JournalConfig, JournalError, JournalIdentity, JournalReader, JournalWriter,
    ReadOptions, Record, Report, SyncPolicy, VerifyOptions, WriteMode, records_in, verify_in,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

pub const FABRIC: u128 = 0x0123_4567_89AB_CDEF_0011_2233_4455_6677;

pub fn identity() -> JournalIdentity {
    JournalIdentity::new("test", FABRIC, 1).unwrap()
}

/// Small blocks, inline, never synced except at the end: deterministic.
pub fn small() -> JournalConfig {
    JournalConfig {
        block_bytes: 4096,
        block_alignment: 64,
        segment_bytes: 64 << 10,
        buffers: 2,
        sync: SyncPolicy::OnlyAtClose,
        mode: WriteMode::Inline,
        clock: || 1_700_000_000_000_000_000,
        ..JournalConfig::default()
    }
}

/// The payload of ordinary frame `sequence`: its length and bytes follow from the sequence.
pub fn payload_of(sequence: u64, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (sequence as usize * 31 + at * 7) as u8 | 1)
        .collect()
}

pub fn header_of(sequence: u64, message_type: u16, source: u16, length: usize) -> FrameHeader {
    let descriptor = FrameHeader::descriptor_word(message_type, 5, length, Flags::EXTERNAL);
    FrameHeader::new(
        1,
        sequence,
        1_000 + sequence * 10,
        source,
        sequence,
        descriptor,
    )
}

/// Frame `sequence` of the test stream: the first two are system frames.
pub fn frame(sequence: u64) -> (FrameHeader, Vec<u8>) {
    match sequence {
        1 => joined(1, 3, "feed"),
        2 => {
            let mut payload = Vec::new();
            MessageSchema::of::<SourceJoined>().encode(&mut payload);
            (header_of(2, TYPE_REGISTERED, 0, payload.len()), payload)
        }
        _ => {
            let length = [0, 1, 8, 40, 64, 300][sequence as usize % 6];
            (
                header_of(sequence, 7, 3, length),
                payload_of(sequence, length),
            )
        }
    }
}

pub fn joined(sequence: u64, source: u16, name: &str) -> (FrameHeader, Vec<u8>) {
    let mut message = SourceJoined {
        last_source_sequence: 0,
        source,
        name_length: name.len() as u16,
        pid: 1,
        uid: 2,
        reserved: 0,
        name: [0; 48],
    };
    message.name[..name.len()].copy_from_slice(name.as_bytes());
    let payload = message.as_bytes().to_vec();
    (
        header_of(sequence, SourceJoined::TYPE, 0, payload.len()),
        payload,
    )
}

pub fn open(
    storage: &MemoryStorage,
    config: &JournalConfig,
) -> Result<JournalWriter, JournalError> {
    open_in(Arc::new(storage.clone()), config)
}

/// As [`open`], in any storage.
pub fn open_in(
    storage: Arc<dyn Storage>,
    config: &JournalConfig,
) -> Result<JournalWriter, JournalError> {
    JournalWriter::open_in(storage, &identity(), 1, &Dictionary::default(), config)
}

/// Appends test frames up to `last`, waiting where the writer would block.
pub fn append_to(writer: &mut JournalWriter, last: u64) {
    while writer.next_sequence() <= last {
        let (header, payload) = frame(writer.next_sequence());
        if writer.append(&header, &payload).unwrap() == Append::WouldBlock {
            std::thread::yield_now();
        }
    }
}

/// Waits until the writer stands still because of an error.
pub fn wait_for_error(writer: &mut JournalWriter) {
    let began = Instant::now();
    while writer.flush().is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "no error");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A finished journal of `frames` test frames, flushed after every `flush_every`.
pub fn journal(frames: u64, flush_every: u64, config: &JournalConfig) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, config).unwrap();
    let mut next = 0;
    while next < frames {
        next = (next + flush_every).min(frames);
        append_to(&mut writer, next);
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    storage
}

pub fn segments(storage: &MemoryStorage) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.retain(|name| name.ends_with(".segment"));
    names
}

pub fn reader(storage: &MemoryStorage) -> Result<JournalReader, JournalError> {
    JournalReader::open_in(
        Arc::new(storage.clone()),
        ReadOptions {
            check_hashes: true,
            ..ReadOptions::default()
        },
    )
}

/// Reads test frames until the end; returns the last sequence.
pub fn read_all(reader: &mut JournalReader) -> Result<u64, JournalError> {
    let mut last = reader.next_sequence() - 1;
    while let Some((header, payload)) = reader.next()? {
        let (expected, expected_payload) = frame(header.sequence());
        assert_eq!(header.sequence(), last + 1);
        assert_eq!(header, expected.with_flags(Flags::NONE));
        assert_eq!(payload, expected_payload);
        last += 1;
    }
    Ok(last)
}

pub fn check(storage: &MemoryStorage) -> Report {
    verify_in(storage, &VerifyOptions::default(), &mut |_| ()).unwrap()
}

/// Where the blocks of a segment file begin, found by their magic; aligned to 64.
pub fn block_offsets(segment: &[u8]) -> Vec<usize> {
    (4096..segment.len())
        .step_by(64)
        .filter(|at| segment[*at..].starts_with(b"SELVBLCK"))
        .collect()
}

pub fn activity(detail: &str) -> Record {
    Record::Activity(vec![Activity {
        at: 1,
        action: Action::OperatorAction,
        pid: 2,
        uid: 3,
        executable: "x".to_owned(),
        detail: detail.to_owned(),
    }])
}

/// The records of [`activity`]: the sequence of the frame behind each, and its detail.
pub fn activities(storage: &MemoryStorage) -> Result<Vec<(u64, String)>, JournalError> {
    let mut found = Vec::new();
    records_in(storage, 0, &mut |placed| {
        if let Record::Activity(entries) = placed.record {
            let details = entries.into_iter().map(|entry| entry.detail);
            found.extend(details.map(|detail| (placed.next_sequence, detail)));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

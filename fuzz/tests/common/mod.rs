//! What the targets share: journals to change, and making a changed one consistent again.

#![allow(dead_code)] // Each test binary uses a part of it.

use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_journal::format::{
    Action, Activity, BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, SEGMENT_HEADER_BYTES,
    SegmentHeader,
};
use selvedge_journal::storage::{MemoryStorage, Storage};
use selvedge_journal::{
    Append, Dictionary, JournalConfig, JournalIdentity, JournalWriter, Record, Signer, SyncPolicy,
    WriteMode,
};
use std::sync::Arc;
use zerocopy::{FromBytes, IntoBytes};

pub const FABRIC: u128 = 0x0123_4567_89AB_CDEF_0011_2233_4455_6677;

/// A journal whose reader may take this much memory, whatever is in it, and 64 bytes for every
/// byte of it.
pub const MEMORY: u64 = 4 << 20;

pub fn config(signed: bool) -> JournalConfig {
    JournalConfig {
        block_bytes: 4096,
        block_alignment: 64,
        segment_bytes: 64 << 10,
        buffers: 2,
        sync: SyncPolicy::OnlyAtClose,
        mode: WriteMode::Inline,
        clock: || 1_700_000_000_000_000_000,
        signer: signed.then(|| Signer::generate().expect("random numbers")),
        ..JournalConfig::default()
    }
}

pub fn identity() -> JournalIdentity {
    JournalIdentity::new("test", FABRIC, 1).expect("a name")
}

fn frame(sequence: u64) -> (FrameHeader, Vec<u8>) {
    let (message_type, source, payload) = match sequence {
        1 => {
            let mut message =
                SourceJoined::read_from_bytes(&[0; size_of::<SourceJoined>()]).expect("its size");
            message.source = 3;
            message.name_length = 4;
            message.name[..4].copy_from_slice(b"feed");
            (SourceJoined::TYPE, 0, message.as_bytes().to_vec())
        }
        2 => {
            let mut payload = Vec::new();
            MessageSchema::of::<SourceJoined>().encode(&mut payload);
            (TYPE_REGISTERED, 0, payload)
        }
        _ => {
            let length = [0, 1, 8, 40, 64, 300][sequence as usize % 6];
            (7, 3, vec![sequence as u8; length])
        }
    };
    let descriptor = FrameHeader::descriptor_word(message_type, 5, payload.len(), Flags::NONE);
    let header = FrameHeader::new(
        1,
        sequence,
        1_000 + sequence * 10,
        source,
        sequence,
        descriptor,
    );
    (header, payload)
}

/// A journal of `frames` frames in memory, with records between them; sealed or left open.
pub fn journal(frames: u64, sealed: bool, signed: bool) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut writer = JournalWriter::open_in(
        Arc::new(storage.clone()),
        &identity(),
        1,
        &Dictionary::default(),
        &config(signed),
    )
    .expect("memory takes it");
    let entry = Activity {
        at: 1,
        action: Action::OperatorAction,
        pid: 2,
        uid: 3,
        executable: "x".to_owned(),
        detail: "y".to_owned(),
    };
    for sequence in 1..=frames {
        let (header, payload) = frame(sequence);
        assert_eq!(
            writer.append(&header, &payload).expect("taken"),
            Append::Done
        );
        if sequence % 50 == 0 {
            writer
                .record(&Record::Activity(vec![entry.clone()]))
                .expect("taken");
        }
        if sequence % 7 == 0 {
            writer.flush().expect("written");
        }
    }
    match sealed {
        true => drop(writer.finish().expect("sealed")),
        false => drop(writer),
    }
    storage
}

pub fn segments(storage: &MemoryStorage) -> Vec<String> {
    let mut names = storage.list().expect("memory");
    names.retain(|name| name.ends_with(".segment"));
    names
}

/// Where blocks begin.
pub fn block_offsets(segment: &[u8]) -> Vec<usize> {
    (SEGMENT_HEADER_BYTES..segment.len())
        .step_by(64)
        .filter(|at| segment[*at..].starts_with(&BLOCK_MAGIC))
        .collect()
}

/// Computes every check of a changed segment again, so that a reader believes it and goes on to
/// what the check protects. With `chain` each block follows on the one before, too.
pub fn reseal(segment: &mut [u8], chain: bool) {
    let Some((page, _)) = segment.split_at_mut_checked(SEGMENT_HEADER_BYTES) else {
        return;
    };
    let Ok(mut header) = SegmentHeader::read_from_bytes(page) else {
        return;
    };
    header.crc32c = header.compute_crc();
    page.copy_from_slice(header.as_bytes());
    let mut before = header.hash();
    let mut number = header.first_block;
    for at in block_offsets(segment) {
        let Some(mut block) = BlockHeader::from_prefix(&segment[at..]) else {
            continue;
        };
        if chain {
            block.previous_hash = before;
            block.block_number = number;
            block.offset = at as u64;
            block.segment_number = header.segment_number;
        }
        let start = at + BLOCK_HEADER_BYTES;
        let Some(payload) = start
            .checked_add(block.payload_bytes as usize)
            .and_then(|end| segment.get(start..end))
        else {
            continue;
        };
        block.hash = block.compute_hash(payload);
        block.crc32c = block.compute_crc(payload);
        segment[at..start].copy_from_slice(block.as_bytes());
        before = block.hash;
        number = number.wrapping_add(1);
    }
}

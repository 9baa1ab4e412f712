//! What the targets share: journals to change, and making a changed one consistent again.

#![allow(dead_code, unused_imports)] // Each test binary uses a part of it.

#[path = "../../../journal/tests/common/mod.rs"]
mod stream;

use selvedge_journal::format::{
    Action, Activity, BLOCK_HEADER_BYTES, BlockHeader, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use selvedge_journal::storage::MemoryStorage;
use selvedge_journal::{Dictionary, JournalConfig, JournalWriter, Record, Signer};
use std::sync::Arc;
pub use stream::{FABRIC, block_offsets, identity, segments};
use stream::{append_to, small};
use zerocopy::{FromBytes, IntoBytes};

/// A journal whose reader may take this much memory, whatever is in it, and 64 bytes for every
/// byte of it.
pub const MEMORY: u64 = 4 << 20;

pub fn config(signed: bool) -> JournalConfig {
    JournalConfig {
        signer: signed.then(|| Signer::generate().expect("random numbers")),
        ..small()
    }
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
        append_to(&mut writer, sequence);
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

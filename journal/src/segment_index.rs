//! The index of a segment, whatever state the segment is in.
//!
//! A sealed segment carries its index. Where it has none - not sealed, torn, the index damaged -
//! the headers of the blocks are one: each says where the next begins, and names the hash of the
//! one before. They are read without the payloads, which takes a small part of the time that
//! reading all of the segment takes, and what was found is kept in a file beside the segment
//! where the directory can be written and no writer is at work in it. That file is never needed,
//! and serves to find frames only: to seek, and never to list what is in a segment.

use crate::error::JournalError;
use crate::format::{
    BlockHeader, BlockKind, Hash, INDEX_ENTRY_BYTES, IndexEntry, MAX_INDEX_ENTRIES, SegmentName,
    block_bytes_on_disk,
};
use crate::segment::{Chain, SegmentReader, decode_index, index_entry};
use crate::storage::{Storage, StorageFile, read_full, write_all};
use std::io;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const MAGIC: [u8; 8] = *b"SELVINDX";
const VERSION: u32 = 1;

/// Blocks from which on it is worth keeping what was found: fewer are read again in no time.
const WORTH_KEEPING: usize = 64;

/// Broken blocks at the end of a segment behind which a whole one is looked for, to learn what was
/// durable. Where there are more, every block from the first on is checked.
const MAX_TORN: usize = 64;

/// Headers that are asked for ahead.
const SKIM_AHEAD: u64 = 32;

/// Front of an index file; the entries follow.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FileHeader {
    magic: [u8; 8],
    version: u32,
    /// Entries that follow.
    entries: u32,
    fabric_id: [u8; 16],
    segment_number: u64,
    /// Where the block behind the last one in the index begins.
    covered: u64,
    /// Hash of the last block in the index: it stands for all before it too.
    last_hash: Hash,
    /// BLAKE3 of this header, this field zero, and the entries.
    hash: Hash,
    reserved: [u8; 16],
}

const HEADER_BYTES: usize = size_of::<FileHeader>();
const _: () = assert!(HEADER_BYTES == 128);

/// The blocks of a segment in order, as far as they are known.
struct Found {
    entries: Vec<IndexEntry>,
    /// Where the next block begins, and what it must follow on.
    offset: u64,
    chain: Chain,
}

impl Found {
    /// None yet.
    fn none(segment: &SegmentReader) -> Self {
        Found {
            entries: Vec::new(),
            offset: segment.first_block_offset(),
            chain: segment.first_chain(),
        }
    }
}

/// The blocks of `segment`, as the segment itself has them: from its own index where it has a
/// whole one, else from their headers. What a crash may have left incomplete is not in it.
///
/// For whoever must not miss a block: a file beside the segment could leave one out, and nothing
/// but the headers would show it.
pub(crate) fn blocks_of(segment: &mut SegmentReader) -> Result<Vec<IndexEntry>, JournalError> {
    if let Some(entries) = segment.index()? {
        return Ok(entries);
    }
    let mut found = Found::none(segment);
    let headers = skim(segment, &mut found, u64::MAX)?;
    cut_to_whole(segment, &mut found.entries, 0, &headers)?;
    Ok(found.entries)
}

/// The blocks of `segment` up to the one at `offset`, by their headers: as [`blocks_of`], for
/// whoever has found that one and must miss none before it.
pub(crate) fn blocks_to(
    segment: &SegmentReader,
    offset: u64,
) -> Result<Vec<IndexEntry>, JournalError> {
    let mut found = Found::none(segment);
    skim(segment, &mut found, offset)?;
    Ok(found.entries)
}

/// What [`index_of`] gives.
pub(crate) struct Index {
    pub(crate) entries: Vec<IndexEntry>,
    /// So many of them, from the first on, are what the file beside the segment says.
    pub(crate) from_file: usize,
}

/// As [`blocks_of`], but goes on from the file beside the segment, and keeps one there: to find
/// where to read on from.
pub(crate) fn index_of(
    segment: &mut SegmentReader,
    storage: &dyn Storage,
) -> Result<Index, JournalError> {
    if let Some(entries) = segment.index()? {
        let from_file = 0;
        return Ok(Index { entries, from_file });
    }
    let mut found = kept(segment, storage)?.unwrap_or_else(|| Found::none(segment));
    let before = found.entries.len();
    let hashes = skim(segment, &mut found, u64::MAX)?;
    let last = cut_to_whole(segment, &mut found.entries, before, &hashes)?;
    let fresh = found.entries.len() - before;
    if let Some(last) = last
        && fresh >= WORTH_KEEPING
        && !storage.has_writer()
    {
        // Whatever comes of it: it is only there to be faster the next time.
        let _ = keep(segment, storage, &found.entries, &last);
    }
    Ok(Index {
        entries: found.entries,
        from_file: before,
    })
}

/// Reads headers on from where `found` ends to the one at `end`, as long as each is the next of its
/// chain. The headers.
fn skim(
    segment: &SegmentReader,
    found: &mut Found,
    end: u64,
) -> Result<Vec<BlockHeader>, JournalError> {
    let mut headers = Vec::new();
    let (mut stride, mut asked) = (0, false);
    while found.offset <= end && found.entries.len() < MAX_INDEX_ENTRIES {
        let Some(header) = segment.skim_header(found.offset, &found.chain)? else {
            break;
        };
        found.entries.push(index_entry(&header));
        let bytes = block_bytes_on_disk(header.payload_bytes as usize, segment.alignment()) as u64;
        found.offset += bytes;
        found.chain.advance(&header);
        headers.push(header);
        // Under load one block of frames is as large as the other: the disk can fetch several at
        // once. Where they are not, nobody knows where to look. Blocks of other kinds say nothing:
        // a new segment begins with two that are equal because they are empty.
        let frames = header.kind == BlockKind::Frames as u16;
        if !frames || bytes != stride {
            stride = if frames { bytes } else { 0 };
            asked = false;
            continue;
        }
        let first = if asked { SKIM_AHEAD } else { 1 };
        for block in first..=SKIM_AHEAD {
            segment.will_skim(found.offset + block * bytes);
        }
        asked = true;
    }
    Ok(headers)
}

/// Cuts what a crash may have left incomplete: of the blocks that were not durable when the last
/// whole one was written, everything from the first broken one on. The last block that stays, if
/// it is one of `headers`, the blocks from number `before` of the entries on.
fn cut_to_whole(
    segment: &mut SegmentReader,
    entries: &mut Vec<IndexEntry>,
    before: usize,
    headers: &[BlockHeader],
) -> Result<Option<BlockHeader>, JournalError> {
    let mut durable = 0;
    for header in headers.iter().rev().take(MAX_TORN) {
        if segment.block_at(header.offset)?.is_ok() {
            durable = header.durable_blocks.min(header.block_number);
            break;
        }
    }
    let mut whole = headers.len();
    for (at, header) in headers.iter().enumerate() {
        if header.block_number >= durable && segment.block_at(header.offset)?.is_err() {
            whole = at;
            break;
        }
    }
    entries.truncate(before + whole);
    Ok(whole.checked_sub(1).and_then(|at| headers.get(at)).copied())
}

/// What the file beside the segment says, if it is whole and the segment still begins like that.
fn kept(segment: &mut SegmentReader, storage: &dyn Storage) -> Result<Option<Found>, JournalError> {
    let Some((header, entries)) = storage
        .open(&segment.name.index_file(), false)
        .ok()
        .and_then(|file| read(&*file))
    else {
        return Ok(None);
    };
    let Some(last) = entries.last() else {
        return Ok(None);
    };
    if header.fabric_id != segment.header.fabric_id
        || header.segment_number != segment.header.segment_number
    {
        return Ok(None);
    }
    let number = segment.header.first_block + entries.len() as u64 - 1;
    Ok(match segment.block_at(last.offset)? {
        Ok(block) if block.hash == header.last_hash && block.block_number == number => {
            let mut chain = Chain::before(&block);
            chain.advance(&block);
            let bytes = block_bytes_on_disk(block.payload_bytes as usize, segment.alignment());
            let offset = last.offset + bytes as u64;
            (offset == header.covered).then_some(Found {
                entries,
                offset,
                chain,
            })
        }
        _ => None,
    })
}

/// The header and entries of an index file; `None` where it is not a whole one.
fn read(file: &dyn StorageFile) -> Option<(FileHeader, Vec<IndexEntry>)> {
    let bytes = usize::try_from(file.size().ok()?).ok()?;
    let most = HEADER_BYTES + MAX_INDEX_ENTRIES * INDEX_ENTRY_BYTES;
    if !(HEADER_BYTES..=most).contains(&bytes) {
        return None;
    }
    let mut content = vec![0; bytes];
    if read_full(file, &mut content, 0).ok()? != bytes {
        return None;
    }
    let (header, entries) = FileHeader::read_from_prefix(&content).ok()?;
    let whole = header.magic == MAGIC
        && header.version == VERSION
        && header.entries as usize * INDEX_ENTRY_BYTES == entries.len()
        && header.hash == hash_of(&header, entries);
    if !whole {
        return None;
    }
    let entries = decode_index(entries).ok()?;
    Some((header, entries))
}

fn hash_of(header: &FileHeader, entries: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    let bytes = header.as_bytes();
    let at = std::mem::offset_of!(FileHeader, hash);
    hasher.update(bytes.get(..at).unwrap_or_default());
    hasher.update(&[0; 32]);
    hasher.update(bytes.get(at + 32..).unwrap_or_default());
    hasher.update(entries);
    *hasher.finalize().as_bytes()
}

/// Puts the index beside the segment: whole, or not at all.
fn keep(
    segment: &SegmentReader,
    storage: &dyn Storage,
    entries: &[IndexEntry],
    last: &BlockHeader,
) -> io::Result<()> {
    let mut header = FileHeader {
        magic: MAGIC,
        version: VERSION,
        entries: entries.len() as u32,
        fabric_id: segment.header.fabric_id,
        segment_number: segment.header.segment_number,
        covered: last.offset
            + block_bytes_on_disk(last.payload_bytes as usize, segment.alignment()) as u64,
        last_hash: last.hash,
        hash: [0; 32],
        reserved: [0; 16],
    };
    header.hash = hash_of(&header, entries.as_bytes());
    let name = segment.name.index_file();
    // Others may be at the same: each writes a file of its own, and the last one stays.
    let unnamed = format!("{name}.{}{TEMPORARY_SUFFIX}", std::process::id());
    let mut content = header.as_bytes().to_vec();
    content.extend_from_slice(entries.as_bytes());
    let put = storage
        .create(&unnamed, content.len() as u64)
        .and_then(|file| write_all(&*file, &content, 0))
        .and_then(|()| storage.rename(&unnamed, &name));
    if put.is_err() {
        let _ = storage.remove(&unnamed);
    }
    put
}

const TEMPORARY_SUFFIX: &str = ".tmp";

/// Removes the index file of a segment: the segment goes, or is written again.
pub(crate) fn forget(storage: &dyn Storage, name: SegmentName) {
    // Mostly there is none, and one that stays harms nobody.
    let _ = storage.remove(&name.index_file());
}

/// Whether a file is an index that somebody was killed over.
pub(crate) fn is_unfinished(file: &str) -> bool {
    file.strip_suffix(TEMPORARY_SUFFIX)
        .and_then(|rest| rest.rsplit_once('.'))
        .is_some_and(|(front, _)| SegmentName::parse_index(front).is_some())
}

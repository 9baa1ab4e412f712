//! Deleting old segments: never what is not sealed or not durable.

use crate::error::{JournalError, io_error};
use crate::format::SegmentName;
use crate::recovery::check_numbers;
use crate::segment::{SegmentReader, list_segments};
use crate::segment_index::forget;
use crate::storage::Storage;

/// What to keep. Segments go from the front on, as long as one of the limits that are set says
/// so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RetainOptions {
    /// Segments go whose last frame is stamped before this, UTC nanoseconds.
    pub older_than: Option<u64>,
    /// Segments go as long as all of them together have more bytes than this.
    pub max_bytes: Option<u64>,
    /// Nothing that ends after this sequence goes: the journal's `durable` position, where a
    /// writer is at work.
    pub durable: Option<u64>,
    /// Only says what would go.
    pub dry_run: bool,
}

/// A segment that goes, or would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetiredSegment {
    /// Its file.
    pub name: SegmentName,
    /// Bytes of the file.
    pub bytes: u64,
    /// Sequences in it.
    pub first_sequence: u64,
    /// The last of them.
    pub last_sequence: u64,
    /// Time stamp of its last frame, UTC nanoseconds.
    pub last_timestamp: u64,
}

/// Deletes segments from the front of a journal. The last segment and the one before it stay in
/// any case, and what stays is a whole chain: it names the hash and the root of what went.
///
/// # Errors
/// What is wrong with a segment that would go: nothing is deleted from there on. What the host
/// says.
pub fn retain_in(
    storage: &dyn Storage,
    options: &RetainOptions,
) -> Result<Vec<RetiredSegment>, JournalError> {
    let names = list_segments(storage)?;
    check_numbers(&names)?;
    let size = |name: &SegmentName| -> Result<u64, JournalError> {
        let file = name.to_string();
        storage
            .open(&file, false)
            .and_then(|opened| opened.size())
            .map_err(io_error("ask the size of", &file))
    };
    let mut total = 0;
    for name in &names {
        total += size(name)?;
    }
    let mut gone = Vec::new();
    if options.older_than.is_none() && options.max_bytes.is_none() {
        return Ok(gone);
    }
    // A writer that goes on needs the last seal, and may just be making the next segment.
    for name in names.iter().take(names.len().saturating_sub(2)) {
        let mut segment = SegmentReader::open(storage, *name, true)?;
        let Some((_, seal)) = segment.seal()? else {
            break;
        };
        let bytes = size(name)?;
        let old = options
            .older_than
            .is_some_and(|limit| seal.last_timestamp < limit);
        let much = options.max_bytes.is_some_and(|limit| total > limit);
        let durable = options
            .durable
            .is_none_or(|durable| seal.last_sequence <= durable);
        if !(old || much) || !durable {
            break;
        }
        if !options.dry_run {
            let file = name.to_string();
            storage.remove(&file).map_err(io_error("remove", &file))?;
            forget(storage, *name);
            // One after the other, so that a loss of power leaves no hole.
            storage
                .sync_directory()
                .map_err(io_error("sync", &storage.describe()))?;
        }
        total -= bytes;
        gone.push(RetiredSegment {
            name: *name,
            bytes,
            first_sequence: seal.first_sequence,
            last_sequence: seal.last_sequence,
            last_timestamp: seal.last_timestamp,
        });
    }
    Ok(gone)
}

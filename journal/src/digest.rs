//! One hash over frames, by which two recordings of a stream can be compared.

use crate::error::JournalError;
use crate::format::Hash;
use crate::frames::frame_at;
use crate::reader::{JournalReader, ReadOptions};
use crate::storage::{DirectoryStorage, Storage};
use std::path::Path;
use std::sync::Arc;

/// The hash of a range of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// BLAKE3 of the frames, one after the other, each exactly as on disk: the 32 bytes of its
    /// header, epoch tag and time stamp included, then its payload padded with zeros to 8 bytes.
    /// Nothing else goes in: not blocks, segments, or who recorded it.
    pub hash: Hash,
    /// First sequence.
    pub first_sequence: u64,
    /// Last sequence; `first_sequence − 1` for no frames.
    pub last_sequence: u64,
}

/// The digest of the frames `from..=to` of the journal in `directory`. `None` for `from` means
/// the first there is, for `to` the last.
///
/// Two recordings of one stream have the same digest for the same range, however they were cut
/// into blocks and segments: header and payload are what the sequencer published, and the only
/// bit that a journal changes is the flag `EXTERNAL`, which is always cleared.
///
/// # Errors
/// [`JournalError::NoSuchSequence`] when the range is not all there, and what
/// [`JournalReader::next`] reports.
pub fn digest(
    directory: &Path,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Digest, JournalError> {
    digest_in(Arc::new(DirectoryStorage::new(directory)), from, to)
}

/// As [`digest`], for any storage.
///
/// # Errors
/// As [`digest`].
pub fn digest_in(
    storage: Arc<dyn Storage>,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Digest, JournalError> {
    let mut reader = JournalReader::open_in(storage, ReadOptions::default())?;
    let first_sequence = from.unwrap_or(reader.first_sequence());
    if let Some(from) = from {
        reader.seek(from)?;
    }
    let mut hasher = blake3::Hasher::new();
    let mut last_sequence = first_sequence.saturating_sub(1);
    let end = to.unwrap_or(u64::MAX);
    while last_sequence < end {
        let Some((block, payload)) = reader.next_block()? else {
            break;
        };
        let mut sequence = block.first_sequence;
        let mut timestamp = block.first_timestamp;
        let mut at = 0;
        let mut start = 0;
        while at < payload.len() && sequence <= end {
            let frame = match frame_at(payload, at, sequence, timestamp) {
                Ok(frame) => frame,
                Err(fault) => return Err(reader.damaged_block(&block, fault)),
            };
            at = frame.next;
            if sequence < first_sequence {
                start = at;
            } else {
                last_sequence = sequence;
            }
            timestamp = frame.header.timestamp();
            sequence += 1;
        }
        hasher.update(payload.get(start..at).unwrap_or_default());
    }
    match to {
        Some(to) if last_sequence < to => Err(JournalError::NoSuchSequence {
            sequence: to,
            first: reader.first_sequence(),
            last: last_sequence,
        }),
        Some(_) => Ok(()),
        None => reader.tail().map(|_| ()),
    }?;
    Ok(Digest {
        hash: *hasher.finalize().as_bytes(),
        first_sequence,
        last_sequence,
    })
}

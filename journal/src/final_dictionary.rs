//! What numbers stand for at the end of a journal, without reading all of its last segment.

use crate::dictionary::Dictionary;
use crate::error::JournalError;
use crate::fault::BlockFault;
use crate::format::{BlockKind, IndexEntry};
use crate::recovery::{check_numbers, walk};
use crate::segment::{SegmentReader, list_segments};
use crate::segment_index::index_of;
use crate::storage::{DirectoryStorage, Storage};
use std::path::Path;

/// What is known at the end of the journal in `directory` about types, sources and topics. Reads
/// little of it, whether it is sealed or not.
///
/// # Errors
/// [`JournalError::Empty`], and what is wrong with the blocks that say it.
pub fn final_dictionary(directory: &Path) -> Result<Dictionary, JournalError> {
    final_dictionary_in(&DirectoryStorage::new(directory))
}

/// As [`final_dictionary`], for any storage.
///
/// # Errors
/// As [`final_dictionary`].
pub fn final_dictionary_in(storage: &dyn Storage) -> Result<Dictionary, JournalError> {
    let names = list_segments(storage)?;
    check_numbers(&names)?;
    let Some(&last) = names.last() else {
        return Err(JournalError::Empty {
            directory: storage.describe(),
        });
    };
    let mut segment = SegmentReader::open(storage, last, false)?;
    let index = index_of(&mut segment, storage)?;
    let is = |entry: &&IndexEntry, kind: BlockKind| entry.kind == kind as u16;
    let mut dictionary = Dictionary::default();
    let mut known_to = 0;
    for entry in index
        .iter()
        .filter(|entry| is(entry, BlockKind::Dictionary))
    {
        segment.offset = entry.offset;
        segment
            .block_at(entry.offset)?
            .and_then(|_| {
                let decoded = dictionary.decode(segment.payload());
                decoded.map_err(BlockFault::Payload)
            })
            .map_err(|fault| segment.damaged(fault))?;
        known_to = entry.offset;
    }
    if index.is_empty() {
        // Header page and dictionary were durable before the file had its name.
        return Err(segment.damaged(BlockFault::Nothing));
    }
    // What a Frames block adds comes again in the Dictionary block behind it, except at the end.
    let last_frames = index
        .iter()
        .rfind(|entry| is(entry, BlockKind::Frames))
        .filter(|entry| entry.offset > known_to);
    if let Some(entry) = last_frames {
        segment.offset = entry.offset;
        let block = segment.block_at(entry.offset)?;
        block
            .and_then(|block| {
                walk(&block, segment.payload(), |header, frame| {
                    if let Some(added) = dictionary.news_in(header, frame) {
                        dictionary.merge(&added);
                    }
                })
            })
            .map_err(|fault| segment.damaged(fault))?;
    }
    Ok(dictionary)
}

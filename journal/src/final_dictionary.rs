//! What numbers stand for at the end of a journal, without reading all of its last segment.

use crate::dictionary::Dictionary;
use crate::error::JournalError;
use crate::fault::BlockFault;
use crate::format::BlockKind;
use crate::recovery::{check_numbers, walk};
use crate::segment::{SegmentReader, list_segments};
use crate::segment_index::blocks_of;
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
    let blocks = blocks_of(&mut segment)?;
    if blocks.is_empty() {
        // Header page and dictionary were durable before the file had its name.
        return Err(segment.damaged(BlockFault::Nothing));
    }
    let mut dictionary = Dictionary::default();
    let mut known_to = 0;
    for (place, entry) in blocks.iter().enumerate() {
        if entry.kind != BlockKind::Dictionary as u16 {
            continue;
        }
        let block = segment.indexed(place, entry)?;
        dictionary
            .decode(segment.payload())
            .map_err(|problem| segment.damaged_block(&block, BlockFault::Payload(problem)))?;
        known_to = place;
    }
    // What a Frames block adds comes again in the Dictionary block behind it, except at the end.
    let last_frames = blocks
        .iter()
        .enumerate()
        .rfind(|(_, entry)| entry.kind == BlockKind::Frames as u16)
        .filter(|(place, _)| *place > known_to);
    if let Some((place, entry)) = last_frames {
        let block = segment.indexed(place, entry)?;
        walk(&block, segment.payload(), |header, frame| {
            if let Some(added) = dictionary.news_in(header, frame) {
                dictionary.merge(&added);
            }
        })
        .map_err(|fault| segment.damaged_block(&block, fault))?;
    }
    Ok(dictionary)
}

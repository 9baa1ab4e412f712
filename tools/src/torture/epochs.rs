//! When each epoch sequenced its first message, as the stream itself says.

use super::words::MappedWords;
use crate::error::Result;
use selvedge_fabric::Frame;
use selvedge_fabric::frame::MAX_EPOCH_TAG;
use std::path::Path;
use std::sync::atomic::Ordering;

/// UTC nanoseconds of each epoch's first message, by the epoch's tag.
#[derive(Debug)]
pub struct Epochs {
    words: MappedWords,
    latest: u64,
}

impl Epochs {
    /// An empty table.
    pub fn create(path: &Path) -> Result<()> {
        MappedWords::create(path, MAX_EPOCH_TAG as usize + 1)?;
        Ok(())
    }

    /// The table that is there.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Epochs {
            words: MappedWords::open(path)?,
            latest: u64::MAX,
        })
    }

    /// A reader that sees every frame was handed this one.
    pub fn take(&mut self, frame: &Frame<'_>) {
        let header = frame.header();
        if header.source() == 0 || header.epoch_tag() == self.latest {
            return;
        }
        self.latest = header.epoch_tag();
        if let Some(word) = self.words.get(self.latest as usize)
            && word.load(Ordering::Acquire) == 0
        {
            word.store(header.timestamp(), Ordering::Release);
        }
    }

    /// When the first message after epoch `epoch` was sequenced by a successor.
    pub fn first_after(&self, epoch: u64) -> Option<u64> {
        (epoch + 1..=MAX_EPOCH_TAG)
            .map_while(|next| self.words.get(next as usize))
            .map(|word| word.load(Ordering::Acquire))
            .find(|&time| time != 0)
    }
}

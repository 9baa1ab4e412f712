//! Looking at what the rings still hold, without holding anybody: reads, copies, checks.

use super::Fabric;
use crate::error::{FabricError, Result};
use crate::frame::{FrameHeader, SourceId};
use crate::protocol::epoch::{Owner, Span, owner_of};
use crate::protocol::stream::StreamReader;
use crate::shared::bank::Bank;

impl Fabric {
    /// Finds the epoch that holds `sequence`.
    pub fn owner_of(&self, sequence: u64) -> Owner {
        owner_of(self.epoch(), sequence, |epoch| {
            self.bank(epoch).map(Bank::header)
        })
    }

    /// A reader at `sequence` in the bank of `span`.
    pub fn reader_in(&self, span: Span, sequence: u64) -> Option<StreamReader> {
        let bank = self.bank(span.epoch)?;
        StreamReader::new(
            bank.slots().clone(),
            bank.shape(),
            span.epoch,
            sequence,
            span.closed_at,
        )
    }

    /// The sequence that will be published next, as far as is known; 1 before the first.
    pub fn next_sequence(&self) -> u64 {
        let epoch = self.epoch().load();
        let Some((bank, opened)) = self
            .bank(epoch)
            .and_then(|bank| Some((bank, bank.header().read(epoch)?)))
        else {
            return 1;
        };
        let span = Span {
            epoch,
            first_sequence: opened.first_sequence,
            closed_at: None,
        };
        let mut next = bank.published().max(opened.first_sequence);
        // The position is stored once a run: the frames after it are already there.
        if let Some(reader) = self.reader_in(span, next) {
            next = crate::protocol::stream::scan_end(&reader, next);
        }
        next
    }

    /// The oldest sequence that can still be read from the rings.
    pub fn oldest_sequence(&self) -> u64 {
        let mut sequence = self.next_sequence();
        loop {
            let Owner::Found(span) = self.owner_of(sequence) else {
                return sequence;
            };
            let Some(bank) = self.bank(span.epoch) else {
                return sequence;
            };
            let intact = bank.bound().intact_from().max(span.first_sequence);
            if intact > span.first_sequence || intact <= 1 {
                return intact.min(sequence);
            }
            // The whole epoch is there: look into the one before.
            match self.owner_of(intact - 1) {
                Owner::Found(before) if before.epoch != span.epoch => sequence = intact - 1,
                _ => return intact,
            }
            let Owner::Found(before) = self.owner_of(sequence) else {
                return intact;
            };
            match self.bank(before.epoch) {
                Some(bank) if bank.bound().intact_from() <= sequence => {}
                _ => return intact,
            }
        }
    }

    /// The header of the frame at `sequence`, if it is still in the rings.
    pub fn peek(&self, sequence: u64) -> Option<FrameHeader> {
        let Owner::Found(span) = self.owner_of(sequence) else {
            return None;
        };
        if span.closed_at.is_some_and(|end| sequence >= end) {
            return None;
        }
        let bank = self.bank(span.epoch)?;
        let reader = self.reader_in(span, sequence)?;
        if !reader.published(sequence)
            || (span.closed_at.is_none() && self.epoch().load_after_publication() != span.epoch)
        {
            return None;
        }
        let words = [0, 1, 2, 3].map(|index| reader.word(0, index));
        let intact = bank.bound().intact_from() <= sequence;
        let header = FrameHeader::from_words(words);
        (intact && header.sequence() == sequence).then_some(header)
    }

    /// The first sequence whose time stamp is at or after `timestamp_ns`; the next sequence where
    /// every frame is older. Only frames in the rings are looked at: the oldest of them where all
    /// are younger.
    pub fn sequence_at_time(&self, timestamp_ns: u64) -> u64 {
        let mut low = self.oldest_sequence();
        let mut high = self.next_sequence();
        while low < high {
            let middle = low + (high - low) / 2;
            match self.peek(middle) {
                Some(header) if header.timestamp() >= timestamp_ns => high = middle,
                // Younger frames only, or overwritten meanwhile: further on.
                _ => low = middle + 1,
            }
        }
        low
    }

    /// The global sequence of message `source_sequence` of `source`, which must have been
    /// sequenced already.
    ///
    /// Walks back from the newest frame, leaping over what cannot be it. Fails once the frame has
    /// been overwritten.
    pub fn find_message(&self, source: SourceId, source_sequence: u64) -> Result<u64> {
        let newest = self.next_sequence().saturating_sub(1);
        let oldest = self.oldest_sequence();
        let mut sequence = newest;
        while sequence >= oldest && sequence > 0 {
            let Some(header) = self.peek(sequence) else {
                break;
            };
            let mut back = 1;
            if header.source() == source {
                let found = header.source_sequence();
                if found == source_sequence {
                    return Ok(sequence);
                }
                if found < source_sequence {
                    break;
                }
                // Between them lie at least that many messages of this source.
                back = found - source_sequence;
            }
            sequence = sequence.saturating_sub(back);
        }
        Err(FabricError::SequenceNotAvailable {
            sequence: source_sequence,
            oldest,
            newest,
        })
    }
}

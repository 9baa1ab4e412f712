//! `--from` and `--to`: by sequence or by time.

use crate::error::{Result, ToolError};
use clap::Args;
use selvedge_journal::storage::DirectoryStorage;
use selvedge_journal::{JournalReader, ReadOptions};
use selvedge_query::UtcTime;
use std::path::Path;
use std::sync::Arc;

/// A range of a journal.
#[derive(Args, Clone, Debug, Default)]
pub struct RangeArgs {
    /// Where to begin: `seq:N` or a UTC time, such as 2012-06-21T09:30:00 or 09:30:00.5
    #[arg(long)]
    pub from: Option<String>,
    /// Where to end: `seq:N`, included, or a UTC time, not included.
    #[arg(long)]
    pub to: Option<String>,
    /// Go over gaps that the journal declares instead of stopping there.
    #[arg(long)]
    pub allow_gaps: bool,
}

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A sequence.
    Sequence(u64),
    /// UTC nanoseconds.
    Time(u64),
}

/// What an end of a range says; a time of day is on the day of `day`.
pub fn parse(argument: &'static str, text: &str, day: u64) -> Result<Bound> {
    let found = match text.strip_prefix("seq:") {
        Some(number) => number.parse().ok().map(Bound::Sequence),
        None => UtcTime::parse(text, UtcTime(day)).map(|time| Bound::Time(time.0)),
    };
    found.ok_or_else(|| ToolError::Argument {
        argument,
        problem: format!("`{text}` is neither `seq:N` nor a UTC time such as 2012-06-21T09:30:00"),
    })
}

/// A reader that stands at the beginning of a range, and where that ends.
pub struct Range {
    /// Stands at the first frame.
    pub reader: JournalReader,
    /// Where it ends.
    pub to: Option<Bound>,
    /// The day of the journal's first frame, UTC nanoseconds.
    pub day: u64,
}

impl RangeArgs {
    /// The journal, and the day of its first frame, which was read.
    fn begin(&self, directory: &Path) -> Result<(JournalReader, u64)> {
        let options = ReadOptions {
            allow_gaps: self.allow_gaps,
            ..ReadOptions::default()
        };
        let storage = Arc::new(DirectoryStorage::new(directory));
        let mut reader = JournalReader::open_in(storage, options)?;
        let day = reader.next()?.map_or(0, |(header, _)| header.timestamp());
        Ok((reader, day))
    }

    /// The two ends.
    pub fn bounds(&self, directory: &Path) -> Result<(Option<Bound>, Option<Bound>)> {
        let (_, day) = self.begin(directory)?;
        let end = |argument, text: &Option<String>| match text {
            Some(text) => parse(argument, text, day).map(Some),
            None => Ok(None),
        };
        Ok((end("--from", &self.from)?, end("--to", &self.to)?))
    }

    /// Opens the journal at this range. With `by_field` times are left to the caller.
    pub fn open(&self, directory: &Path, by_field: bool) -> Result<Range> {
        let (mut reader, day) = self.begin(directory)?;
        let first = reader.first_sequence();
        reader.seek(first)?;
        match self
            .from
            .as_deref()
            .map(|text| parse("--from", text, day))
            .transpose()?
        {
            Some(Bound::Sequence(sequence)) => reader.seek(sequence.max(first))?,
            Some(Bound::Time(time)) if !by_field => reader.seek_time(time)?,
            _ => {}
        }
        let to = self
            .to
            .as_deref()
            .map(|text| parse("--to", text, day))
            .transpose()?;
        Ok(Range {
            reader,
            to: to.filter(|to| !(by_field && matches!(to, Bound::Time(_)))),
            day,
        })
    }
}

impl Bound {
    /// Whether a frame with this sequence and time stamp is beyond this end.
    pub fn is_behind(self, sequence: u64, timestamp: u64) -> bool {
        match self {
            Bound::Sequence(last) => sequence > last,
            Bound::Time(end) => timestamp >= end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::frame::{Flags, FrameHeader};
    use selvedge_journal::{
        AlarmState, Append, Dictionary, JournalConfig, JournalIdentity, JournalWriter, WriteMode,
    };

    #[test]
    fn ends_are_sequences_or_times() {
        let day = 1_340_271_000_500_000_000;
        let ok = |text| parse("--from", text, day).ok();
        assert_eq!(ok("seq:12"), Some(Bound::Sequence(12)));
        assert_eq!(ok("09:30:00.5"), Some(Bound::Time(day)));
        assert_eq!(ok("2012-06-21T09:30:00.5Z"), Some(Bound::Time(day)));
        assert_eq!(ok("12"), None);
        assert_eq!(ok("seq:x"), None);
        assert!(Bound::Sequence(5).is_behind(6, 0) && !Bound::Sequence(5).is_behind(5, 9));
        assert!(Bound::Time(5).is_behind(1, 5) && !Bound::Time(5).is_behind(9, 4));
    }

    #[test]
    fn a_journal_that_begins_with_a_gap_has_a_day_where_gaps_are_allowed() {
        let day = 1_340_271_000_500_000_000;
        let directory = tempfile::tempdir().unwrap();
        let config = JournalConfig {
            mode: WriteMode::Inline,
            segment_bytes: 64 << 10,
            ..JournalConfig::default()
        };
        let mut writer = JournalWriter::open(
            directory.path(),
            &JournalIdentity::new("gap", 1, 1).unwrap(),
            1,
            &Dictionary::default(),
            &config,
        )
        .unwrap();
        assert!(writer.declare_gap(5, 1, AlarmState::NoSpace).unwrap());
        let descriptor = FrameHeader::descriptor_word(7, 1, 0, Flags::NONE);
        let header = FrameHeader::new(1, 6, day, 3, 1, descriptor);
        assert_eq!(writer.append(&header, &[]).unwrap(), Append::Done);
        writer.finish().unwrap();
        let range = |allow_gaps| RangeArgs {
            from: Some("09:30:00.5".to_owned()),
            to: None,
            allow_gaps,
        };
        assert!(range(false).bounds(directory.path()).is_err());
        assert!(range(false).open(directory.path(), false).is_err());
        let (from, to) = range(true).bounds(directory.path()).unwrap();
        assert_eq!((from, to), (Some(Bound::Time(day)), None));
        let mut found = range(true).open(directory.path(), false).unwrap();
        let first = found.reader.next().unwrap();
        assert_eq!(first.map(|(header, _)| header.sequence()), Some(6));
    }
}

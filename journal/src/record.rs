//! Records beside the stream: what the clock was worth, who did what.

use crate::format::{Activity, BlockKind, ClockRecord};
use zerocopy::IntoBytes;

/// A record for [`JournalWriter::record`](crate::JournalWriter::record).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// What the host said about its clock.
    Clock(ClockRecord),
    /// Who did what.
    Activity(Vec<Activity>),
}

impl Record {
    pub(crate) fn encode(&self) -> (BlockKind, Vec<u8>) {
        match self {
            Record::Clock(record) => (BlockKind::Clock, record.as_bytes().to_vec()),
            Record::Activity(entries) => {
                let mut payload = Vec::new();
                entries.iter().for_each(|entry| entry.encode(&mut payload));
                (BlockKind::Activity, payload)
            }
        }
    }
}

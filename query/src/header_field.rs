//! The fields that every frame has in its header.

use selvedge_fabric::frame::FrameHeader;

/// A built-in field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeaderField {
    /// Place in the total order.
    Sequence,
    /// The sequencer's time stamp.
    Time,
    /// The producer.
    Source,
    /// Place among the messages of the producer.
    SourceSequence,
    /// The topic's number.
    Topic,
    /// The message type.
    Type,
}

impl HeaderField {
    /// All of them.
    pub(crate) const ALL: [HeaderField; 6] = [
        HeaderField::Sequence,
        HeaderField::Time,
        HeaderField::Source,
        HeaderField::SourceSequence,
        HeaderField::Topic,
        HeaderField::Type,
    ];

    /// Its name in an expression.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            HeaderField::Sequence => "sequence",
            HeaderField::Time => "time",
            HeaderField::Source => "source",
            HeaderField::SourceSequence => "source_sequence",
            HeaderField::Topic => "topic",
            HeaderField::Type => "type",
        }
    }

    /// The field with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Its number in a header.
    pub(crate) fn of(self, header: &FrameHeader) -> u64 {
        match self {
            HeaderField::Sequence => header.sequence(),
            HeaderField::Time => header.timestamp(),
            HeaderField::Source => header.source().into(),
            HeaderField::SourceSequence => header.source_sequence(),
            HeaderField::Topic => header.topic().into(),
            HeaderField::Type => header.message_type().into(),
        }
    }
}

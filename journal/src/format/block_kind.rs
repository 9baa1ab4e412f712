//! What a block holds.

/// What a block holds. The number is the code in the block's header.
///
/// Codes from `0x8000` on are ancillary: a reader that does not know one checks the block like
/// any other and skips its payload. An unknown code below that is an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum BlockKind {
    /// Frames of the stream.
    Frames = 1,
    /// Message schemas, source names, topic names.
    Dictionary = 2,
    /// The last source sequence of every source.
    Snapshot = 3,
    /// A writer found the journal not closed and went on here.
    Recovery = 4,
    /// What the host said about the clock that stamps the frames.
    Clock = 5,
    /// Sequence, time and place of every block before it in the segment.
    Index = 6,
    /// The last block of a finished segment.
    Seal = 7,
    /// Frames that had to be left out; the only block without frames that covers sequences.
    Gap = 8,
    /// Who did what.
    Activity = 9,
}

impl BlockKind {
    /// The kind with this code.
    pub const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            1 => BlockKind::Frames,
            2 => BlockKind::Dictionary,
            3 => BlockKind::Snapshot,
            4 => BlockKind::Recovery,
            5 => BlockKind::Clock,
            6 => BlockKind::Index,
            7 => BlockKind::Seal,
            8 => BlockKind::Gap,
            9 => BlockKind::Activity,
            _ => return None,
        })
    }

    /// Whether a reader that does not know this code may skip the block.
    pub const fn is_ancillary(code: u16) -> bool {
        code >= 0x8000
    }
}

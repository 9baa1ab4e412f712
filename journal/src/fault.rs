//! What can be wrong with the bytes of a journal.

/// What is wrong with a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// The file ends, or zeros follow, where a block would begin.
    #[error("no block begins here")]
    Nothing,
    /// The file ends inside the block.
    #[error("the file ends inside the block: it needs {needed} bytes, {available} are there")]
    CutShort {
        /// Bytes the block takes.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The first bytes are not a block's.
    #[error("the bytes do not begin a block")]
    Magic,
    /// The length is beyond the format's limit.
    #[error("a payload of {0} bytes is beyond the limit of a block")]
    Length(u32),
    /// The CRC does not match.
    #[error("CRC32C is {computed:08x}, the block says {stored:08x}")]
    Crc {
        /// In the block.
        stored: u32,
        /// Of its bytes.
        computed: u32,
    },
    /// The BLAKE3 hash does not match.
    #[error("the BLAKE3 hash does not match the block's bytes")]
    Hash,
    /// The block does not name the hash of the one before.
    #[error("the hash chain is broken: the block does not follow the one before it")]
    Chain,
    /// The block belongs to another place.
    #[error("the block belongs elsewhere: {what} should be {expected}, is {found}")]
    Misplaced {
        /// The field.
        what: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The kind is not one of this version's and must be known.
    #[error("block kind {0} is unknown to this version")]
    Kind(u16),
    /// A field of the header contradicts the others.
    #[error("the block header contradicts itself in {0}")]
    Header(&'static str),
    /// The bytes between the payload and the next block are not zero.
    #[error("the padding after the payload is not zero")]
    Padding,
    /// A frame in the block is wrong.
    #[error("the frame at byte {at} of the payload: {problem}")]
    Frame {
        /// Where in the payload.
        at: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// The payload of another kind of block is wrong.
    #[error("{0}")]
    Payload(&'static str),
    /// Another block lies where an index says that this one does.
    #[error("the block here is not the one that the index of its segment names")]
    NotIndexed,
    /// The block was written before a sync that failed: the disk may not hold it.
    #[error("the block may not be on the disk: a sync failed after it was written")]
    NotDurable,
    /// A segment ends without a seal although another follows.
    #[error("the segment ends without a seal, yet another segment follows")]
    NotSealed,
    /// Bytes follow the seal.
    #[error("bytes follow the seal")]
    AfterSeal,
}

impl BlockFault {
    /// Whether a crash while the block was being written can have left this. Anything else means
    /// that a whole block was written and is wrong.
    pub(crate) fn may_be_torn(&self) -> bool {
        matches!(
            self,
            BlockFault::Nothing
                | BlockFault::CutShort { .. }
                | BlockFault::Magic
                | BlockFault::Length(_)
                | BlockFault::Crc { .. }
        )
    }
}

/// What is wrong with a segment as a whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentFault {
    /// The file is shorter than a header page.
    #[error("the file has {0} bytes, a segment's header page alone takes 4096")]
    TooShort(u64),
    /// The first bytes are not a segment's.
    #[error("this is not a Selvedge journal segment")]
    Magic,
    /// The CRC of the header page does not match.
    #[error("the header page's CRC32C is {computed:08x}, it says {stored:08x}")]
    Crc {
        /// In the page.
        stored: u32,
        /// Of its bytes.
        computed: u32,
    },
    /// Another version wrote it.
    #[error(
        "format version {major}.{minor} with features {features:#x} is not this program's (1.0): use the release that wrote it, or a later one"
    )]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
        /// Features that a reader must know.
        features: u64,
    },
    /// A value of the header page is out of its range.
    #[error("a value in the header page is out of its range")]
    Range,
    /// The fabric's name or life is not valid.
    #[error("the fabric's name or life in the header page is not valid")]
    Name,
    /// The header contradicts the file's name or the segment before.
    #[error("the header page does not fit in: {what} should be {expected}, is {found}")]
    Misplaced {
        /// The field.
        what: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The header does not name the hash of the segment before.
    #[error("the hash chain is broken: the segment does not follow the one before it")]
    Chain,
    /// The segment is of another fabric than the one before.
    #[error("the segment belongs to another fabric than the one before it")]
    OtherFabric,
    /// Segments between this and the one before are missing.
    #[error("the segment before it is missing: segment {expected} is not there")]
    Missing {
        /// The number that is missing.
        expected: u64,
    },
    /// Two files claim the same number.
    #[error("another file claims the same segment number")]
    Duplicate,
}

//! The page at the front of every segment file.

use super::Hash;
use crate::fault::SegmentFault;
use crate::identity::JournalIdentity;
use selvedge_fabric::frame::system::MAX_NAME_BYTES;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Bytes of the header page.
pub const SEGMENT_HEADER_BYTES: usize = 4096;

/// The first eight bytes of every segment file.
pub const SEGMENT_MAGIC: [u8; 8] = *b"SELVJRNL";

/// Raised when a reader of the version before could not read the journal any more.
pub const FORMAT_MAJOR: u16 = 1;

/// Raised when something was added that a reader of the version before may ignore.
pub const FORMAT_MINOR: u16 = 0;

/// The smallest alignment of blocks, in bytes.
pub const MIN_BLOCK_ALIGNMENT: u32 = 64;

/// The largest alignment of blocks, in bytes: that of the header page.
pub const MAX_BLOCK_ALIGNMENT: u32 = 4096;

/// The header page of a segment, exactly as on disk.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SegmentHeader {
    /// [`SEGMENT_MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_MAJOR`] of the writer.
    pub format_major: u16,
    /// [`FORMAT_MINOR`] of the writer.
    pub format_minor: u16,
    /// Bytes of this page: [`SEGMENT_HEADER_BYTES`].
    pub header_bytes: u32,
    /// Every block begins at a multiple of this in the file: a power of two.
    pub block_alignment: u32,
    /// CRC32C of the page, this field taken as zero.
    pub crc32c: u32,
    /// The fabric's random number, little-endian.
    pub fabric_id: [u8; 16],
    /// The fabric's life, from 1; never smaller than in the segment before.
    pub life: u64,
    /// The segment's number, from 1.
    pub segment_number: u64,
    /// Sequence of the first frame in it.
    pub first_sequence: u64,
    /// When it was created: UTC nanoseconds by the host's clock.
    pub created: u64,
    /// Number of the first block in it.
    pub first_block: u64,
    /// Hash of the last block of the segment before; zeros in segment 1.
    pub previous_hash: Hash,
    /// Features without knowledge of which the segment cannot be read, a bit each. None yet.
    pub required_features: u64,
    /// Bytes of `name` that count.
    pub name_length: u16,
    /// Zero.
    pub reserved: [u8; 6],
    /// The fabric's name, UTF-8, padded with zeros.
    pub name: [u8; MAX_NAME_BYTES],
    /// Zero.
    pub reserved_end: [u8; 3920],
}

const _: () = assert!(size_of::<SegmentHeader>() == SEGMENT_HEADER_BYTES);

impl SegmentHeader {
    /// The header of a segment that begins here, without its CRC (see [`Self::seal_crc`]).
    pub(crate) fn new(identity: &JournalIdentity, block_alignment: u32) -> Self {
        let mut header = SegmentHeader::new_zeroed();
        header.magic = SEGMENT_MAGIC;
        header.format_major = FORMAT_MAJOR;
        header.format_minor = FORMAT_MINOR;
        header.header_bytes = SEGMENT_HEADER_BYTES as u32;
        header.block_alignment = block_alignment;
        header.fabric_id = identity.fabric_id.to_le_bytes();
        header.life = identity.life;
        let name = identity.fabric_name().as_bytes();
        header.name_length = name.len() as u16;
        header.name[..name.len()].copy_from_slice(name);
        header
    }

    /// Puts the CRC in.
    pub(crate) fn seal_crc(&mut self) {
        self.crc32c = self.compute_crc();
    }

    /// The CRC32C of the page.
    pub fn compute_crc(&self) -> u32 {
        let mut page = *self;
        page.crc32c = 0;
        crc32c::crc32c(page.as_bytes())
    }

    /// The hash of the page: what the segment's first block names as the hash before it.
    pub fn hash(&self) -> Hash {
        *blake3::hash(self.as_bytes()).as_bytes()
    }

    /// Whose journal this is.
    pub fn identity(&self) -> Result<JournalIdentity, SegmentFault> {
        let name = self
            .name
            .get(..usize::from(self.name_length))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or(SegmentFault::Name)?;
        JournalIdentity::new(name, u128::from_le_bytes(self.fabric_id), self.life)
            .map_err(|_| SegmentFault::Name)
    }

    /// The header at the front of a file, checked by itself: magic, version, CRC, ranges.
    pub fn parse(bytes: &[u8]) -> Result<Self, SegmentFault> {
        let (header, _) = SegmentHeader::read_from_prefix(bytes)
            .map_err(|_| SegmentFault::TooShort(bytes.len() as u64))?;
        if header.magic != SEGMENT_MAGIC {
            return Err(SegmentFault::Magic);
        }
        let computed = header.compute_crc();
        if computed != header.crc32c {
            return Err(SegmentFault::Crc {
                stored: header.crc32c,
                computed,
            });
        }
        if header.format_major != FORMAT_MAJOR || header.required_features != 0 {
            return Err(SegmentFault::Version {
                major: header.format_major,
                minor: header.format_minor,
                features: header.required_features,
            });
        }
        let alignment = header.block_alignment;
        if !alignment.is_power_of_two()
            || !(MIN_BLOCK_ALIGNMENT..=MAX_BLOCK_ALIGNMENT).contains(&alignment)
            || header.header_bytes as usize != SEGMENT_HEADER_BYTES
            || header.first_sequence == 0
            || header.segment_number == 0
        {
            return Err(SegmentFault::Range);
        }
        header.identity()?;
        Ok(header)
    }
}

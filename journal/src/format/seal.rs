//! The payload of a Seal block.

use super::Hash;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a seal.
pub const SEAL_BYTES: usize = 256;

/// Closes a segment: what is in it, and the root of the Merkle tree over its blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Seal {
    /// Frames in the segment.
    pub frame_count: u64,
    /// Sequence of its first frame.
    pub first_sequence: u64,
    /// Sequence of its last frame; `first_sequence − 1` when it has none.
    pub last_sequence: u64,
    /// Time stamp of its first frame, UTC nanoseconds; 0 when it has none.
    pub first_timestamp: u64,
    /// Time stamp of its last frame; 0 when it has none.
    pub last_timestamp: u64,
    /// Blocks before this one in the segment: the leaves of the tree.
    pub block_count: u64,
    /// Where the segment's Index block begins in its file.
    pub index_offset: u64,
    /// Zero.
    pub reserved: u64,
    /// Root of the Merkle tree over the hashes of those blocks.
    pub merkle_root: Hash,
    /// 0: not signed. 1 is reserved for Ed25519.
    pub signature_algorithm: u16,
    /// Zero.
    pub reserved_signature: [u8; 6],
    /// Reserved for the signer's public key; zero.
    pub public_key: [u8; 32],
    /// Reserved for the signature; zero.
    pub signature: [u8; 64],
    /// Zero.
    pub reserved_end: [u8; 56],
}

const _: () = assert!(size_of::<Seal>() == SEAL_BYTES);

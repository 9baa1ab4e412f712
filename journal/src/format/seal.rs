//! The payload of a Seal block.

use super::{Hash, SegmentHeader};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a seal.
pub const SEAL_BYTES: usize = 320;

/// Bytes at the front of a seal that its signature covers.
pub const SIGNED_SEAL_BYTES: usize = 200;

/// The signature algorithm of an unsigned seal.
pub const UNSIGNED: u16 = 0;

/// The signature algorithm Ed25519.
pub const ED25519: u16 = 1;

/// Closes a segment: what is in it, and the root of the Merkle tree over its blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Seal {
    /// Frames in the segment.
    pub frame_count: u64,
    /// Sequence of its first frame.
    pub first_sequence: u64,
    /// Sequence of its last frame or gap; `first_sequence − 1` when it has none.
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
    /// Chained root of the segment before; zeros in segment 1.
    pub previous_root: Hash,
    /// Stands for this segment and all before it: see [`chained_root`].
    pub chained_root: Hash,
    /// [`UNSIGNED`] or [`ED25519`].
    pub signature_algorithm: u16,
    /// Zero.
    pub reserved_signature: [u8; 6],
    /// The signer's public key; zeros when unsigned.
    pub public_key: [u8; 32],
    /// Signature over [`signed_message`](Self::signed_message); zeros when unsigned.
    pub signature: [u8; 64],
    /// Zero.
    pub reserved_end: [u8; 56],
}

const _: () = assert!(size_of::<Seal>() == SEAL_BYTES);
const _: () = assert!(std::mem::offset_of!(Seal, signature) == SIGNED_SEAL_BYTES);

/// The root that stands for a segment and all before it:
/// `BLAKE3(0x02 ‖ chained root of the segment before ‖ Merkle root)`.
pub fn chained_root(previous: &Hash, merkle_root: &Hash) -> Hash {
    let mut input = [2; 65];
    input[1..33].copy_from_slice(previous);
    input[33..].copy_from_slice(merkle_root);
    *blake3::hash(&input).as_bytes()
}

impl Seal {
    /// What the signature covers: whose segment it is, and the seal up to the signature.
    pub fn signed_message(&self, fabric_id: [u8; 16], segment_number: u64) -> Vec<u8> {
        let mut message = b"selvedge seal v1".to_vec();
        message.extend_from_slice(&fabric_id);
        message.extend_from_slice(&segment_number.to_le_bytes());
        message.extend_from_slice(self.as_bytes().get(..SIGNED_SEAL_BYTES).unwrap_or_default());
        message
    }

    /// The same for the segment that `header` is the front of.
    pub fn signed_message_in(&self, header: &SegmentHeader) -> Vec<u8> {
        self.signed_message(header.fabric_id, header.segment_number)
    }
}

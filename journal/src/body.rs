//! What of a block's checks does not depend on its place in the chain.
//!
//! The header of a block names the block before, so that blocks can only be finished one after
//! the other. But BLAKE3 is a tree over chunks of 1 KiB, and the header lies in the first of
//! them: the subtrees beside the way from that chunk to the root, and the payload's CRC, can be
//! computed for many blocks at once. What is left to do in order is one chunk and a few nodes.

use crate::crc;
use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, Hash};
use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use zerocopy::IntoBytes;

const CHUNK: usize = 1024;

/// Bytes hashed and checksummed in turn: they stay in the core's cache between the two.
const PIECE: usize = 128 << 10;

/// The most subtrees beside the way from the first chunk to the root: of 32 MiB.
const MAX_SUBTREES: usize = 15;

/// Checks over everything in a block but its header.
#[derive(Default)]
pub(crate) struct Body {
    /// Chaining values of the chunks 1, 2 to 3, 4 to 7 and so on; the last may be incomplete.
    subtrees: Vec<Hash>,
    /// CRC32C of the payload.
    crc: u32,
}

impl Body {
    /// Computes them for a block: room for the header, then the payload.
    pub(crate) fn compute(&mut self, block: &[u8]) {
        self.subtrees.clear();
        self.subtrees.reserve(MAX_SUBTREES);
        let first = block.len().min(CHUNK);
        self.crc = crc32c::crc32c(block.get(BLOCK_HEADER_BYTES..first).unwrap_or_default());
        let mut start = CHUNK;
        while let Some(rest) = block.get(start..).filter(|rest| !rest.is_empty()) {
            let subtree = &rest[..start.min(rest.len())];
            let mut hasher = Hasher::new();
            hasher.set_input_offset(start as u64);
            for piece in subtree.chunks(PIECE) {
                hasher.update(piece);
                self.crc = crc32c::crc32c_append(self.crc, piece);
            }
            self.subtrees.push(hasher.finalize_non_root());
            start += subtree.len();
        }
    }

    /// The hash of `block` with this header in front of it: `header.hash` and `header.crc32c`
    /// must be zero there.
    pub(crate) fn hash(&self, block: &[u8]) -> Hash {
        let Some((last, inner)) = self.subtrees.split_last() else {
            return *blake3::hash(block).as_bytes();
        };
        let first = block.get(..CHUNK).unwrap_or(block);
        let mut node = Hasher::new().update(first).finalize_non_root();
        for subtree in inner {
            node = merge_subtrees_non_root(&node, subtree, Mode::Hash);
        }
        *merge_subtrees_root(&node, last, Mode::Hash).as_bytes()
    }

    /// The CRC32C of the block with this header, whose hash is set.
    pub(crate) fn crc(&self, header: &BlockHeader) -> u32 {
        let header = BlockHeader {
            crc32c: 0,
            ..*header
        };
        let front = crc32c::crc32c(header.as_bytes());
        crc::combine(front, self.crc, header.payload_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_those_of_the_whole_block_at_every_length() {
        for payload_bytes in [
            0, 8, 831, 832, 833, 1_855, 1_856, 1_857, 5_000, 65_344, 300_001,
        ] {
            let payload: Vec<u8> = (0..payload_bytes).map(|at| (at * 13 / 5) as u8).collect();
            let mut header = BlockHeader {
                payload_bytes: payload_bytes as u32,
                block_number: 7,
                ..BlockHeader::zeroed()
            };
            let mut block = vec![0xEE; BLOCK_HEADER_BYTES];
            block.extend_from_slice(&payload);
            let mut body = Body::default();
            body.compute(&block);
            block[..BLOCK_HEADER_BYTES].copy_from_slice(header.as_bytes());
            header.hash = body.hash(&block);
            assert_eq!(
                header.hash,
                header.compute_hash(&payload),
                "{payload_bytes}"
            );
            assert_eq!(body.crc(&header), header.compute_crc(&payload));
        }
    }
}

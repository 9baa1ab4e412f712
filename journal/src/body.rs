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
pub(crate) const PIECE: usize = 128 << 10;

/// The most subtrees beside the way from the first chunk to the root: of 32 MiB.
const MAX_SUBTREES: usize = 15;

/// Checks over everything in a block but its header.
#[derive(Default)]
pub(crate) struct Body {
    /// Chaining values of the chunks 1, 2 to 3, 4 to 7 and so on; the last may be incomplete.
    subtrees: Vec<Hash>,
    /// CRC32C of the payload.
    crc: u32,
    /// The subtree under way, and where it begins.
    hasher: Hasher,
    start: usize,
    /// Bytes of the block taken so far.
    taken: usize,
}

impl Body {
    /// Computes them for a block: room for the header, then the payload.
    pub(crate) fn compute(&mut self, block: &[u8]) {
        self.begin();
        for piece in block.chunks(PIECE) {
            self.add(piece);
        }
        self.finish();
    }

    /// Begins with another block.
    pub(crate) fn begin(&mut self) {
        self.subtrees.clear();
        self.subtrees.reserve(MAX_SUBTREES);
        self.crc = 0;
        self.taken = 0;
        self.start = 0;
    }

    /// Takes what comes next of the block; best in pieces of [`PIECE`] bytes.
    pub(crate) fn add(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            // The first chunk waits for the header.
            if self.taken < CHUNK {
                let (front, rest) = piece.split_at(piece.len().min(CHUNK - self.taken));
                let header = BLOCK_HEADER_BYTES.saturating_sub(self.taken);
                let payload = front.get(header..).unwrap_or_default();
                self.crc = crc32c::crc32c_append(self.crc, payload);
                self.taken += front.len();
                piece = rest;
                continue;
            }
            if self.taken == CHUNK.max(2 * self.start) {
                self.finish();
                self.start = self.taken;
                self.hasher = Hasher::new();
                self.hasher.set_input_offset(self.start as u64);
            }
            let (front, rest) = piece.split_at(piece.len().min(2 * self.start - self.taken));
            self.hasher.update(front);
            self.crc = crc32c::crc32c_append(self.crc, front);
            self.taken += front.len();
            piece = rest;
        }
    }

    /// Ends the subtree under way: the block is complete.
    pub(crate) fn finish(&mut self) {
        if self.start > 0 {
            self.subtrees.push(self.hasher.finalize_non_root());
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
            // As one that hands it over in pieces of any length.
            let (subtrees, crc) = (body.subtrees.clone(), body.crc);
            for length in [1, 100, 1_000, 1_500, 70_000] {
                body.begin();
                block.chunks(length).for_each(|piece| body.add(piece));
                body.finish();
                assert_eq!((&body.subtrees, body.crc), (&subtrees, crc), "{length}");
            }
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

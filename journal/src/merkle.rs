//! The Merkle tree over the blocks of a segment.
//!
//! The shape is that of RFC 6962: the left subtree of `n` leaves holds the largest power of two
//! below `n`. Leaves and nodes are hashed in different domains, so that a node can never be
//! passed off as a leaf.

use crate::format::Hash;

/// The leaf of a block: `BLAKE3(0x00 ‖ block hash)`.
pub fn merkle_leaf(block: &Hash) -> Hash {
    let mut input = [0; 33];
    input[1..].copy_from_slice(block);
    *blake3::hash(&input).as_bytes()
}

/// The node above two subtrees: `BLAKE3(0x01 ‖ left ‖ right)`.
pub fn merkle_node(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    *blake3::hash(&input).as_bytes()
}

/// Computes the root as blocks are added; keeps one hash per level and allocates nothing.
#[derive(Clone)]
pub struct MerkleBuilder {
    subtrees: [Hash; 64],
    leaves: u64,
}

impl Default for MerkleBuilder {
    fn default() -> Self {
        MerkleBuilder {
            subtrees: [[0; 32]; 64],
            leaves: 0,
        }
    }
}

impl MerkleBuilder {
    /// Adds the next block, by its hash.
    pub fn push(&mut self, block: &Hash) {
        // Subtree `level` is held while bit `level` of the leaf count is set: adding a leaf is
        // adding one to a binary number.
        let mut node = merkle_leaf(block);
        let level = self.leaves.trailing_ones() as usize;
        for left in &self.subtrees[..level] {
            node = merkle_node(left, &node);
        }
        if let Some(place) = self.subtrees.get_mut(level) {
            *place = node;
        }
        self.leaves = self.leaves.saturating_add(1);
    }

    /// How many blocks were added.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The root; zeros for no blocks.
    pub fn root(&self) -> Hash {
        let mut root = None;
        for (level, subtree) in self.subtrees.iter().enumerate() {
            if self.leaves >> level & 1 == 1 {
                root = Some(match root {
                    None => *subtree,
                    Some(right) => merkle_node(subtree, &right),
                });
            }
        }
        root.unwrap_or([0; 32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's recursive definition.
    fn reference(blocks: &[Hash]) -> Hash {
        match blocks {
            [] => [0; 32],
            [one] => merkle_leaf(one),
            _ => {
                let split = blocks.len().next_power_of_two() / 2;
                merkle_node(&reference(&blocks[..split]), &reference(&blocks[split..]))
            }
        }
    }

    #[test]
    fn building_agrees_with_the_definition() {
        let blocks: Vec<Hash> = (0..70u8).map(|byte| [byte; 32]).collect();
        let mut builder = MerkleBuilder::default();
        for count in 0..blocks.len() {
            assert_eq!(
                builder.root(),
                reference(&blocks[..count]),
                "{count} leaves"
            );
            builder.push(&blocks[count]);
        }
    }
}

//! From a leaf of a segment's Merkle tree to its root.

use crate::format::Hash;
use crate::merkle::{merkle_leaf, merkle_node};

/// The hashes beside the way from leaf `index` up to the root over `blocks`, lowest first.
pub(super) fn path_of(blocks: &[Hash], index: usize) -> Vec<Hash> {
    if blocks.len() < 2 {
        return Vec::new();
    }
    let split = blocks.len().next_power_of_two() / 2;
    let (left, right) = blocks.split_at(split);
    let (mut path, beside) = if index < split {
        (path_of(left, index), root_of(right))
    } else {
        (path_of(right, index - split), root_of(left))
    };
    path.push(beside);
    path
}

fn root_of(blocks: &[Hash]) -> Hash {
    let mut builder = crate::merkle::MerkleBuilder::default();
    blocks.iter().for_each(|block| builder.push(block));
    builder.root()
}

/// The root that follows from a block's hash and its path; `None` when the path does not fit a
/// tree of `leaves`.
pub(super) fn root_from(block: &Hash, index: u64, leaves: u64, path: &[Hash]) -> Option<Hash> {
    if index >= leaves {
        return None;
    }
    if leaves == 1 {
        return path.is_empty().then(|| merkle_leaf(block));
    }
    let split = leaves.checked_next_power_of_two()? / 2;
    let (beside, rest) = path.split_last()?;
    Some(if index < split {
        merkle_node(&root_from(block, index, split, rest)?, beside)
    } else {
        merkle_node(
            beside,
            &root_from(block, index - split, leaves - split, rest)?,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_the_root_and_no_other_does() {
        let blocks: Vec<Hash> = (0..23_u8).map(|byte| [byte; 32]).collect();
        for count in 1..=blocks.len() {
            let blocks = &blocks[..count];
            let root = root_of(blocks);
            for (index, block) in blocks.iter().enumerate() {
                let path = path_of(blocks, index);
                let found = root_from(block, index as u64, count as u64, &path);
                assert_eq!(found, Some(root), "{index} of {count}");
                let other = root_from(&[99; 32], index as u64, count as u64, &path);
                assert_ne!(other, Some(root));
                for wrong in 0..count as u64 + 1 {
                    if wrong != index as u64 {
                        assert_ne!(root_from(block, wrong, count as u64, &path), Some(root));
                    }
                }
            }
        }
    }
}

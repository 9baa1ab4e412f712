//! A part of a block that proves itself against the block's hash.
//!
//! BLAKE3 is a tree over chunks of 1 KiB. The chunks that are needed are given whole, everything
//! else as the hash of the largest subtree that none of them is in, from left to right.

use crate::format::Hash;
use blake3::Hasher;
use blake3::hazmat::{
    HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use std::ops::Range;

const CHUNK: usize = 1024;

/// Whether a subtree must be given whole or further divided.
fn wanted(ranges: &[Range<usize>], start: usize, length: usize) -> bool {
    ranges
        .iter()
        .any(|range| range.start < start + length && start < range.end)
}

/// Gives what proves `ranges` of `data`.
pub(super) fn give(data: &[u8], ranges: &[Range<usize>], out: &mut Vec<u8>) {
    give_subtree(data, 0, ranges, out);
}

fn give_subtree(data: &[u8], start: usize, ranges: &[Range<usize>], out: &mut Vec<u8>) {
    if !wanted(ranges, start, data.len()) {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(start as u64);
        out.extend_from_slice(&hasher.update(data).finalize_non_root());
    } else if data.len() <= CHUNK {
        out.extend_from_slice(data);
    } else {
        let (left, right) = data.split_at(left_subtree_len(data.len() as u64) as usize);
        give_subtree(left, start, ranges, out);
        give_subtree(right, start + left.len(), ranges, out);
    }
}

/// What a part was found to be: the hash of all, and the bytes that were given.
pub(super) struct Part {
    pub(super) hash: Hash,
    chunks: Vec<(usize, Vec<u8>)>,
}

impl Part {
    /// The bytes of `range`; `None` unless all of them were given.
    pub(super) fn bytes(&self, range: Range<usize>) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while range.start + bytes.len() < range.end {
            let at = range.start + bytes.len();
            let (start, chunk) = self
                .chunks
                .iter()
                .find(|(start, chunk)| (*start..start + chunk.len()).contains(&at))?;
            let end = (range.end - start).min(chunk.len());
            bytes.extend_from_slice(chunk.get(at - start..end)?);
        }
        Some(bytes)
    }
}

/// Takes what [`give`] gave for these ranges of something `length` bytes long; `None` when it is
/// not that.
pub(super) fn take(given: &[u8], length: usize, ranges: &[Range<usize>]) -> Option<Part> {
    let mut taker = Taker {
        given,
        ranges,
        chunks: Vec::new(),
    };
    let hash = if length <= CHUNK {
        let chunk = taker.next(length)?;
        taker.chunks.push((0, chunk.to_vec()));
        *blake3::hash(chunk).as_bytes()
    } else {
        let left_length = left_subtree_len(length as u64) as usize;
        let left = taker.subtree(0, left_length)?;
        let right = taker.subtree(left_length, length - left_length)?;
        *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
    };
    taker.given.is_empty().then_some(Part {
        hash,
        chunks: taker.chunks,
    })
}

struct Taker<'a> {
    given: &'a [u8],
    ranges: &'a [Range<usize>],
    chunks: Vec<(usize, Vec<u8>)>,
}

impl<'a> Taker<'a> {
    fn next(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.given.split_at_checked(bytes)?;
        self.given = rest;
        Some(taken)
    }

    fn subtree(&mut self, start: usize, length: usize) -> Option<Hash> {
        if !wanted(self.ranges, start, length) {
            return self.next(32)?.try_into().ok();
        }
        if length <= CHUNK {
            let chunk = self.next(length)?;
            self.chunks.push((start, chunk.to_vec()));
            let mut hasher = Hasher::new();
            hasher.set_input_offset(start as u64);
            return Some(hasher.update(chunk).finalize_non_root());
        }
        let left_length = left_subtree_len(length as u64) as usize;
        let left = self.subtree(start, left_length)?;
        let right = self.subtree(start + left_length, length - left_length)?;
        Some(merge_subtrees_non_root(&left, &right, Mode::Hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_prove_themselves_at_every_length() {
        for length in [1, 192, 1023, 1024, 1025, 2048, 2049, 5000, 70_000] {
            let data: Vec<u8> = (0..length).map(|at| (at * 7 / 3) as u8).collect();
            let middle = length / 2..(length / 2 + 100).min(length);
            let ranges = [0..length.min(192), middle.clone()];
            let mut given = Vec::new();
            give(&data, &ranges, &mut given);
            let part = take(&given, length, &ranges).unwrap();
            assert_eq!(&part.hash, blake3::hash(&data).as_bytes(), "{length}");
            assert_eq!(part.bytes(middle.clone()).unwrap(), data[middle]);
            for flip in (0..given.len()).step_by(97) {
                let mut other = given.clone();
                other[flip] ^= 1;
                let hash = take(&other, length, &ranges).map(|part| part.hash);
                assert_ne!(hash.as_ref(), Some(blake3::hash(&data).as_bytes()));
            }
            given.pop();
            assert!(take(&given, length, &ranges).is_none());
        }
    }
}

//! Checking a proof, without the journal.

use super::block_part::take;
use super::file::Proof;
use super::path::root_from;
use crate::error::JournalError;
use crate::format::{
    BLOCK_HEADER_BYTES, BlockHeader, BlockKind, Hash, MAX_BLOCK_BYTES, Seal, chained_root,
};
use crate::frames::frame_at;
use crate::keys::{PublicKey, SignatureState, check_signature};
use crate::marks::Marks;
use selvedge_fabric::frame::FrameHeader;

/// A message that a proof proves, and what it proves it by.
#[derive(Clone, PartialEq, Debug)]
pub struct ProvenMessage {
    /// The fabric's random number.
    pub fabric_id: u128,
    /// The segment it is in.
    pub segment_number: u64,
    /// Its header.
    pub header: FrameHeader,
    /// Its payload.
    pub payload: Vec<u8>,
    /// The root that stands for its segment and all before it: what a journal's `info` shows.
    pub chained_root: Hash,
    /// Who signed that root.
    pub signature: SignatureState,
    /// The seal.
    pub seal: Seal,
}

/// Checks a proof; with `public_key`, also that this key signed the root.
///
/// Without a signature it proves that the message is under [`ProvenMessage::chained_root`]:
/// whoever checks must know that root from elsewhere.
///
/// # Errors
/// [`JournalError::Proof`] says what does not hold.
pub fn check_proof(
    bytes: &[u8],
    public_key: Option<&PublicKey>,
) -> Result<ProvenMessage, JournalError> {
    let refuse = |problem| JournalError::Proof { problem };
    let proof = Proof::decode(bytes).ok_or(refuse("the bytes are not a proof of this version"))?;
    let seal = &proof.seal;
    let signature = check_signature(seal, proof.fabric_id, proof.segment_number);
    match (signature, public_key) {
        (SignatureState::Invalid, _) => {
            return Err(refuse("the seal's signature is wrong"));
        }
        (SignatureState::Unsigned, Some(_)) => return Err(refuse("the seal is not signed")),
        (SignatureState::Valid(key), Some(expected)) if key != *expected => {
            return Err(refuse("the seal is signed by another key"));
        }
        _ => {}
    }
    if seal.chained_root != chained_root(&seal.previous_root, &seal.merkle_root) {
        return Err(refuse(
            "the chained root does not follow from the seal's roots",
        ));
    }
    let (length, start, end) = (
        proof.length as usize,
        proof.start as usize,
        proof.end as usize,
    );
    if !(BLOCK_HEADER_BYTES..=MAX_BLOCK_BYTES).contains(&length)
        || !(BLOCK_HEADER_BYTES..end).contains(&start)
        || end > length
    {
        return Err(refuse("its ranges contradict themselves"));
    }
    let ranges = [0..BLOCK_HEADER_BYTES, start..end];
    let part = take(&proof.part, length, &ranges)
        .ok_or(refuse("the part of the block is not of its length"))?;
    let root = root_from(&part.hash, proof.leaf, seal.block_count, &proof.path);
    if root != Some(seal.merkle_root) {
        return Err(refuse(
            "the part of the block does not lead to the seal's root",
        ));
    }
    // From here on header and part are as they were when the segment was sealed.
    let header = part
        .bytes(0..BLOCK_HEADER_BYTES)
        .and_then(|bytes| BlockHeader::from_prefix(&bytes))
        .ok_or(refuse("the block's header is not there"))?;
    if header.kind != BlockKind::Frames as u16
        || header.segment_number != proof.segment_number
        || header.payload_bytes as usize != length - BLOCK_HEADER_BYTES
        || !(header.first_sequence..=header.last_sequence).contains(&proof.sequence)
    {
        return Err(refuse("the block is not one that holds the message"));
    }
    if header.marks_hash != Marks::hash_of(&proof.marks) {
        return Err(refuse("the marks are not those of the block"));
    }
    let index = proof.sequence - header.first_sequence;
    let mark = Marks::list(&proof.marks)
        .take_while(|(_, number)| u64::from(*number) <= index)
        .last()
        .filter(|(offset, _)| offset + BLOCK_HEADER_BYTES == start);
    let (_, number) = mark.ok_or(refuse("it does not begin at a mark"))?;
    let frames = part
        .bytes(start..end)
        .ok_or(refuse("the frame is not there"))?;
    let (mut at, mut sequence) = (0, header.first_sequence + u64::from(number));
    loop {
        let frame = frame_at(&frames, at, sequence, header.first_timestamp)
            .map_err(|_| refuse("there is no frame where one should be"))?;
        if sequence == proof.sequence {
            if start + frame.next != end {
                return Err(refuse("it holds more than the message"));
            }
            return Ok(ProvenMessage {
                fabric_id: u128::from_le_bytes(proof.fabric_id),
                segment_number: proof.segment_number,
                header: frame.header,
                payload: frame.payload.to_vec(),
                chained_root: seal.chained_root,
                signature,
                seal: proof.seal,
            });
        }
        at = frame.next;
        sequence += 1;
    }
}

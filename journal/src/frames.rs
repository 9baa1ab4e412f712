//! Frames inside a block: the one place that turns bytes from a disk into frames.

use crate::fault::BlockFault;
use crate::format::frame_bytes_on_disk;
use selvedge_fabric::frame::{FRAME_HEADER_BYTES, Flags, FrameHeader};

/// A frame found at some place of a payload.
pub(crate) struct FrameAt<'a> {
    pub(crate) header: FrameHeader,
    pub(crate) payload: &'a [u8],
    /// Where the next frame begins.
    pub(crate) next: usize,
}

#[cold]
fn frame_fault(at: usize, problem: &'static str) -> BlockFault {
    BlockFault::Frame {
        at: at as u32,
        problem,
    }
}

/// The frame at byte `at` of a Frames block's payload, which must have sequence `expected` and a
/// time stamp of at least `timestamp`.
#[inline]
pub(crate) fn frame_at(
    block: &[u8],
    at: usize,
    expected: u64,
    timestamp: u64,
) -> Result<FrameAt<'_>, BlockFault> {
    let fault = |problem| frame_fault(at, problem);
    let Some((head, body)) = block
        .get(at..)
        .and_then(|rest| rest.split_first_chunk::<FRAME_HEADER_BYTES>())
    else {
        return Err(fault("the block ends inside its header"));
    };
    let header = FrameHeader::from_bytes(head);
    let size = frame_bytes_on_disk(header.length());
    let Some(padded) = body.get(..size - FRAME_HEADER_BYTES) else {
        return Err(fault("its length reaches beyond the block"));
    };
    let (payload, padding) = padded.split_at(header.length());
    if header.sequence() != expected {
        return Err(fault("its sequence is not the next one"));
    }
    if header.timestamp() < timestamp {
        return Err(fault("its time stamp lies before that of the frame ahead"));
    }
    if header.flags().contains(Flags::EXTERNAL) {
        return Err(fault("it carries the flag of a payload outside the frame"));
    }
    // At most seven bytes: the upper ones of the last word.
    if !padding.is_empty()
        && let Some(last) = padded.last_chunk::<8>()
        && u64::from_le_bytes(*last) >> (8 * (8 - padding.len())) != 0
    {
        return Err(fault("the padding after its payload is not zero"));
    }
    Ok(FrameAt {
        header,
        payload,
        next: at + size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_padding_must_be_zero_and_none_of_a_payload() {
        for length in 0..=17_usize {
            let descriptor = FrameHeader::descriptor_word(7, 1, length, Flags::NONE);
            let header = FrameHeader::new(1, 5, 9, 3, 1, descriptor);
            let mut block = header.to_bytes().to_vec();
            block.extend(vec![0xFF; length]);
            block.resize(frame_bytes_on_disk(length), 0);
            let found = frame_at(&block, 0, 5, 9).map(|frame| (frame.payload.len(), frame.next));
            assert_eq!(found, Ok((length, block.len())));
            for at in FRAME_HEADER_BYTES + length..block.len() {
                for bit in [1, 0x80] {
                    let mut wrong = block.clone();
                    wrong[at] = bit;
                    assert!(frame_at(&wrong, 0, 5, 9).is_err(), "{length} {at} {bit}");
                }
            }
        }
    }
}

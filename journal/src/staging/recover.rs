//! What a writer that died left in staging.
//!
//! Nothing here is believed: the lengths are checked against the file, the frames against each
//! other, and only whole frames in an unbroken sequence count.

use super::StagingView;
use crate::frames::frame_at;

/// Whole frames one after the other, as they lie in a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StagedRun {
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) frames: Vec<u8>,
}

/// The runs in staging, by sequence; each as far as its frames are right.
pub(crate) fn staged_runs(view: &StagingView) -> Vec<StagedRun> {
    let mut runs = Vec::new();
    for slot in 0..view.slots() {
        let mut frames = Vec::new();
        if let Some((first_sequence, _)) = view.slot(slot)
            && view.copy(slot, &mut frames)
            && let Some(run) = checked_run(first_sequence, frames)
        {
            runs.push(run);
        }
    }
    runs.sort_by_key(|run| run.first_sequence);
    runs
}

/// The last whole frame of a slot that begins with `first_sequence`; `None` for none.
pub(crate) fn last_sequence(first_sequence: u64, frames: &[u8]) -> Option<u64> {
    let (mut at, mut sequence, mut timestamp) = (0, first_sequence, 0);
    while let Ok(frame) = frame_at(frames, at, sequence, timestamp) {
        at = frame.next;
        sequence += 1;
        timestamp = frame.header.timestamp();
    }
    (sequence > first_sequence).then(|| sequence - 1)
}

/// The part of `frames` that is right from its beginning; `None` when nothing is.
pub(crate) fn checked_run(first_sequence: u64, mut frames: Vec<u8>) -> Option<StagedRun> {
    if !(1..=selvedge_fabric::frame::MAX_SEQUENCE).contains(&first_sequence) {
        return None;
    }
    let (mut at, mut sequence, mut timestamp) = (0, first_sequence, 0);
    while at < frames.len() {
        let Ok(frame) = frame_at(&frames, at, sequence, timestamp) else {
            break;
        };
        at = frame.next;
        sequence += 1;
        timestamp = frame.header.timestamp();
    }
    frames.truncate(at);
    (at > 0).then_some(StagedRun {
        first_sequence,
        last_sequence: sequence - 1,
        frames,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use selvedge_fabric::frame::{Flags, FrameHeader};

    fn frames(first: u64, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for sequence in first..first + count {
            let descriptor = FrameHeader::descriptor_word(7, 0, 8, Flags::NONE);
            let header = FrameHeader::new(1, sequence, sequence, 3, sequence, descriptor);
            bytes.extend_from_slice(&header.to_bytes());
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_run_counts_up_to_its_first_broken_frame() {
        let whole = checked_run(5, frames(5, 10)).unwrap();
        assert_eq!((whole.first_sequence, whole.last_sequence), (5, 14));
        let mut broken = frames(5, 10);
        broken[40 * 4] ^= 1;
        let part = checked_run(5, broken).unwrap();
        assert_eq!((part.last_sequence, part.frames), (8, frames(5, 4)));
        assert_eq!(checked_run(6, frames(5, 10)), None);
        let mut cut = frames(5, 2);
        cut.truncate(79);
        assert_eq!(checked_run(5, cut).unwrap().last_sequence, 5);
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(
            first in any::<u64>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Some(run) = checked_run(first, bytes) {
                prop_assert!(run.last_sequence >= run.first_sequence);
            }
        }
    }
}

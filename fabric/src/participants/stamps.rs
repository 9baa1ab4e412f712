//! Which messages note when they were published.

/// 2^64 over the golden ratio: its multiples, cut to any number of their highest bits, are spread
/// evenly, whatever the distance between the numbers that are multiplied (Knuth, The Art of Computer
/// Programming, volume 3, section 6.4).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// One message in so many, at a place that differs from each so many to the next.
///
/// At a fixed place it would depend on how a ring is read whether any such message is ever the first
/// of a run, which is the one whose time the sequencer looks at: a producer that keeps its ring full
/// is read in runs of one length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamps {
    /// The logarithm of how many; `None`: no message.
    shift: Option<u32>,
}

impl Stamps {
    /// One in `every`, a power of two; 0: none.
    pub(super) fn one_in(every: u64) -> Self {
        Stamps {
            shift: every.is_power_of_two().then(|| every.trailing_zeros()),
        }
    }

    /// The first message that notes its time, of source sequence `sequence` and those that follow.
    /// None has [`u64::MAX`].
    #[inline(never)]
    pub(super) fn from(self, sequence: u64) -> u64 {
        let Some(shift) = self.shift else {
            return u64::MAX;
        };
        let part = sequence >> shift;
        match (part << shift) + place(part, shift) {
            here if here >= sequence => here,
            _ => ((part + 1) << shift) + place(part + 1, shift),
        }
    }

    /// For a call that sends many messages, of which the first has source sequence `sequence`: a mask,
    /// and what masked source sequences of messages that note their time are. The place changes from
    /// call to call, so that telling costs a message no more than this comparison.
    #[inline(always)]
    pub(super) fn in_call(self, sequence: u64) -> (u64, u64) {
        match self.shift {
            Some(shift) => ((1 << shift) - 1, place(sequence >> shift, shift)),
            // No sequence is that large.
            None => (u64::MAX, u64::MAX),
        }
    }
}

/// The place within part number `part`, of two to the power of `shift` messages.
#[inline(always)]
fn place(part: u64, shift: u32) -> u64 {
    part.wrapping_mul(SPREAD)
        .checked_shr(64 - shift)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(stamps: Stamps, from: u64, to: u64) -> Vec<u64> {
        let mut found = Vec::new();
        let mut due = stamps.from(from);
        while due < to {
            found.push(due);
            due = stamps.from(due + 1);
        }
        found
    }

    #[test]
    fn each_part_has_one() {
        for every in [1, 2, 16, 64, 1024] {
            let found = stamped(Stamps::one_in(every), 0, 100 * every);
            let parts: Vec<u64> = found.iter().map(|sequence| sequence / every).collect();
            assert_eq!(parts, (0..100).collect::<Vec<u64>>(), "one in {every}");
        }
        assert_eq!(Stamps::one_in(0).from(1), u64::MAX);
        assert!(Stamps::one_in(1 << 63).from(1) >= 1 << 62);
    }

    #[test]
    fn calls_that_send_many_have_one_in_each_part() {
        for every in [1, 4, 64] {
            let stamps = Stamps::one_in(every);
            let mut firsts = std::collections::HashSet::new();
            for call in 0..512 {
                let first = 1 + call * 128;
                let (mask, place) = stamps.in_call(first);
                let noted = (first..first + 128).filter(|sequence| sequence & mask == place);
                let noted: Vec<u64> = noted.collect();
                assert_eq!(noted.len() as u64, 128 / every);
                firsts.insert(noted[0] - first);
            }
            // Whatever the phase in which the calls' messages are read, it is met.
            assert_eq!(firsts.len() as u64, every);
        }
        let (mask, place) = Stamps::one_in(0).in_call(1);
        assert!((1..1_000).all(|sequence| sequence & mask != place));
    }

    #[test]
    fn runs_of_any_length_begin_with_one_now_and_then() {
        for every in [1, 4, 16, 64] {
            for length in [1, 3, 8, 63, 64] {
                for phase in 0..length {
                    let found = stamped(Stamps::one_in(every), 1, 64 * every * length);
                    let first = found.iter().filter(|&&found| found % length == phase);
                    // Evenly spread there would be 64.
                    assert!(
                        first.count() >= 16,
                        "one in {every}, runs of {length} from {phase}"
                    );
                }
            }
        }
    }
}

//! The buckets: exact below 32 ns, then 32 to each power of two, so a value is known to 1/32
//! (3 per cent), up to 137 seconds. What is longer counts as that.

/// Buckets to a power of two, as a shift.
const SUB_SHIFT: u32 = 5;
const SUB: u64 = 1 << SUB_SHIFT;

/// Powers of two covered: values below 2^37 ns.
const TOP_SHIFT: u32 = 37;

/// The highest value that is told apart, in nanoseconds.
pub const MAX_NS: u64 = (1 << TOP_SHIFT) - 1;

/// Buckets of a histogram.
pub const BUCKETS: usize = ((TOP_SHIFT - SUB_SHIFT + 1) as usize) << SUB_SHIFT;

/// The bucket of `ns`.
#[inline(always)]
pub const fn bucket_of(ns: u64) -> usize {
    let ns = if ns > MAX_NS { MAX_NS } else { ns };
    if ns < SUB {
        return ns as usize;
    }
    let shift = 63 - ns.leading_zeros() - SUB_SHIFT;
    // The top bits of the value, from 32 to 63, behind as many whole powers.
    ((shift as usize) << SUB_SHIFT) + (ns >> shift) as usize
}

/// The lowest value in `bucket`.
pub const fn lowest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return bucket;
    }
    let shift = (bucket >> SUB_SHIFT) - 1;
    (SUB + (bucket & (SUB - 1))) << shift
}

/// The highest value in `bucket`.
pub const fn highest_of(bucket: usize) -> u64 {
    lowest_of(bucket + 1) - 1
}

const _: () = assert!(bucket_of(MAX_NS) == BUCKETS - 1);
const _: () = assert!(highest_of(BUCKETS - 1) == MAX_NS);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_gap() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(lowest_of(bucket)), bucket);
            assert_eq!(bucket_of(highest_of(bucket)), bucket);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_value_is_known_to_one_part_in_32(ns in 0u64..=MAX_NS) {
            let bucket = bucket_of(ns);
            prop_assert!((lowest_of(bucket)..=highest_of(bucket)).contains(&ns));
            let width = highest_of(bucket) - lowest_of(bucket);
            prop_assert!(width == 0 || width * 32 < ns);
        }
    }
}

//! A histogram read at one moment.

use super::buckets::{BUCKETS, highest_of, lowest_of};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LatencySnapshot {
    identity: u64,
    counts: Vec<u64>,
    sum: u64,
    highest: u64,
}

impl LatencySnapshot {
    /// A snapshot of these counts.
    pub fn new(identity: u64, mut counts: Vec<u64>, sum: u64, highest: u64) -> Self {
        counts.resize(BUCKETS, 0);
        LatencySnapshot {
            identity,
            counts,
            sum,
            highest,
        }
    }

    /// Which content it was taken of: another writer's has another.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Values recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values, in nanoseconds.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The highest value, in nanoseconds; 0 where there is none.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// The value that `percent` per cent do not exceed: the highest of its bucket, but never more
    /// than the highest of all. 0 where nothing was recorded.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return highest_of(bucket).min(self.highest);
            }
        }
        self.highest
    }

    /// The buckets that are not empty: lowest value, highest value, count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(bucket, count)| (lowest_of(bucket), highest_of(bucket), *count))
    }

    /// What was recorded after `before` was taken. All of it, where `before` is of another
    /// content. The highest value is then that of the highest bucket.
    pub fn since(&self, before: &LatencySnapshot) -> Self {
        if before.identity != self.identity {
            return self.clone();
        }
        let counts: Vec<u64> = self
            .counts
            .iter()
            .zip(&before.counts)
            .map(|(now, then)| now.saturating_sub(*then))
            .collect();
        let highest = counts
            .iter()
            .rposition(|count| *count > 0)
            .map_or(0, |bucket| highest_of(bucket).min(self.highest));
        LatencySnapshot {
            identity: self.identity,
            counts,
            sum: self.sum.wrapping_sub(before.sum),
            highest,
        }
    }
}

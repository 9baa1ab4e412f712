//! Round trips and their percentiles.

use crate::clock::Clock;
use crate::disturbance::STALL_NS;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most samples of one measurement.
const MAX_SAMPLES: usize = 2_000_000;

/// Samples between two looks at how long the measurement has taken.
const BATCH: u64 = 256;

/// Percentiles in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// Nine of ten are faster.
    pub p90: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// 999 of 1,000 are faster.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

impl Percentiles {
    /// The five figures in order.
    pub fn values(&self) -> [f64; 5] {
        [self.p50, self.p90, self.p99, self.p99_9, self.max]
    }

    /// From the five figures in order.
    pub fn from_values([p50, p90, p99, p99_9, max]: [f64; 5]) -> Self {
        Percentiles {
            p50,
            p90,
            p99,
            p99_9,
            max,
        }
    }

    /// Each figure's median over `rounds`.
    pub fn median(rounds: &[Percentiles]) -> Self {
        let mut values = [0.0; 5];
        for (index, value) in values.iter_mut().enumerate() {
            let column: Vec<f64> = rounds.iter().map(|round| round.values()[index]).collect();
            *value = median(&column);
        }
        Percentiles::from_values(values)
    }

    /// Each figure divided by the same of `limit`.
    pub fn ratio(&self, limit: &Percentiles) -> Percentiles {
        let limit = limit.values();
        let mut values = self.values();
        for (value, limit) in values.iter_mut().zip(limit) {
            *value /= limit.max(f64::MIN_POSITIVE);
        }
        Percentiles::from_values(values)
    }
}

/// The median; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

/// Round trips, in ticks.
#[derive(Clone, Debug)]
pub struct RoundTrips {
    clock: Clock,
    ticks: Vec<u32>,
}

impl RoundTrips {
    /// Round trips that were timed elsewhere.
    pub fn from_ticks(clock: Clock, ticks: Vec<u32>) -> Self {
        RoundTrips { clock, ticks }
    }

    /// Times `once` again and again: first for `warm_up` without keeping anything, then for
    /// `duration` (or as many samples as there is room for).
    ///
    /// The clock is read once a round trip: the end of one is the beginning of the next, so no
    /// time goes unseen. `once` gets the number of the round trip, counted from 1.
    pub fn measure(
        warm_up: Duration,
        duration: Duration,
        mut once: impl FnMut(u64) -> Result<()>,
    ) -> Result<Self> {
        let clock = Clock::best();
        // Written once, so that no page of it is touched for the first time while measuring.
        let mut ticks = vec![u32::MAX; MAX_SAMPLES];
        let mut number = 0;
        let mut now = clock.now();
        let warm = now + clock.ticks(warm_up);
        while now < warm {
            for _ in 0..BATCH {
                number += 1;
                once(number)?;
            }
            now = clock.now();
        }
        let end = now + clock.ticks(duration);
        let mut taken = 0;
        'measuring: for batch in ticks.chunks_exact_mut(BATCH as usize) {
            for sample in batch {
                number += 1;
                once(number)?;
                let after = clock.now();
                *sample = u32::try_from(after.wrapping_sub(now)).unwrap_or(u32::MAX);
                now = after;
                taken += 1;
            }
            if now >= end {
                break 'measuring;
            }
        }
        ticks.truncate(taken);
        Ok(RoundTrips { clock, ticks })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.ticks.len()
    }

    /// Nanoseconds in round trips so long that something interrupted them.
    pub fn stalled_ns(&self) -> f64 {
        self.ticks
            .iter()
            .map(|&ticks| self.clock.ns(u64::from(ticks)))
            .filter(|&ns| ns >= STALL_NS)
            .sum()
    }

    /// Percentiles of one hop: half of a round trip.
    ///
    /// Where the counter jumps by more than the differences that matter, many samples are equal:
    /// they are taken to be spread evenly over the counter's step.
    pub fn hop(&self) -> Percentiles {
        let mut sorted = self.ticks.clone();
        sorted.sort_unstable();
        let step = self.clock.step() as f64;
        let at = |share: f64| {
            let rank = share * sorted.len() as f64;
            let index = (rank.ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
            let Some(&ticks) = sorted.get(index) else {
                return 0.0;
            };
            let first = sorted.partition_point(|&other| other < ticks);
            let equal = sorted.partition_point(|&other| other <= ticks) - first;
            let within = (rank - first as f64 - 0.5).clamp(0.0, equal as f64 - 1.0);
            let place = (within + 0.5) / equal as f64 - 0.5;
            (f64::from(ticks) + place * step) * self.clock.ns(1) / 2.0
        };
        let longest = sorted.last().copied().unwrap_or(0);
        let longest = self.clock.ns(u64::from(longest)) / 2.0;
        Percentiles::from_values([at(0.5), at(0.9), at(0.99), at(0.999), longest])
    }

    /// Every hop in nanoseconds, in the order in which they were measured.
    pub fn hops_ns(&self) -> impl Iterator<Item = f64> + '_ {
        self.ticks
            .iter()
            .map(|&ticks| self.clock.ns(u64::from(ticks)) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_samples() {
        let clock = Clock::best();
        let ticks: Vec<u32> = (1..=1000).rev().collect();
        let hop = RoundTrips::from_ticks(clock, ticks).hop();
        let ns = |ticks: u64| clock.ns(ticks) / 2.0;
        assert_eq!(hop.values(), [ns(500), ns(900), ns(990), ns(999), ns(1000)]);
    }

    #[test]
    fn medians_and_ratios() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        let rounds = [1.0, 9.0, 2.0].map(|value| Percentiles::from_values([value; 5]));
        let middle = Percentiles::median(&rounds);
        assert_eq!(middle.p99, 2.0);
        assert_eq!(middle.ratio(&rounds[0]).max, 2.0);
    }

    #[test]
    fn no_time_goes_unseen() {
        let mut calls = 0;
        let trips = RoundTrips::measure(Duration::ZERO, Duration::from_millis(5), |_| {
            calls += 1;
            Ok(())
        })
        .expect("nothing fails");
        assert_eq!(trips.count(), calls);
    }
}

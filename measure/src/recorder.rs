//! Latencies as they come: their distribution, and when the slow ones happened.

use crate::clock::Clock;
use crate::error::{MeasureError, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Parts that a measurement's time is divided into.
const BUCKETS: usize = 600;

/// The highest latency told apart, in nanoseconds.
const HIGHEST_NS: u64 = 60_000_000_000;

/// What happened in one part of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Messages.
    pub count: u64,
    /// The sum of their latencies in nanoseconds.
    pub sum_ns: u64,
    /// The slowest in nanoseconds.
    pub max_ns: u64,
}

/// Takes latencies.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    histogram: Histogram<u64>,
    buckets: Vec<Bucket>,
    started: Option<u64>,
    bucket_ticks: u64,
}

/// Latencies as one process hands them to another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recorded {
    /// Value and count.
    pub values: Vec<(u64, u64)>,
    /// Part by part.
    pub buckets: Vec<Bucket>,
}

/// A histogram of nanoseconds.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, HIGHEST_NS, 3)
        .map_err(|error| MeasureError::Host(format!("no histogram: {error}")))
}

impl Recorder {
    /// For a measurement of `duration`.
    pub fn new(duration: Duration) -> Result<Self> {
        let clock = Clock::best();
        Ok(Recorder {
            clock,
            histogram: histogram()?,
            buckets: vec![Bucket::default(); BUCKETS],
            started: None,
            bucket_ticks: (clock.ticks(duration) / BUCKETS as u64).max(1),
        })
    }

    /// Takes one: it should have been sent at `planned` and was read at `now`, in ticks.
    #[inline]
    pub fn record(&mut self, planned: u64, now: u64) {
        let started = *self.started.get_or_insert(planned);
        let ns = self.clock.ns(now.saturating_sub(planned)) as u64;
        self.histogram.saturating_record(ns.max(1));
        let index = (planned.saturating_sub(started) / self.bucket_ticks) as usize;
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.count += 1;
            bucket.sum_ns += ns;
            bucket.max_ns = bucket.max_ns.max(ns);
        }
    }

    /// How many were taken.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// For another process.
    pub fn hand_over(&self) -> Recorded {
        Recorded {
            values: self
                .histogram
                .iter_recorded()
                .map(|value| (value.value_iterated_to(), value.count_at_value()))
                .collect(),
            buckets: self.buckets.clone(),
        }
    }
}

impl Recorded {
    /// Several recordings of equally long times, one after the other, as one: the whole time is
    /// divided into as many parts as each one's was.
    pub fn joined(parts: &[Recorded]) -> Recorded {
        let buckets: Vec<Bucket> = parts
            .iter()
            .flat_map(|part| &part.buckets)
            .copied()
            .collect();
        Recorded {
            values: parts
                .iter()
                .flat_map(|part| &part.values)
                .copied()
                .collect(),
            buckets: buckets
                .chunks(parts.len().max(1))
                .map(|together| {
                    together.iter().fold(Bucket::default(), |sum, one| Bucket {
                        count: sum.count + one.count,
                        sum_ns: sum.sum_ns + one.sum_ns,
                        max_ns: sum.max_ns.max(one.max_ns),
                    })
                })
                .collect(),
        }
    }

    /// The distribution.
    pub fn histogram(&self) -> Result<Histogram<u64>> {
        let mut histogram = histogram()?;
        for &(value, count) in &self.values {
            histogram.saturating_record_n(value, count);
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_is_what_was_recorded() {
        let clock = Clock::best();
        let duration = Duration::from_millis(600);
        let mut recorder = Recorder::new(duration).expect("a recorder");
        let ms = clock.ticks(Duration::from_millis(1));
        for index in 0..600 {
            let planned = 1_000_000 + index * ms;
            let late = if index == 300 { ms } else { ms / 1000 };
            recorder.record(planned, planned + late);
        }
        let recorded = recorder.hand_over();
        let text = serde_json::to_string(&recorded).expect("JSON");
        let recorded: Recorded = serde_json::from_str(&text).expect("the same");
        let histogram = recorded.histogram().expect("a histogram");
        assert_eq!(histogram.len(), 600);
        assert!((histogram.max() as i64 - 1_000_000).abs() < 2_000);
        assert!((histogram.value_at_quantile(0.5) as i64 - 1_000).abs() < 10);
        let slow: Vec<usize> = (0..600)
            .filter(|&index| recorded.buckets[index].max_ns > 100_000)
            .collect();
        assert_eq!(slow.len(), 1);
        assert!(slow[0].abs_diff(300) <= 1);
    }

    #[test]
    fn joined_recordings_keep_every_value_and_the_order_in_time() {
        let bucket = |max_ns| Bucket {
            count: 1,
            sum_ns: max_ns,
            max_ns,
        };
        let part = |times: [u64; 4]| Recorded {
            values: times.map(|ns| (ns, 1)).to_vec(),
            buckets: times.map(bucket).to_vec(),
        };
        let joined = Recorded::joined(&[part([1, 2, 3, 4]), part([5, 6, 7, 8])]);
        let histogram = joined.histogram().expect("a histogram");
        assert_eq!((histogram.len(), histogram.max()), (8, 8));
        let slowest: Vec<u64> = joined.buckets.iter().map(|bucket| bucket.max_ns).collect();
        assert_eq!(slowest, [2, 4, 6, 8]);
        assert_eq!((joined.buckets[0].count, joined.buckets[0].sum_ns), (2, 3));
        assert!(Recorded::joined(&[]).buckets.is_empty());
    }
}

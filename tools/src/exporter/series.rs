//! One metric with a row for each set of labels, as it was at one moment.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use selvedge_fabric::latency::LatencySnapshot;
use std::fmt;

/// Upper bounds of exported buckets, in nanoseconds: 100 ns to 1 s.
const BOUNDS_NS: [u64; 19] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    1_000_000_000,
];

/// Labels of a row.
pub type Labels = Vec<(&'static str, String)>;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// Seconds.
    Histogram(Box<LatencySnapshot>),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Series {
    rows: Vec<(Labels, Value)>,
}

impl Series {
    /// Adds a row.
    pub fn add(&mut self, labels: Labels, value: Value) {
        self.rows.push((labels, value));
    }
}

impl EncodeMetric for Series {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (labels, value) in &self.rows {
            let mut row = encoder.encode_family(labels)?;
            match value {
                Value::Counter(count) => {
                    row.encode_counter::<NoLabelSet, u64, u64>(count, None)?;
                }
                Value::Gauge(value) => row.encode_gauge(value)?,
                Value::Histogram(snapshot) => row.encode_histogram::<NoLabelSet>(
                    snapshot.sum() as f64 / 1e9,
                    snapshot.count(),
                    &buckets(snapshot),
                    None,
                )?,
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        match self.rows.first() {
            Some((_, Value::Counter(_))) => MetricType::Counter,
            Some((_, Value::Histogram(_))) => MetricType::Histogram,
            _ => MetricType::Gauge,
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Upper bounds in seconds, each with what lies between it and the bound below.
fn buckets(snapshot: &LatencySnapshot) -> Vec<(f64, u64)> {
    let mut buckets: Vec<(f64, u64)> = BOUNDS_NS
        .iter()
        .map(|bound| (*bound as f64 / 1e9, 0))
        .chain([(f64::MAX, 0)])
        .collect();
    for (_, highest, count) in snapshot.buckets() {
        let place = BOUNDS_NS.partition_point(|bound| *bound < highest);
        buckets[place].1 += count;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::latency::{BUCKETS, bucket_of};

    #[test]
    fn every_sample_is_in_one_bucket_at_or_above_its_value() {
        let mut counts = vec![0; BUCKETS];
        for (ns, count) in [(99, 1), (150, 2), (1_500_000_000, 4)] {
            counts[bucket_of(ns)] = count;
        }
        let found = buckets(&LatencySnapshot::new(1, counts, 0, u64::MAX));
        assert_eq!(found[0], (1e-7, 1));
        assert_eq!(found[1], (2e-7, 2));
        assert_eq!(found[19], (f64::MAX, 4));
        assert_eq!(found.iter().map(|(_, count)| count).sum::<u64>(), 7);
    }
}

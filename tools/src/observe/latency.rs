//! Latency histograms as tools show them: since the last reset.

use super::recent::Recent;
use crate::error::{Result, ToolError};
use crate::operator::announce;
use selvedge_fabric::Fabric;
use selvedge_fabric::latency::{LatencyFile, LatencySnapshot, LatencySubject};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The file, beside the histograms, with what they held at the last reset.
const BASELINE: &str = "latency/baseline.json";

/// A histogram in five numbers, nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct LatencyState {
    /// Samples: at most one a run of messages.
    pub samples: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p99_9_ns: u64,
    /// The highest.
    pub max_ns: u64,
    /// What a budget is judged by: the 99th percentile of the last minute; since the reset where
    /// it has been watched for less than ten seconds; null where there was no sample.
    pub judged_p99_ns: Option<u64>,
}

impl LatencyState {
    /// The numbers of `snapshot`; `None` where it is empty.
    pub fn of(snapshot: &LatencySnapshot) -> Option<Self> {
        (snapshot.count() > 0).then(|| LatencyState {
            samples: snapshot.count(),
            p50_ns: snapshot.percentile(50.0),
            p99_ns: snapshot.percentile(99.0),
            p99_9_ns: snapshot.percentile(99.9),
            max_ns: snapshot.highest(),
            judged_p99_ns: Some(snapshot.percentile(99.0)),
        })
    }

    /// The same, judged by what is known of the last minute.
    pub fn judged_by(mut self, recent: Recent) -> Self {
        if let Recent::P99(p99) = recent {
            self.judged_p99_ns = p99;
        }
        self
    }
}

/// What a histogram held when it was reset: lowest value of each bucket and its count.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    identity: u64,
    sum: u64,
    buckets: Vec<(u64, u64)>,
}

/// Every histogram of the fabric, since the last reset.
pub fn latencies(fabric: &Fabric) -> Vec<(LatencySubject, LatencySnapshot)> {
    since_reset(fabric, LatencyFile::all(fabric))
}

/// These histograms, since the last reset.
pub fn since_reset(
    fabric: &Fabric,
    all: Vec<(LatencySubject, LatencySnapshot)>,
) -> Vec<(LatencySubject, LatencySnapshot)> {
    let baseline = read_baseline(fabric);
    all.into_iter()
        .map(|(subject, snapshot)| {
            let since = match baseline.get(&snapshot.identity()) {
                Some(before) => snapshot.since(before),
                None => snapshot,
            };
            (subject, since)
        })
        .collect()
}

/// Starts from zero: what the histograms hold now is subtracted from now on. Nobody who measures
/// takes notice. How many histograms there were.
pub fn reset(fabric: &Fabric) -> Result<usize> {
    announce(fabric.paths().root(), "latency --reset");
    let kept: Vec<Kept> = LatencyFile::all(fabric)
        .into_iter()
        .map(|(_, snapshot)| Kept {
            identity: snapshot.identity(),
            sum: snapshot.sum(),
            buckets: snapshot
                .buckets()
                .map(|(lowest, _, count)| (lowest, count))
                .collect(),
        })
        .collect();
    let text = serde_json::to_vec(&kept).map_err(ToolError::json("write the baseline"))?;
    let path = fabric.paths().root().join(BASELINE);
    let unnamed = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::create_dir_all(fabric.paths().root().join("latency"))
        .and_then(|()| std::fs::write(&unnamed, text))
        .and_then(|()| std::fs::rename(&unnamed, &path))
        .map_err(ToolError::host(format!("write {}", path.display())))?;
    Ok(kept.len())
}

fn read_baseline(fabric: &Fabric) -> HashMap<u64, LatencySnapshot> {
    let path = fabric.paths().root().join(BASELINE);
    let kept: Vec<Kept> = std::fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    kept.into_iter()
        .map(|kept| {
            let mut counts = vec![0; selvedge_fabric::latency::BUCKETS];
            for (lowest, count) in kept.buckets {
                counts[selvedge_fabric::latency::bucket_of(lowest)] = count;
            }
            let snapshot = LatencySnapshot::new(kept.identity, counts, kept.sum, u64::MAX);
            (kept.identity, snapshot)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::latency::{BUCKETS, bucket_of};

    #[test]
    fn the_last_minute_judges_where_it_is_known() {
        let mut counts = vec![0; BUCKETS];
        counts[bucket_of(20)] = 5;
        let snapshot = LatencySnapshot::new(1, counts, 100, 20);
        let latency = LatencyState::of(&snapshot).expect("samples");
        let judged = |recent| latency.judged_by(recent).judged_p99_ns;
        assert_eq!(judged(Recent::Unknown), Some(20));
        assert_eq!(judged(Recent::P99(Some(7))), Some(7));
        assert_eq!(judged(Recent::P99(None)), None);
    }
}

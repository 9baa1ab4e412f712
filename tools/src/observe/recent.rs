//! The latency of the last minute: what a budget is judged by, so that an alarm ends when what
//! raised it has.

use selvedge_fabric::latency::LatencySnapshot;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Between two snapshots that are kept.
const EVERY: Duration = Duration::from_secs(15);

/// Snapshots kept of each histogram: they reach back over a minute.
const KEPT: usize = 5;

/// A watch shorter than this tells nothing about the last minute.
const LEAST: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default, Debug)]
pub struct RecentLatency {
    kept: HashMap<u64, VecDeque<(Instant, LatencySnapshot)>>,
}

/// What is known of the last minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recent {
    /// It has not been watched for long enough.
    Unknown,
    /// The 99th percentile of its samples, in nanoseconds; `None` where there were none.
    P99(Option<u64>),
}

impl RecentLatency {
    /// Takes notice of a histogram as it is `now`; what is known of its last minute.
    pub fn look(&mut self, now: Instant, snapshot: &LatencySnapshot) -> Recent {
        let kept = self.kept.entry(snapshot.identity()).or_default();
        let recent = match kept.front() {
            Some((since, before)) if now.duration_since(*since) >= LEAST => {
                let recent = snapshot.since(before);
                Recent::P99((recent.count() > 0).then(|| recent.percentile(99.0)))
            }
            _ => Recent::Unknown,
        };
        if kept
            .back()
            .is_none_or(|(last, _)| now.duration_since(*last) >= EVERY)
        {
            kept.push_back((now, snapshot.clone()));
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
        recent
    }

    /// Forgets the histograms that are not there any more.
    pub fn retain(&mut self, there: &[u64]) {
        self.kept.retain(|identity, _| there.contains(identity));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::latency::{BUCKETS, bucket_of};

    fn snapshot(fast: u64, slow: u64) -> LatencySnapshot {
        let mut counts = vec![0; BUCKETS];
        counts[bucket_of(100)] = fast;
        counts[bucket_of(1_000_000)] = slow;
        LatencySnapshot::new(1, counts, 0, 1_000_000)
    }

    #[test]
    fn what_was_slow_is_forgotten_after_a_minute() {
        let mut recent = RecentLatency::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(recent.look(at(0), &snapshot(0, 0)), Recent::Unknown);
        assert_eq!(recent.look(at(5), &snapshot(0, 50)), Recent::Unknown);
        let Recent::P99(Some(slow)) = recent.look(at(20), &snapshot(10, 50)) else {
            panic!("it has been watched for long enough");
        };
        assert!(slow >= 990_000, "{slow}");
        for second in (25..=80).step_by(5) {
            recent.look(at(second), &snapshot(second * 10, 50));
        }
        let Recent::P99(Some(fast)) = recent.look(at(95), &snapshot(1_000, 50)) else {
            panic!("there were samples");
        };
        assert!(fast < 110, "{fast}");
        for second in (100..=200).step_by(5) {
            recent.look(at(second), &snapshot(1_000, 50));
        }
        assert_eq!(
            recent.look(at(201), &snapshot(1_000, 50)),
            Recent::P99(None)
        );
        recent.retain(&[]);
        assert_eq!(recent.look(at(202), &snapshot(1_000, 50)), Recent::Unknown);
    }
}

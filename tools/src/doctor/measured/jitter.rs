//! A spin loop's gaps: what preempts us.

use crate::error::{Result, ToolError};
use selvedge_fabric::host::affinity::pin_current_thread;
use selvedge_fabric::host::ticks::TickSource;
use serde::Serialize;
use std::sync::Barrier;
use std::time::Duration;

/// Lower bounds of the histogram's classes, in nanoseconds. A gap below the first is no gap.
pub const GAP_BOUNDS_NS: [u64; 8] = [
    500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000, 10_000_000,
];

/// What preempted a core.
#[derive(Clone, Debug, Serialize)]
pub struct CoreJitter {
    /// The core.
    pub core: usize,
    /// How long it spun.
    pub seconds: f64,
    /// The longest gap.
    pub longest_ns: u64,
    /// All gaps together.
    pub lost_ns: u64,
    /// Gaps by class of length, see [`GAP_BOUNDS_NS`].
    pub gaps: [u64; GAP_BOUNDS_NS.len()],
}

impl CoreJitter {
    /// Gaps of at least `bound`, one of the classes' bounds.
    pub fn gaps_from(&self, bound: u64) -> u64 {
        GAP_BOUNDS_NS
            .iter()
            .zip(self.gaps)
            .filter(|(least, _)| **least >= bound)
            .map(|(_, count)| count)
            .sum()
    }

    /// Share of the time that was lost to gaps.
    pub fn lost_percent(&self) -> f64 {
        self.lost_ns as f64 / (self.seconds * 1e7).max(1.0)
    }

    fn record(&mut self, ns: u64) {
        let Some(class) = GAP_BOUNDS_NS.iter().rposition(|&least| ns >= least) else {
            return;
        };
        self.gaps[class] += 1;
        self.lost_ns += ns;
        self.longest_ns = self.longest_ns.max(ns);
    }
}

/// Spins on every core at once, as a running fabric would.
pub fn measure_jitter(cores: &[usize], span: Duration) -> Result<Vec<CoreJitter>> {
    let ticks = TickSource::best();
    let rate = ticks.measure_rate(Duration::from_millis(20)).max(1);
    let barrier = Barrier::new(cores.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .map(|&core| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let pinned = pin_current_thread(core);
                    barrier.wait();
                    pinned.map(|()| spin(core, ticks, rate, span))
                })
            })
            .collect();
        let mut measured = Vec::new();
        for thread in threads {
            let core = thread.join().map_err(|_| {
                ToolError::host("measure a core's gaps")(std::io::Error::other("its thread ended"))
            })?;
            measured.push(core?);
        }
        Ok(measured)
    })
}

fn spin(core: usize, ticks: TickSource, rate: u64, span: Duration) -> CoreJitter {
    let in_ns = |ticks: u64| (u128::from(ticks) * 1_000_000_000 / u128::from(rate)) as u64;
    let in_ticks = |ns: u128| (ns * u128::from(rate) / 1_000_000_000) as u64;
    let mut jitter = CoreJitter {
        core,
        seconds: span.as_secs_f64(),
        longest_ns: 0,
        lost_ns: 0,
        gaps: [0; GAP_BOUNDS_NS.len()],
    };
    let least = in_ticks(u128::from(GAP_BOUNDS_NS[0]));
    let begin = ticks.now();
    let end = begin + in_ticks(span.as_nanos());
    let mut last = begin;
    while last < end {
        let now = ticks.now();
        let gap = now.saturating_sub(last);
        if gap >= least {
            jitter.record(in_ns(gap));
        }
        last = now.max(last);
    }
    jitter.seconds = in_ns(last - begin) as f64 / 1e9;
    jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_fall_into_their_classes() {
        let mut jitter = CoreJitter {
            core: 0,
            seconds: 1.0,
            longest_ns: 0,
            lost_ns: 0,
            gaps: [0; GAP_BOUNDS_NS.len()],
        };
        for ns in [499, 500, 999, 12_000, 99_999, 50_000_000] {
            jitter.record(ns);
        }
        assert_eq!(jitter.gaps, [2, 0, 0, 0, 2, 0, 0, 1]);
        assert_eq!(jitter.gaps_from(10_000), 3);
        assert_eq!(jitter.longest_ns, 50_000_000);
        assert_eq!(jitter.lost_ns, 500 + 999 + 12_000 + 99_999 + 50_000_000);
        assert!((jitter.lost_percent() - 5.011).abs() < 0.001);
    }
}

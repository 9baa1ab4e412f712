//! How long a cache line takes from core to core.

use crate::error::{Result, ToolError};
use selvedge_fabric::host::affinity::pin_current_thread;
use selvedge_fabric::host::ticks::{TickSource, monotonic_ns};
use serde::Serialize;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Round trips timed together.
const BATCH: u64 = 200;

/// Batches of a pair; the quietest counts, because what disturbs the others is jitter.
const BATCHES: u64 = 40;

/// A pair that takes longer than this is given up: its cores do not run at the same time.
const LIMIT: Duration = Duration::from_secs(2);

/// A word on cache lines of its own.
#[repr(align(128))]
struct Ball(AtomicU64);

/// Nanoseconds for one way, by pair of cores.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyMatrix {
    /// The cores, in order of rows and columns.
    pub cores: Vec<usize>,
    /// `ns[row][column]`; null on the diagonal and where it could not be measured.
    pub ns: Vec<Vec<Option<f64>>>,
}

impl LatencyMatrix {
    /// The fastest and the slowest pair.
    pub fn range(&self) -> Option<(f64, f64)> {
        let mut range: Option<(f64, f64)> = None;
        for &ns in self.ns.iter().flatten().flatten() {
            let (least, most) = range.unwrap_or((ns, ns));
            range = Some((least.min(ns), most.max(ns)));
        }
        range
    }
}

/// Measures every pair, one after the other.
pub fn measure_matrix(cores: &[usize]) -> Result<LatencyMatrix> {
    let ticks = TickSource::best();
    let rate = ticks.measure_rate(Duration::from_millis(20)).max(1);
    let mut ns = vec![vec![None; cores.len()]; cores.len()];
    for (row, &one) in cores.iter().enumerate() {
        for (column, &other) in cores.iter().enumerate().skip(row + 1) {
            let measured = measure_pair(one, other, ticks)?
                .map(|ticks| ticks as f64 * 1e9 / rate as f64 / (2 * BATCH) as f64);
            ns[row][column] = measured;
            ns[column][row] = measured;
        }
    }
    Ok(LatencyMatrix {
        cores: cores.to_vec(),
        ns,
    })
}

/// Ticks of the quietest batch.
fn measure_pair(one: usize, other: usize, ticks: TickSource) -> Result<Option<u64>> {
    let ball = Ball(AtomicU64::new(0));
    let barrier = Barrier::new(2);
    let deadline = monotonic_ns() + LIMIT.as_nanos() as u64;
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let pinned = pin_current_thread(other);
            barrier.wait();
            pinned.map(|()| {
                for turn in 0..BATCH * BATCHES {
                    if !wait_until(&ball, 2 * turn + 1, deadline) {
                        return;
                    }
                    ball.0.store(2 * turn + 2, Ordering::Release);
                }
            })
        });
        let asking = scope.spawn(|| {
            let pinned = pin_current_thread(one);
            barrier.wait();
            pinned.map(|()| {
                let mut quietest = None::<u64>;
                for batch in 0..BATCHES {
                    let begin = ticks.now();
                    for turn in batch * BATCH..(batch + 1) * BATCH {
                        ball.0.store(2 * turn + 1, Ordering::Release);
                        if !wait_until(&ball, 2 * turn + 2, deadline) {
                            return quietest;
                        }
                    }
                    let spent = ticks.now() - begin;
                    quietest = Some(quietest.map_or(spent, |least| least.min(spent)));
                }
                quietest
            })
        });
        let ended =
            |_| ToolError::host("measure two cores")(std::io::Error::other("a thread ended early"));
        let measured = asking.join().map_err(ended)?;
        answering.join().map_err(ended)??;
        Ok(measured?)
    })
}

/// Spins until the ball shows `value`; `false` past the deadline.
#[inline(always)]
fn wait_until(ball: &Ball, value: u64, deadline: u64) -> bool {
    let mut spins = 0u64;
    // Pairs with the release with which the other side passes the ball.
    while ball.0.load(Ordering::Acquire) != value {
        std::hint::spin_loop();
        spins += 1;
        if spins.is_multiple_of(1 << 16) && monotonic_ns() > deadline {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_that_of_the_pairs_measured() {
        let matrix = LatencyMatrix {
            cores: vec![0, 1, 2],
            ns: vec![
                vec![None, Some(50.0), None],
                vec![Some(50.0), None, Some(120.0)],
                vec![None, Some(120.0), None],
            ],
        };
        assert_eq!(matrix.range(), Some((50.0, 120.0)));
        let single = LatencyMatrix {
            cores: vec![0],
            ns: vec![vec![None]],
        };
        assert_eq!(single.range(), None);
    }
}

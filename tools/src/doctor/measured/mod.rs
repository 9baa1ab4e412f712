//! What only shows when it is measured: who interrupts a core that spins, and how long a cache
//! line takes from core to core.

mod jitter;
mod matrix;

pub use jitter::{CoreJitter, GAP_BOUNDS_NS, measure_jitter};
pub use matrix::{LatencyMatrix, measure_matrix};

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::Cores;
use crate::error::Result;
use crate::text::duration;
use serde::Serialize;
use std::time::Duration;

/// The most cores that are measured.
pub const MAX_CORES: usize = 64;

/// A gap that costs a fabric its tail, in nanoseconds.
const BAD_GAP_NS: u64 = 10_000;

/// A pair of cores this many times slower than the fastest lies far apart.
const FAR_FACTOR: f64 = 1.8;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Seconds for which each core spun.
    pub seconds: f64,
    /// What preempted each core.
    pub jitter: Vec<CoreJitter>,
    /// How long a line takes between each two.
    pub core_to_core: LatencyMatrix,
}

/// Measures `cores`, at most [`MAX_CORES`] of them.
pub fn measure(cores: &Cores, span: Duration) -> Result<Measured> {
    let cores: Vec<usize> = cores.iter().copied().take(MAX_CORES).collect();
    Ok(Measured {
        seconds: span.as_secs_f64(),
        jitter: measure_jitter(&cores, span)?,
        core_to_core: measure_matrix(&cores)?,
    })
}

/// What the measurements mean.
pub fn judge(measured: &Measured) -> Vec<Finding> {
    let mut findings = Vec::new();
    for core in &measured.jitter {
        findings.push(
            Finding::judged("jitter", core.longest_ns < BAD_GAP_NS, Severity::Warning)
                .found(format!(
                    "core {}: longest gap {}, {} gaps of 10 us or more in {:.1} s, {:.3} % of the time lost",
                    core.core,
                    duration(core.longest_ns),
                    core.gaps_from(BAD_GAP_NS),
                    core.seconds,
                    core.lost_percent()
                ))
                .expected("no gap of 10 us or more")
                .why("whatever made the gap (an interrupt, another process, the hypervisor) stands in the way of a message just so")
                .remedy("what the other findings say; then measure again with the host idle"),
        );
    }
    if let Some((least, most)) = measured.core_to_core.range() {
        findings.push(
            Finding::judged(
                "core-to-core",
                most <= least * FAR_FACTOR,
                Severity::Warning,
            )
            .found(format!(
                "a cache line takes {least:.0} to {most:.0} ns from core to core"
            ))
            .expected(format!(
                "the slowest pair within {FAR_FACTOR} of the fastest"
            ))
            .why("this is the limit of every hop between those cores; far pairs share no cache")
            .remedy("place sequencer and consumers on cores of one group in the heat map"),
        );
    }
    findings
}

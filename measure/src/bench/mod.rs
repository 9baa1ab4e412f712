//! `selvedge bench`: open-loop measurements with a report.
//!
//! Messages have planned send times. What is measured is the time from when a message *should*
//! have been sent until it was read: a stall delays every message planned meanwhile, and all of
//! them count (no coordinated omission).
//!
//! | command | what |
//! |---|---|
//! | `latency` | one ring between two processes, one way where the cores' counters allow it |
//! | `sequenced` | through the sequencer and back to the publisher |
//! | `throughput` | as fast as possible, one ring and sequenced |
//! | `fanout` | through the sequencer to many consumers |
//! | `recording` | what the always-on latency histograms cost, with and without in turn |

mod arguments;
mod counters;
mod fanout;
mod hgrm;
mod latency;
mod plot;
mod progress;
mod recording;
mod report;
mod sender;
mod sequenced;
mod throughput;

pub use arguments::{BenchArgs, Common, FanoutArgs, RecordingArgs, What};
pub(crate) use counters::tell as tell_counters;
pub(crate) use fanout::consume;
pub(crate) use latency::take as one_way;

use crate::cores::cores_at_start;
use crate::error::Result;
use selvedge_fabric::host::memory_lock::lock_memory;

/// Measures what was asked for and writes the report. To be called from a `main` that began with
/// [`crate::maybe_run_child`].
pub fn run(arguments: &BenchArgs) -> Result<()> {
    cores_at_start();
    // The report tells how much is locked.
    let _ = lock_memory();
    match &arguments.what {
        What::Latency(common) => latency::run(common),
        What::Sequenced(common) => sequenced::run(common),
        What::Throughput(common) => throughput::run(common),
        What::Fanout(fanout) => fanout::run(fanout),
        What::Recording(recording) => recording::run(recording),
    }
}

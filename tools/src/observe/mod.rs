//! Looking at a fabric without taking part: everything is read from files that others write
//! anyway, so it costs nobody anything.

mod alarms;
mod duty;
mod journal;
mod latency;
mod recent;
mod ring_fill;
mod samples;
mod state;
mod watcher;

pub use latency::{LatencyState, latencies, reset};
pub use state::{
    ConsumerState, ErrorState, FabricState, JournalState, SequencerState, SourceState,
};
pub use watcher::{SAMPLE_EVERY, Watcher, look_after};

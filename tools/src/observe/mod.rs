//! Looking at a fabric without taking part: everything is read from files that others write
//! anyway, so it costs nobody anything.

mod alarms;
mod latency;
mod ring_fill;
mod state;
mod watcher;

pub use latency::{LatencyState, latencies, reset};
pub use state::{ConsumerState, FabricState, SourceState};
pub use watcher::Watcher;

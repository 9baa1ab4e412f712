//! Looking at a fabric without taking part: everything is read from files that others write
//! anyway, so it costs nobody anything.

mod ring_fill;
mod state;
mod watcher;

pub use state::{ConsumerState, FabricState, SequencerState, SourceState};
pub use watcher::Watcher;

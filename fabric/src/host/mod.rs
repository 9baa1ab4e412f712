//! The host: cores, processes, time, waiting.

pub mod affinity;
pub mod idle;
pub mod process;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod ticks;

pub use idle::IdleStrategy;

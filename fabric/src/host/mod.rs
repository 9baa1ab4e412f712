//! The host: cores, memory, processes, time, waiting.

pub mod affinity;
pub mod idle;
pub mod memory_lock;
pub mod process;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod ticks;

pub use idle::IdleStrategy;

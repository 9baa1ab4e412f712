//! The host: cores, processes, time, waiting.

pub mod affinity;
pub mod idle;
pub mod process;
pub mod ticks;

pub use idle::IdleStrategy;

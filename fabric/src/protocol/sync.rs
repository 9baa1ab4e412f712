//! The seam between the product and the models: core's atomics, or loom's.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};

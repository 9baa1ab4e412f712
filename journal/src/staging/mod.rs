//! Staging: the memory between the ring and the disk.
//!
//! Frames are copied once, from the ring into a slot of staging, and the ring is released at
//! once. In shared memory (`journal/staging` in the fabric's directory) staging outlives the
//! process that fills it: a writer that was killed loses nothing that it took from the ring,
//! because its successor takes what lies here beyond the end of the disk. `SHARED.md` beside this
//! crate's source describes every byte.

mod layout;
mod memory;
mod pages;
mod recover;
mod view;

pub(crate) use layout::StagingLayout;
pub use layout::{STAGING_MAGIC, STAGING_VERSION};
pub(crate) use memory::{SlotMemory, Staging};
pub(crate) use recover::{last_sequence, staged_runs};
pub use view::StagingView;

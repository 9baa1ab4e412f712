//! Shared memory: files, pages, mappings.

mod claim;
mod guard;
mod hugepages;
mod mapping;
mod numa;
mod region;

pub use claim::FileClaim;
pub use hugepages::{HugepageMount, find_hugepage_mount};
pub use mapping::{Access, Mapping};
pub use region::{MemoryReport, PageKind, Pages, RegionOptions, create_region, round_up};

//! Fuzzing of everything that reads what others may have written.
//!
//! Each target is a test: `cargo test -p selvedge-fuzz` runs it over its corpus in
//! `tests/__fuzz__/` and over a bounded number of generated inputs, `SELVEDGE_FUZZ=100` over a
//! hundred times as many, and `cargo bolero test TARGET` lets a fuzzer look for new ones. No
//! input may make a reader panic, run without end, or take memory out of proportion.
//!
//! Inputs are scripts: what they do to bytes that are right reaches further than bytes at random.

mod allocation;
mod script;

pub use allocation::{CountingAllocator, peak_of};
pub use script::Script;

/// How many inputs a target generates: `usual`, times what `SELVEDGE_FUZZ` says.
pub fn iterations(usual: usize) -> usize {
    std::env::var("SELVEDGE_FUZZ")
        .ok()
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(1)
        .saturating_mul(usual)
}

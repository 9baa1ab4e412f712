//! Benchmarks of the fabric against the limit of the machine.
//!
//! `cargo run --release -p selvedge-benches --bin peers` measures the raw limits, this fabric and
//! its peers in the same interleaved rounds. `cargo bench -p selvedge-benches` measures the
//! pieces of the path. `cargo test -p selvedge-measure` counts the path's instructions.

pub mod peers;
pub mod report;

//! Benchmarks of the fabric against the limit of the machine.
//!
//! `cargo run --release -p selvedge-benches --bin peers` measures the raw limits, this fabric and
//! its peers in the same interleaved rounds. `cargo bench -p selvedge-benches` measures the
//! pieces: of the path (`--bench path`) and of the market data codec (`--bench codec`).
//! `cargo test -p selvedge-measure` counts the path's instructions.
//!
//! To see what a change does to the pieces, keep what was before it and compare:
//!
//! ```sh
//! cargo bench -p selvedge-benches -- --save-baseline before
//! cargo bench -p selvedge-benches -- --baseline before
//! ```
//!
//! A benchmark that the baseline does not have is an error; `--baseline-lenient` passes over it.

pub mod peers;
pub mod report;

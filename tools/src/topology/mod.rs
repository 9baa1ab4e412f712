//! The topology file: one readable file that says what a fabric is and where its agents run.

mod model;
mod parse;
mod problem;
mod rules;
mod section;
mod units;

pub use model::{AgentPlan, Durability, JournalPlan, Topology};
pub use problem::Problem;
pub use units::parse_duration;

use crate::error::{Result, ToolError};
use std::path::Path;

/// A file as it ships, with every key and its reason.
pub const EXAMPLE: &str = include_str!("../../../tuning/fabric.toml");

/// The longest topology file.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a topology file. The error holds every mistake.
pub fn load(path: &Path) -> Result<Topology> {
    load_with_warnings(path).map(|(topology, _)| topology)
}

/// Reads a topology file, with what is doubtful in it.
pub fn load_with_warnings(path: &Path) -> Result<(Topology, Vec<Problem>)> {
    let text = read(path)?;
    match parse::parse(&text) {
        Ok(found) => Ok(found),
        Err(problems) => Err(ToolError::BadTopology {
            path: path.to_path_buf(),
            problems,
        }),
    }
}

/// The topology that `text` is, if it has no mistake.
#[cfg(test)]
pub fn parse_text(text: &str) -> Option<Topology> {
    parse::parse(text).ok().map(|(topology, _)| topology)
}

/// The mistakes in a topology.
#[cfg(test)]
fn mistakes(text: &str) -> Vec<Problem> {
    match parse::parse(text) {
        Ok((_, problems)) => problems,
        Err(problems) => problems,
    }
}

fn read(path: &Path) -> Result<String> {
    let host = || ToolError::host(format!("read the topology file {}", path.display()));
    if !path.exists() {
        return Err(ToolError::NoTopology(path.to_path_buf()));
    }
    let length = std::fs::metadata(path).map_err(host())?.len();
    if length > MAX_BYTES {
        return Err(host()(std::io::Error::other(format!(
            "it has {length} bytes, at most {MAX_BYTES} are possible: is it the right file?"
        ))));
    }
    std::fs::read_to_string(path).map_err(host())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

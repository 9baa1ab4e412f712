//! What a supervisor leaves in the fabric's directory, so that others find it and its plan.

use crate::error::{Result, ToolError};
use selvedge_fabric::host::process::ProcessIdentity;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const RECORD: &str = "supervisor.json";
const TOPOLOGY: &str = "topology.toml";

/// A supervisor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SupervisorRecord {
    /// Its process.
    pub pid: u32,
    /// When that started, in clock ticks since boot.
    pub start_time: u64,
    /// Whether every agent has started.
    pub ready: bool,
}

impl SupervisorRecord {
    /// This process.
    pub fn current(ready: bool) -> Self {
        let process = ProcessIdentity::current();
        SupervisorRecord {
            pid: process.pid,
            start_time: process.start_time,
            ready,
        }
    }

    /// The record in a fabric's directory.
    pub fn read(root: &Path) -> Option<Self> {
        let text = std::fs::read(root.join(RECORD)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The record of a supervisor that lives.
    pub fn living(root: &Path) -> Option<Self> {
        Self::read(root).filter(|record| record.process().is_alive())
    }

    /// The supervisor's process.
    pub fn process(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.pid,
            start_time: self.start_time,
        }
    }

    /// Writes the record: whole, or not at all.
    pub fn write(&self, root: &Path) -> Result<()> {
        let text =
            serde_json::to_vec(self).map_err(ToolError::json("write the supervisor's record"))?;
        replace(&root.join(RECORD), &text)
    }

    /// Removes the record.
    pub fn remove(root: &Path) {
        let _ = std::fs::remove_file(root.join(RECORD));
    }
}

/// Keeps the topology beside the fabric: tools read patience and budgets from it.
pub fn keep_topology(root: &Path, text: &str) -> Result<()> {
    replace(&root.join(TOPOLOGY), text.as_bytes())
}

/// Where the topology of the fabric in `root` was kept, if it was started by one.
pub fn kept_topology(root: &Path) -> PathBuf {
    root.join(TOPOLOGY)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let unnamed = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&unnamed, bytes)
        .and_then(|()| std::fs::rename(&unnamed, path))
        .map_err(ToolError::host(format!("write {}", path.display())))
}

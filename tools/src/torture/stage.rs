//! The place of a torture: a directory of its own with the fabric, the records and the journal.

use super::role::Role;
use super::words::MappedWords;
use crate::error::{Result, ToolError};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// The fabric's name.
pub const FABRIC: &str = "torture";

/// What everybody is to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u64)]
pub enum Order {
    /// Go on.
    Run = 0,
    /// Producers see that what they sent is sequenced, then leave.
    Finish = 1,
    /// The sequencer ends the stream, everybody leaves.
    End = 2,
}

/// Paths of a torture.
#[derive(Clone, Debug)]
pub struct Stage {
    root: PathBuf,
}

impl Stage {
    /// The torture under `root`.
    pub fn at(root: &Path) -> Self {
        Stage {
            root: root.to_path_buf(),
        }
    }

    /// Makes the directories.
    pub fn create(&self) -> Result<()> {
        for directory in [self.fabrics(), self.records(), self.logs()] {
            std::fs::create_dir_all(&directory)
                .map_err(ToolError::host(format!("create {}", directory.display())))?;
        }
        MappedWords::create(&self.orders(), 1)?;
        Ok(())
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the fabric.
    pub fn fabrics(&self) -> PathBuf {
        self.root.join("fabrics")
    }

    fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    /// What processes say.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The table of lives.
    pub fn lives(&self) -> PathBuf {
        self.records().join("lives")
    }

    /// The table of epochs.
    pub fn epochs(&self) -> PathBuf {
        self.records().join("epochs")
    }

    /// What the reader of `role` was handed.
    pub fn sightings(&self, role: Role) -> PathBuf {
        self.records().join(role.name())
    }

    fn orders(&self) -> PathBuf {
        self.records().join("orders")
    }
}

/// The order in force.
#[derive(Debug)]
pub struct Orders(MappedWords);

impl Orders {
    /// The orders of a stage.
    pub fn open(stage: &Stage) -> Result<Self> {
        Ok(Orders(MappedWords::open(&stage.orders())?))
    }

    /// What is to be done now.
    pub fn now(&self) -> Order {
        match self.0.get(0).map_or(0, |word| word.load(Ordering::Acquire)) {
            0 => Order::Run,
            1 => Order::Finish,
            _ => Order::End,
        }
    }

    /// Gives an order.
    pub fn give(&self, order: Order) {
        if let Some(word) = self.0.get(0) {
            word.store(order as u64, Ordering::Release);
        }
    }
}

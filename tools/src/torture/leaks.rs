//! Files that are left when everything is gone.

use super::stage::Stage;
use selvedge_fabric::Fabric;
use std::path::{Path, PathBuf};

/// Where the fabric's files lie, to be known before it is removed.
#[derive(Clone, Debug)]
pub struct Places {
    fabrics: PathBuf,
    rings: PathBuf,
}

impl Places {
    /// Of this fabric.
    pub fn of(stage: &Stage, fabric: &Fabric) -> Self {
        Places {
            fabrics: stage.fabrics(),
            rings: fabric.ring_directory(),
        }
    }

    /// What is left in them.
    pub fn left(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        files_under(&self.fabrics, &mut left);
        if !self.rings.starts_with(&self.fabrics) {
            if self.rings.exists() {
                left.push(self.rings.clone());
            }
            files_under(&self.rings, &mut left);
        }
        left
    }
}

fn files_under(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files_under(&entry.path(), found);
        }
    }
}

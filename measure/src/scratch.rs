//! The directory of one measurement, and what earlier ones left behind.

use crate::error::{MeasureError, Result};
use selvedge_fabric::memory::{PageKind, Pages, find_hugepage_mount};
use selvedge_fabric::{Fabric, FabricConfig};
use std::path::{Path, PathBuf};

const PREFIX: &str = "selvedge-measure-";

/// The name of the fabric that is measured.
pub const FABRIC_NAME: &str = "measured";

/// Hugepages that the largest measurement takes.
const HUGEPAGES_NEEDED: u64 = 224;

/// A directory in shared memory, gone when dropped, with the fabric in it.
#[derive(Debug)]
pub struct Scratch {
    directory: Option<tempfile::TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// A new directory. Removes those of measurements that were killed.
    pub fn new() -> Result<Self> {
        let base = base();
        sweep(&base);
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(&base)
            .map_err(|error| MeasureError::io("make a directory for measuring", error))?;
        let path = directory.path().to_path_buf();
        Ok(Scratch {
            directory: Some(directory),
            path,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the fabric to be measured, with the shipped defaults but for what `change` changes.
    pub fn fabric(&self, change: impl FnOnce(&mut FabricConfig)) -> Result<Fabric> {
        let mut config = FabricConfig::new(FABRIC_NAME).in_directory(&self.path);
        config.pages = pages().0;
        change(&mut config);
        Ok(Fabric::create(&config)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Rings on hugetlbfs lie elsewhere: the fabric knows where.
        let _ = Fabric::remove_in(&self.path, FABRIC_NAME, true);
        drop(self.directory.take());
    }
}

/// Attaches to the fabric that is measured in `directory`.
pub fn attach(directory: &Path) -> Result<Fabric> {
    Ok(Fabric::attach_in(directory, FABRIC_NAME)?)
}

/// The pages to measure in: huge ones where there are enough, and what to tell about it.
pub fn pages() -> (Pages, String) {
    match find_hugepage_mount(PageKind::Huge2MiB) {
        Ok(mount) => {
            let free =
                std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
                    .ok()
                    .and_then(|text| text.trim().parse::<u64>().ok())
                    .unwrap_or(0);
            if free >= HUGEPAGES_NEEDED {
                (
                    Pages::Prefer2MiB,
                    format!("2 MiB pages ({})", mount.path.display()),
                )
            } else {
                (
                    Pages::Small,
                    format!(
                        "small pages ({free} hugepages are free, {HUGEPAGES_NEEDED} are needed)"
                    ),
                )
            }
        }
        Err((reason, remedy)) => (
            Pages::Small,
            format!("small pages ({reason}; to get hugepages: {remedy})"),
        ),
    }
}

fn base() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        shared.to_path_buf()
    } else {
        std::env::temp_dir()
    }
}

fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if let Some(pid) = process
            && !Path::new(&format!("/proc/{pid}")).exists()
        {
            let _ = Fabric::remove_in(&entry.path(), FABRIC_NAME, true);
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_measurement_left_is_removed_and_what_lives_stays() {
        let scratch = Scratch::new().expect("a directory");
        // No process has this number: it is above the kernel's limit.
        let dead = base().join(format!("{PREFIX}4294967295-x"));
        std::fs::create_dir_all(&dead).expect("a directory");
        sweep(&base());
        assert!(scratch.path().exists() && !dead.exists());
        let path = scratch.path().to_path_buf();
        drop(scratch);
        assert!(!path.exists());
    }
}

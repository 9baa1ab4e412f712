//! A mapped file.

use super::guard::Guard;
use crate::error::{FabricError, Result};
use crate::protocol::{AtomicU64, Words};
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What this process may do with a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read only: the operating system enforces it.
    Read,
    /// Read and write.
    Write,
}

// The guard is given up before the range is unmapped: fields are dropped in the order of their
// declaration, after `drop`.
impl Drop for Mapping {
    fn drop(&mut self) {
        self.guard = None;
    }
}

/// A whole file, mapped shared, prefaulted, kept out of forked children.
#[derive(Debug)]
pub struct Mapping {
    raw: MmapRaw,
    path: PathBuf,
    locked: bool,
    owner: u32,
    guard: Option<Guard>,
}

impl Mapping {
    /// Opens and maps the file at `path`.
    pub fn open(path: &Path, access: Access) -> Result<Arc<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::Write)
            .open(path)
            .map_err(|error| FabricError::io("open", path, error))?;
        Self::of_file(&file, path, access)
    }

    /// Maps `file`, which was opened from `path`.
    pub fn of_file(file: &File, path: &Path, access: Access) -> Result<Arc<Self>> {
        let mut options = MmapOptions::new();
        options.populate();
        let raw = match access {
            Access::Read => options.map_raw_read_only(file),
            Access::Write => options.map_raw(file),
        }
        .map_err(|error| FabricError::io("map", path, error))?;
        // Neither is needed for correctness; a kernel without them leaves the default.
        let _ = raw.advise(Advice::DontFork);
        let locked = raw.lock().is_ok();
        let owner = file
            .metadata()
            .map_err(|error| FabricError::io("inspect", path, error))?
            .uid();
        Ok(Arc::new(Mapping {
            raw,
            path: path.to_path_buf(),
            locked,
            owner,
            guard: None,
        }))
    }

    /// Opens and maps a file for reading that somebody else may cut short at any time: then it
    /// reads as zeros, and [`Mapping::is_broken`].
    pub fn open_untrusted(path: &Path) -> Result<Arc<Self>> {
        let mut mapping = Self::open(path, Access::Read)?;
        if let Some(unique) = Arc::get_mut(&mut mapping) {
            let start = unique.raw.as_ptr() as usize;
            unique.guard = Some(Guard::new(start, unique.raw.len())?);
        }
        Ok(mapping)
    }

    /// Whether an untrusted file was cut short under this mapping.
    pub fn is_broken(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::is_broken)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user who owned the file when it was mapped.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the pages are locked into memory. They are not where `RLIMIT_MEMLOCK` is too low;
    /// everything works then, but the host may page them out.
    pub fn locked(&self) -> bool {
        self.locked
    }

    /// The words of `bytes` bytes from `offset` on, or an error where the file is too short.
    pub fn words(self: &Arc<Self>, offset: usize, bytes: usize) -> Result<Words> {
        let end = offset.checked_add(bytes);
        if end.is_none_or(|end| end > self.len())
            || !offset.is_multiple_of(8)
            || !bytes.is_multiple_of(8)
        {
            return Err(FabricError::Damaged {
                path: self.path.clone(),
                what: "shared-memory file",
                detail: format!(
                    "{bytes} bytes at {offset} are needed but it has {}",
                    self.len()
                ),
            });
        }
        let first = self.raw.as_ptr().wrapping_add(offset) as *const AtomicU64;
        // SAFETY: a mapping begins on a page, so with an offset divisible by 8 the pointer is
        // aligned; the range was checked to lie inside; the mapping lives as long as the words
        // own it. Atomics allow for the other processes that map the file.
        Ok(unsafe { Words::from_raw(first, bytes / 8, self.clone()) })
    }
}

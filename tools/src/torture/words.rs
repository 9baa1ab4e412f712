//! A file of 64-bit words, mapped shared: what a process wrote into it is there after its death,
//! each word whole.

use crate::error::{Result, ToolError};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// See the module.
#[derive(Debug)]
pub struct MappedWords {
    map: MmapRaw,
}

impl MappedWords {
    /// Creates a sparse file of `count` words, all zero.
    pub fn create(path: &Path, count: usize) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|file| file.set_len(count as u64 * 8).map(|()| file))
            .map_err(ToolError::host(format!("create {}", path.display())))?;
        Self::of(&file, path)
    }

    /// Maps the file that is there.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(ToolError::host(format!("open {}", path.display())))?;
        Self::of(&file, path)
    }

    fn of(file: &File, path: &Path) -> Result<Self> {
        let map = MmapOptions::new()
            .map_raw(file)
            .map_err(ToolError::host(format!("map {}", path.display())))?;
        Ok(MappedWords { map })
    }

    /// Words in the file.
    pub fn count(&self) -> usize {
        self.map.len() / 8
    }

    /// Word `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.count() {
            return None;
        }
        // SAFETY: a mapping begins on a page, so every eighth byte is aligned for a word; the
        // index was checked; whoever maps the file uses it through atomics only, and the mapping
        // lives as long as the reference.
        Some(unsafe { &*self.map.as_ptr().add(index * 8).cast::<AtomicU64>() })
    }
}

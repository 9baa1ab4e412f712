//! Where segments lie: a directory of the host, or a simulated disk with faults for tests.
//!
//! The seam is small on purpose: positioned reads and writes, sync, and the few directory
//! operations that a journal needs. Everything above it is the same for both.

mod directory;
mod memory;

pub use directory::DirectoryStorage;
pub use memory::{Faults, MemoryStorage};

use std::any::Any;
use std::fmt::Debug;
use std::io;

/// A directory of segment files.
pub trait Storage: Send + Sync + Debug {
    /// Text that names the directory in messages.
    fn describe(&self) -> String;

    /// The names of all files in it, in any order.
    ///
    /// # Errors
    /// What the host says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates a file of `bytes` zero bytes, reserved on disk, for reading and writing. A file of
    /// that name is replaced.
    ///
    /// # Errors
    /// `StorageFull` when there is no room for it, else what the host says.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file for reading, and for writing too if `write`.
    ///
    /// # Errors
    /// What the host says.
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn StorageFile>>;

    /// Gives a file another name, atomically; durable after [`Self::sync_directory`].
    ///
    /// # Errors
    /// What the host says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the host says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// What the host says.
    fn sync_directory(&self) -> io::Result<()>;

    /// Bytes that can still be taken for files; `None` where that is not known.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// What a person should know about how files are written here, once files were; `None` when
    /// there is nothing.
    fn note(&self) -> Option<String> {
        None
    }

    /// Whether a writer may be at work here.
    fn has_writer(&self) -> bool {
        true
    }

    /// Takes the right to write, until the value is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when another writer has it, else what the host says.
    fn lock(&self) -> io::Result<Box<dyn Any + Send>>;
}

/// An open segment file.
pub trait StorageFile: Send + Sync + Debug {
    /// Bytes in the file.
    ///
    /// # Errors
    /// What the host says.
    fn size(&self) -> io::Result<u64>;

    /// Reads at `offset`; returns how many bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// What the host says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Says that these bytes will soon be read: a hint.
    fn will_need(&self, _offset: u64, _bytes: usize) {}

    /// Writes at `offset`; returns how many bytes, which may be fewer than given.
    ///
    /// # Errors
    /// What the host says.
    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file to `bytes`, or extends it with zeros, reserved on disk.
    ///
    /// # Errors
    /// `StorageFull` when there is no room for it, else what the host says.
    fn resize(&self, bytes: u64) -> io::Result<()>;

    /// Returns when everything written is durable, the size of the file included.
    ///
    /// # Errors
    /// What the host says. What was written since the last success may then be lost, even if a
    /// later call succeeds.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `from` at `offset`, however short the single writes are.
pub(crate) fn write_all(
    file: &dyn StorageFile,
    mut from: &[u8],
    mut offset: u64,
) -> io::Result<()> {
    while !from.is_empty() {
        match file.write_at(from, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                from = from.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `into` is full or the file ends; returns how many bytes.
pub(crate) fn read_full(file: &dyn StorageFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

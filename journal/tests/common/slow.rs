//! A disk in memory that takes its time for every write.

use selvedge_journal::storage::{MemoryStorage, Storage, StorageFile};
use std::any::Any;
use std::io;
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub struct Slow {
    pub disk: MemoryStorage,
    pub write_takes: Duration,
}

#[derive(Debug)]
struct SlowFile(Box<dyn StorageFile>, Duration);

impl Storage for Slow {
    fn describe(&self) -> String {
        self.disk.describe()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.create(name, bytes)?;
        Ok(Box::new(SlowFile(file, self.write_takes)))
    }
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.open(name, write)?;
        Ok(Box::new(SlowFile(file, self.write_takes)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        self.disk.lock()
    }
}

impl StorageFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }
    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        std::thread::sleep(self.1);
        self.0.write_at(from, offset)
    }
    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.0.resize(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

//! A simulated disk: short writes, a full disk, errors, and the loss of what was not synced.

use super::{Storage, StorageFile};
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a crash keeps or loses as one.
const SECTOR: usize = 512;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What the simulated disk does wrong. All off by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The most bytes that a single write takes.
    pub longest_write: Option<usize>,
    /// Bytes that can still be reserved or written before the disk is full (`ENOSPC`).
    pub space_left: Option<u64>,
    /// Writes that still succeed before each fails with `EIO`.
    pub writes_left: Option<u64>,
    /// Syncs that still succeed before each fails with `EIO`. One that fails forgets what it was to
    /// make durable, as Linux does: it can be read, and no later sync puts it on the disk.
    pub syncs_left: Option<u64>,
    /// Every sync waits until this is unset: a disk that has stalled.
    pub stalled: bool,
}

/// A directory in memory that behaves like one on a disk, faults included. Clones are the same
/// directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    names: BTreeMap<String, Arc<Mutex<Content>>>,
    durable_names: BTreeMap<String, Arc<Mutex<Content>>>,
    faults: Faults,
    locked: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    data: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, usize)>,
    /// The least size since the last sync: what was behind it is zeros.
    cut_to: usize,
}

impl Content {
    /// Makes durable what was written and cut since the last time.
    fn sync(&mut self) {
        self.durable.truncate(self.cut_to);
        self.durable.resize(self.data.len(), 0);
        for (start, end) in self.unsynced.drain(..) {
            let end = end.min(self.data.len());
            if let (Some(to), Some(from)) =
                (self.durable.get_mut(start..end), self.data.get(start..end))
            {
                to.copy_from_slice(from);
            }
        }
        self.cut_to = self.data.len();
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStorage {
    /// An empty directory without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        guard(&self.disk).faults = faults;
    }

    /// The content of a file; `None` when there is none of that name.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let disk = guard(&self.disk);
        disk.names.get(name).map(|file| guard(file).data.clone())
    }

    /// Puts a file there, durably.
    pub fn put(&self, name: &str, data: &[u8]) {
        let file = Arc::new(Mutex::new(Content {
            data: data.to_vec(),
            durable: data.to_vec(),
            unsynced: Vec::new(),
            cut_to: data.len(),
        }));
        let mut disk = guard(&self.disk);
        disk.names.insert(name.to_owned(), Arc::clone(&file));
        disk.durable_names.insert(name.to_owned(), file);
    }

    /// Changes the bytes of a file in place, durably; returns false when there is none.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(mut data) = self.content(name) else {
            return false;
        };
        change(&mut data);
        self.put(name, &data);
        true
    }

    /// A disk of its own with the same files and no faults, nobody writing.
    pub fn copy(&self) -> MemoryStorage {
        let copy = MemoryStorage::new();
        for (name, file) in &guard(&self.disk).names {
            copy.put(name, &guard(file).data);
        }
        copy
    }

    /// What a host finds after the power failed now: what was synced, and of everything else
    /// each sector, length and directory change either or not, by `seed`.
    pub fn after_power_loss(&self, seed: u64) -> MemoryStorage {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut coin = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 63 == 1
        };
        let disk = guard(&self.disk);
        let names = if coin() {
            &disk.names
        } else {
            &disk.durable_names
        };
        let found = MemoryStorage::new();
        for (name, file) in names {
            let file = guard(file);
            let mut data = file.durable.clone();
            if coin() {
                data.resize(file.data.len(), 0);
            }
            for &(start, end) in &file.unsynced {
                let mut at = start;
                while at < end {
                    let next = ((at / SECTOR + 1) * SECTOR).min(end);
                    if coin()
                        && let (Some(to), Some(from)) =
                            (data.get_mut(at..next), file.data.get(at..next))
                    {
                        to.copy_from_slice(from);
                    }
                    at = next;
                }
            }
            found.put(name, &data);
        }
        found
    }
}

impl Disk {
    /// Takes `bytes` of the space that is left.
    fn take_space(&mut self, bytes: u64) -> io::Result<()> {
        if let Some(left) = &mut self.faults.space_left {
            if *left < bytes {
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
            *left -= bytes;
        }
        Ok(())
    }

    fn file(&self, name: &str) -> io::Result<Arc<Mutex<Content>>> {
        self.names
            .get(name)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Counts one use of a fault's allowance down; an error when it is used up.
fn count_down(left: &mut Option<u64>) -> io::Result<()> {
    match left {
        Some(0) => Err(io::Error::from_raw_os_error(EIO)),
        Some(left) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

impl Storage for MemoryStorage {
    fn describe(&self) -> String {
        "the simulated disk".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(guard(&self.disk).names.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn StorageFile>> {
        let mut disk = guard(&self.disk);
        disk.take_space(bytes)?;
        let file = Arc::new(Mutex::new(Content {
            data: vec![0; bytes as usize],
            ..Content::default()
        }));
        disk.names.insert(name.to_owned(), Arc::clone(&file));
        Ok(Box::new(MemoryFile {
            disk: Arc::clone(&self.disk),
            file,
        }))
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Box<dyn StorageFile>> {
        let file = guard(&self.disk).file(name)?;
        Ok(Box::new(MemoryFile {
            disk: Arc::clone(&self.disk),
            file,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = guard(&self.disk);
        let file = disk.file(from)?;
        disk.names.remove(from);
        disk.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = guard(&self.disk);
        disk.file(name)?;
        disk.names.remove(name);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = guard(&self.disk);
        count_down(&mut disk.faults.syncs_left)?;
        disk.durable_names = disk.names.clone();
        Ok(())
    }

    fn has_writer(&self) -> bool {
        guard(&self.disk).locked.load(Ordering::Acquire)
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        let locked = Arc::clone(&guard(&self.disk).locked);
        if locked.swap(true, Ordering::AcqRel) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Unlock(locked)))
    }
}

struct Unlock(Arc<AtomicBool>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    file: Arc<Mutex<Content>>,
}

impl StorageFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(guard(&self.file).data.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = guard(&self.file);
        let from = file.data.get(offset as usize..).unwrap_or_default();
        let count = into.len().min(from.len());
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        let mut disk = guard(&self.disk);
        count_down(&mut disk.faults.writes_left)?;
        let count = from
            .len()
            .min(disk.faults.longest_write.unwrap_or(usize::MAX));
        let mut file = guard(&self.file);
        let start = offset as usize;
        // Like a real disk: what lies in reserved space always fits, what is beyond may not.
        let mut end = start + count;
        if end > file.data.len() {
            let beyond = (end - file.data.len()) as u64;
            let fits = disk
                .faults
                .space_left
                .map_or(beyond, |left| left.min(beyond));
            if fits < beyond {
                end -= (beyond - fits) as usize;
            }
            if end <= start {
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
            disk.take_space(fits)?;
            let size = file.data.len().max(end);
            file.data.resize(size, 0);
        }
        let count = end - start;
        file.data[start..end].copy_from_slice(&from[..count]);
        file.unsynced.push((start, end));
        Ok(count)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let mut disk = guard(&self.disk);
        let mut file = guard(&self.file);
        disk.take_space(bytes.saturating_sub(file.data.len() as u64))?;
        file.data.resize(bytes as usize, 0);
        file.cut_to = file.cut_to.min(bytes as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        while guard(&self.disk).faults.stalled {
            std::thread::yield_now();
        }
        let allowed = count_down(&mut guard(&self.disk).faults.syncs_left);
        let mut file = guard(&self.file);
        match &allowed {
            Ok(()) => file.sync(),
            Err(_) => file.unsynced.clear(),
        }
        allowed
    }
}

//! A directory of the host's filesystem.

use super::{Storage, StorageFile};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, PosixFadviseAdvice, fallocate, posix_fadvise};
use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const LOCK_FILE: &str = "writer.lock";

/// How often the lock is tried again: a reader that looks whether somebody writes has it for an
/// instant.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// What memory, lengths and places must be multiples of to bypass the page cache: the largest
/// block of any disk in use.
const DIRECT_ALIGNMENT: usize = 4096;

/// A directory of the host's filesystem.
#[derive(Clone, Debug)]
pub struct DirectoryStorage {
    path: PathBuf,
    /// Set once a file could not be written past the page cache.
    buffered: Arc<AtomicBool>,
}

impl DirectoryStorage {
    /// The directory at `path`, which must exist by the time it is used.
    pub fn new(path: &Path) -> Self {
        DirectoryStorage {
            path: path.to_owned(),
            buffered: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The directory at `path`, created with its parents if it is not there.
    ///
    /// # Errors
    /// What the host says.
    pub fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self::new(path))
    }

    /// The file for writing past the page cache (`O_DIRECT`): large writes then go to the disk
    /// once, and take no memory from anybody. `None` where the file system cannot.
    fn direct(&self, name: &str) -> Option<File> {
        if self.buffered.load(Ordering::Relaxed) {
            return None;
        }
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(nix::fcntl::OFlag::O_DIRECT.bits())
            .open(self.path.join(name));
        if opened.is_err() {
            self.buffered.store(true, Ordering::Relaxed);
        }
        opened.ok()
    }

    fn file(&self, file: File, direct: Option<File>) -> Box<dyn StorageFile> {
        Box::new(DirectoryFile {
            file,
            direct,
            buffered: Arc::clone(&self.buffered),
        })
    }
}

impl Storage for DirectoryStorage {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(self.path.join(name))?;
        reserve(&file, bytes)?;
        Ok(self.file(file, self.direct(name)))
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(self.path.join(name))?;
        let direct = write.then(|| self.direct(name)).flatten();
        Ok(self.file(file, direct))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn free_bytes(&self) -> Option<u64> {
        let found = nix::sys::statvfs::statvfs(&self.path).ok()?;
        // The types differ between systems.
        #[allow(clippy::unnecessary_cast)]
        Some((found.blocks_available() as u64).saturating_mul(found.fragment_size() as u64))
    }

    fn note(&self) -> Option<String> {
        self.buffered.load(Ordering::Relaxed).then(|| {
            format!(
                "the file system of {} does not take O_DIRECT: the journal is written through the page cache",
                self.path.display()
            )
        })
    }

    fn has_writer(&self) -> bool {
        match File::open(self.path.join(LOCK_FILE)) {
            // Held for an instant only; `lock` waits for that long.
            Ok(file) => Flock::lock(file, FlockArg::LockSharedNonblock).is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.join(LOCK_FILE))?;
        let mut tries = LOCK_TRIES;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Box::new(lock)),
                Err((back, Errno::EWOULDBLOCK)) if tries > 0 => {
                    tries -= 1;
                    file = back;
                    thread::sleep(LOCK_PAUSE);
                }
                Err((_, Errno::EWOULDBLOCK)) => return Err(io::ErrorKind::WouldBlock.into()),
                Err((_, errno)) => return Err(errno.into()),
            }
        }
    }
}

#[derive(Debug)]
struct DirectoryFile {
    file: File,
    direct: Option<File>,
    buffered: Arc<AtomicBool>,
}

impl StorageFile for DirectoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn will_need(&self, offset: u64, bytes: usize) {
        let advice = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
        // A hint: where it is not taken, the read waits for the disk.
        let _ = posix_fadvise(&self.file, offset as i64, bytes as i64, advice);
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        let aligned = from.as_ptr().addr().is_multiple_of(DIRECT_ALIGNMENT)
            && from.len().is_multiple_of(DIRECT_ALIGNMENT)
            && offset.is_multiple_of(DIRECT_ALIGNMENT as u64);
        if let Some(direct) = &self.direct
            && aligned
            && !self.buffered.load(Ordering::Relaxed)
        {
            match direct.write_at(from, offset) {
                // It opened so, but does not write so: through the page cache from here on.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.buffered.store(true, Ordering::Relaxed);
                }
                written => return written,
            }
        }
        self.file.write_at(from, offset)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let size = self.size()?;
        if bytes < size {
            self.file.set_len(bytes)
        } else {
            reserve(&self.file, bytes)
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Extends the file to `bytes` with blocks of the disk behind them, so that a full disk is an
/// error now and not in the middle of a segment.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if length == 0 {
        return Ok(());
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            // A filesystem that cannot reserve: writes may then meet a full disk.
            Err(Errno::EOPNOTSUPP) => return file.set_len(bytes),
            Err(errno) => return Err(errno.into()),
        }
    }
}

//! The lock that serialises attaching under a name: held for a few file operations, freed by the
//! kernel when its holder dies.

use crate::error::{FabricError, Result};
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

/// Held while it lives.
pub(crate) struct AttachLock {
    _file: File,
}

/// Longest wait for the lock: nobody holds it for more than a few milliseconds.
const LIMIT: Duration = Duration::from_secs(2);

impl AttachLock {
    /// Takes the lock. An open-file-description lock (fcntl(2)) needs a writable descriptor, so a
    /// process that may only read the fabric cannot hold it.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| FabricError::io("open", path, error))?;
        let whole_file = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        let started = Instant::now();
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file)) {
                Ok(_) => return Ok(AttachLock { _file: file }),
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES)
                    if started.elapsed() < LIMIT =>
                {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(error) => return Err(FabricError::io("lock", path, error)),
            }
        }
    }
}

//! Claiming a file for as long as this process lives, so that no second process writes it.
//!
//! An open-file-description lock (fcntl(2)): the kernel frees it when its holder dies, a frozen
//! holder keeps it, and a process that may only read the file cannot take it. It never decides
//! who is the sequencer; it only keeps two from writing the same bank.

use crate::error::{FabricError, Result};
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{File, OpenOptions};
use std::path::Path;

/// A claimed file. Dropping it gives the claim up.
#[derive(Debug)]
pub struct FileClaim {
    _file: File,
}

impl FileClaim {
    /// Claims the file at `path`; `None` while somebody else has it.
    pub fn acquire(path: &Path) -> Result<Option<Self>> {
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
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file)) {
            Ok(_) => Ok(Some(FileClaim { _file: file })),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(None),
            Err(error) => Err(FabricError::io("claim", path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_claimed_once_until_it_is_given_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("claimed");
        std::fs::write(&path, []).expect("a file");
        let first = FileClaim::acquire(&path).expect("no error");
        assert!(first.is_some());
        assert!(FileClaim::acquire(&path).expect("no error").is_none());
        drop(first);
        assert!(FileClaim::acquire(&path).expect("no error").is_some());
    }
}

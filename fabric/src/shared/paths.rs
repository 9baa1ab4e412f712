//! Where a fabric's files lie.

use std::path::{Path, PathBuf};

/// The directory that holds all fabrics: `SELVEDGE_DIR`, by default `/dev/shm/selvedge`.
pub fn base_directory() -> PathBuf {
    std::env::var_os("SELVEDGE_DIR")
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from("/dev/shm/selvedge"), PathBuf::from)
}

/// The files of one fabric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FabricPaths {
    root: PathBuf,
}

impl FabricPaths {
    /// The files of the fabric whose directory is `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        FabricPaths { root: root.into() }
    }

    /// The fabric's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The control file.
    pub fn control(&self) -> PathBuf {
        self.root.join("control")
    }

    /// The epoch word.
    pub fn epoch(&self) -> PathBuf {
        self.root.join("epoch")
    }

    /// The lock that serialises attaching.
    pub fn attach_lock(&self) -> PathBuf {
        self.root.join("attach.lock")
    }

    /// The directory of the banks' state files.
    pub fn banks(&self) -> PathBuf {
        self.root.join("banks")
    }

    /// The state of bank `bank`.
    pub fn bank_state(&self, bank: usize) -> PathBuf {
        self.banks().join(format!("{bank}.state"))
    }

    /// The directory of the sources' registrations.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// The registration of source `name`'s incarnation `nonce`.
    ///
    /// Each incarnation has a file name of its own, so that whoever removes a file by name, however
    /// late, can never remove another incarnation's.
    pub fn source(&self, name: &str, nonce: u64) -> PathBuf {
        self.sources().join(format!("{name}.{nonce:016x}"))
    }

    /// The directory of the consumers' cursors.
    pub fn consumers(&self) -> PathBuf {
        self.root.join("consumers")
    }

    /// The cursor of consumer `name`.
    pub fn consumer(&self, name: &str) -> PathBuf {
        self.consumers().join(name)
    }

    /// Where ring files lie unless they are on hugetlbfs.
    pub fn default_rings(&self) -> PathBuf {
        self.root.join("rings")
    }
}

/// Name and nonce in the file name of a registration.
pub fn split_source_file(file_name: &str) -> Option<(&str, u64)> {
    let (name, nonce) = file_name.rsplit_once('.')?;
    if nonce.len() != 16 || name.is_empty() {
        return None;
    }
    Some((name, u64::from_str_radix(nonce, 16).ok()?))
}

/// The ring of bank `bank` in the ring directory.
pub fn bank_ring(rings: &Path, bank: usize) -> PathBuf {
    rings.join(format!("bank-{bank}.ring"))
}

/// The ingress ring of source `name`'s incarnation `nonce` in the ring directory.
pub fn source_ring(rings: &Path, name: &str, nonce: u64) -> PathBuf {
    rings.join(format!("source-{name}.{nonce:016x}.ring"))
}

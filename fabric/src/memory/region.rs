//! A file of shared memory whose space is reserved before anybody maps it.

use super::hugepages::{find_hugepage_mount, reserve_command};
use super::numa::NodeBinding;
use crate::error::{FabricError, Result};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A size of page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageKind {
    /// Pages of 4 KiB.
    Small,
    /// Pages of 2 MiB.
    Huge2MiB,
    /// Pages of 1 GiB.
    Huge1GiB,
}

impl PageKind {
    /// The page's size.
    pub const fn bytes(self) -> u64 {
        match self {
            PageKind::Small => 4096,
            PageKind::Huge2MiB => 2 << 20,
            PageKind::Huge1GiB => 1 << 30,
        }
    }

    pub(super) const fn mount_option(self) -> &'static str {
        match self {
            PageKind::Small => "4K",
            PageKind::Huge2MiB => "2M",
            PageKind::Huge1GiB => "1G",
        }
    }
}

impl fmt::Display for PageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            PageKind::Small => "4KiB",
            PageKind::Huge2MiB => "2MiB",
            PageKind::Huge1GiB => "1GiB",
        })
    }
}

/// Which pages rings are to lie in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pages {
    /// 2 MiB pages where there are any, else small ones, with a note.
    #[default]
    Prefer2MiB,
    /// 1 GiB pages where there are any, else small ones, with a note.
    Prefer1GiB,
    /// 2 MiB pages or an error.
    Require2MiB,
    /// 1 GiB pages or an error.
    Require1GiB,
    /// Small pages.
    Small,
}

impl Pages {
    fn kind(self) -> PageKind {
        match self {
            Pages::Prefer2MiB | Pages::Require2MiB => PageKind::Huge2MiB,
            Pages::Prefer1GiB | Pages::Require1GiB => PageKind::Huge1GiB,
            Pages::Small => PageKind::Small,
        }
    }

    fn required(self) -> bool {
        matches!(self, Pages::Require2MiB | Pages::Require1GiB)
    }

    /// Decides where ring files go: a directory on hugetlbfs named by `leaf`, or `fallback`.
    pub fn place(self, leaf: &str, fallback: &Path) -> Result<(PathBuf, MemoryReport)> {
        let kind = self.kind();
        let mut report = MemoryReport {
            pages: PageKind::Small,
            notes: Vec::new(),
        };
        if kind != PageKind::Small {
            let placed = find_hugepage_mount(kind).and_then(|mount| {
                let directory = mount.path.join("selvedge").join(leaf);
                match std::fs::create_dir_all(&directory) {
                    Ok(()) => Ok(directory),
                    Err(error) => Err((
                        format!("{} cannot be written: {error}", mount.path.display()),
                        format!(
                            "mkdir {0}/selvedge && chown <user> {0}/selvedge (as root)",
                            mount.path.display()
                        ),
                    )),
                }
            });
            match placed {
                Ok(directory) => {
                    report.pages = kind;
                    return Ok((directory, report));
                }
                Err((reason, remedy)) if self.required() => {
                    return Err(FabricError::NoHugepages { reason, remedy });
                }
                Err((reason, remedy)) => report
                    .notes
                    .push(format!("no hugepages: {reason}; to get them: {remedy}")),
            }
        }
        std::fs::create_dir_all(fallback)
            .map_err(|error| FabricError::io("create directory", fallback, error))?;
        Ok((fallback.to_path_buf(), report))
    }
}

/// What memory a fabric got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryReport {
    /// The pages of its rings.
    pub pages: PageKind,
    /// What was not got, and how to get it.
    pub notes: Vec<String>,
}

/// How a region is to be made.
#[derive(Clone, Copy, Debug)]
pub struct RegionOptions {
    /// The pages of the file system it lies on.
    pub pages: PageKind,
    /// The NUMA node its memory comes from.
    pub numa_node: Option<u32>,
}

/// `bytes` rounded up to whole pages.
pub const fn round_up(bytes: u64, pages: PageKind) -> u64 {
    bytes.next_multiple_of(pages.bytes())
}

/// Creates a new file of `bytes` (rounded up to whole pages), its space reserved, all zero.
///
/// Reserving here is what turns a lack of memory into this error rather than into a SIGBUS at
/// the first touch.
pub fn create_region(path: &Path, bytes: u64, options: RegionOptions) -> Result<File> {
    let bytes = round_up(bytes, options.pages);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .map_err(|error| FabricError::io("create", path, error))?;
    let binding = options.numa_node.map(NodeBinding::to).transpose()?;
    let reserved = nix::fcntl::fallocate(
        &file,
        nix::fcntl::FallocateFlags::empty(),
        0,
        bytes as libc::off_t,
    );
    drop(binding);
    if let Err(error) = reserved {
        let _ = std::fs::remove_file(path);
        return Err(match error {
            nix::errno::Errno::ENOSPC | nix::errno::Errno::ENOMEM => FabricError::NotEnoughMemory {
                path: path.to_path_buf(),
                bytes,
                remedy: match options.pages {
                    PageKind::Small => format!(
                        "free or enlarge the file system (mount -o remount,size=… {}), or use smaller rings",
                        path.parent().unwrap_or(path).display()
                    ),
                    kind => format!(
                        "reserve more hugepages ({}), use smaller rings, or create the fabric with small pages",
                        reserve_command(kind, bytes.div_ceil(kind.bytes()) + 32)
                    ),
                },
            },
            other => FabricError::io("reserve space for", path, other),
        });
    }
    Ok(file)
}

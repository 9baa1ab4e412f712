//! The raw limit: sequential writes to a preallocated file, synced at the end.

use crate::error::{Result, ToolError};
use std::alloc::{Layout, alloc, dealloc};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How raw writes are made.
#[derive(Clone, Copy, Debug)]
pub struct RawWrite {
    /// Bytes of a write.
    pub block_bytes: usize,
    /// Writes at once.
    pub depth: usize,
    /// Past the page cache.
    pub direct: bool,
    /// From huge pages, as the journal writes where the host has them.
    pub huge_pages: bool,
}

/// Memory that direct writes take.
struct Aligned {
    start: *mut u8,
    layout: Layout,
}

impl Aligned {
    fn new(bytes: usize, huge_pages: bool) -> Option<Self> {
        let alignment = if huge_pages { 2 << 20 } else { 4096 };
        let bytes = bytes.max(4096).next_multiple_of(alignment);
        let layout = Layout::from_size_align(bytes, alignment).ok()?;
        // SAFETY: the size is not zero.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            return None;
        }
        if huge_pages {
            // SAFETY: the range was just allocated; advice changes nothing that is read there.
            // Where it is refused the pages are small.
            let _ = unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        // SAFETY: allocated with this size.
        unsafe { start.write_bytes(7, bytes) };
        Some(Aligned { start, layout })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: allocated with this layout, filled, owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.layout.size()) }
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start, self.layout) }
    }
}

impl RawWrite {
    /// The way that is fastest here, by trying.
    pub fn best(directory: &Path, bytes: u64) -> Result<Self> {
        let mut best = (0.0, None);
        for (direct, huge_pages) in [(true, true), (true, false), (false, false)] {
            for block_bytes in [512 << 10, 1 << 20, 4 << 20] {
                for depth in [1, 2, 4] {
                    let way = RawWrite {
                        block_bytes,
                        depth,
                        direct,
                        huge_pages,
                    };
                    match way.bytes_per_second(directory, bytes) {
                        Ok(rate) if rate > best.0 => best = (rate, Some(way)),
                        Ok(_) => {}
                        // A file system without O_DIRECT.
                        Err(_) if direct => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        best.1.ok_or_else(|| {
            ToolError::host("write to the directory")(std::io::ErrorKind::Unsupported.into())
        })
    }

    /// Writes about `bytes` bytes; how many a second, the final sync included.
    pub fn bytes_per_second(&self, directory: &Path, bytes: u64) -> Result<f64> {
        let path = directory.join("raw");
        let written = self.write(&path, bytes);
        let _ = std::fs::remove_file(&path);
        written.map_err(ToolError::host(format!("write {}", path.display())))
    }

    fn write(&self, path: &Path, bytes: u64) -> std::io::Result<f64> {
        let file = File::create(path)?;
        let blocks = bytes / self.block_bytes as u64;
        nix::fcntl::fallocate(
            &file,
            nix::fcntl::FallocateFlags::empty(),
            0,
            (blocks * self.block_bytes as u64) as i64,
        )?;
        file.sync_all()?;
        let mut options = OpenOptions::new();
        options.write(true);
        if self.direct {
            options.custom_flags(nix::fcntl::OFlag::O_DIRECT.bits());
        }
        let file = options.open(path)?;
        let next = AtomicU64::new(0);
        let started = Instant::now();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.depth)
                .map(|_| {
                    scope.spawn(|| -> std::io::Result<()> {
                        let memory = Aligned::new(self.block_bytes, self.huge_pages)
                            .ok_or(std::io::ErrorKind::OutOfMemory)?;
                        loop {
                            let block = next.fetch_add(1, Ordering::Relaxed);
                            if block >= blocks {
                                return Ok(());
                            }
                            let bytes = memory.bytes().get(..self.block_bytes).unwrap_or_default();
                            file.write_all_at(bytes, block * self.block_bytes as u64)?;
                        }
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(std::io::Error::other("a writing thread panicked")))
            })
        })?;
        file.sync_data()?;
        Ok((blocks * self.block_bytes as u64) as f64 / started.elapsed().as_secs_f64())
    }
}

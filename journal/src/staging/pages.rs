//! Memory of this process alone, in huge pages where the host gives them.

use std::io;
use std::ptr::{self, NonNull};

/// What a huge page takes, and is aligned to, on most hosts.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Zeroed memory that begins at a huge page.
pub(super) struct Pages {
    mapped: NonNull<libc::c_void>,
    mapped_bytes: usize,
    start: NonNull<u8>,
}

// SAFETY: it is only an address range, which no thread has a claim to; what is read and written
// there is for whoever makes references into it.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// At least `bytes` of memory, there from the beginning: nothing is left to be found later.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        let mapped_bytes = bytes + HUGE_PAGE_BYTES;
        // SAFETY: a new mapping, wherever there is room for one.
        let mapped = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(mapped) = NonNull::new(mapped) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        let skip = mapped.as_ptr().cast::<u8>().align_offset(HUGE_PAGE_BYTES);
        // SAFETY: aligning skips less than a huge page, by which the mapping is larger than asked.
        let start = unsafe { mapped.cast::<u8>().add(skip) };
        let pages = Pages {
            mapped,
            mapped_bytes,
            start,
        };
        // Neither is needed: refused, pages are small, and come when they are first written.
        for advice in [libc::MADV_HUGEPAGE, libc::MADV_POPULATE_WRITE] {
            // SAFETY: the range lies in the mapping; neither advice changes what is read there.
            let _ = unsafe { libc::madvise(pages.start.as_ptr().cast(), bytes, advice) };
        }
        Ok(pages)
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, with this length, and unmapped nowhere else.
        let _ = unsafe { libc::munmap(self.mapped.as_ptr(), self.mapped_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_aligned_zeroed_and_can_be_written() {
        for bytes in [1, 4096, HUGE_PAGE_BYTES, 3 * HUGE_PAGE_BYTES + 4096] {
            let pages = Pages::new(bytes).unwrap();
            assert_eq!(pages.start().align_offset(HUGE_PAGE_BYTES), 0);
            // SAFETY: `bytes` of memory from `start` on, and nobody else has the pages.
            let memory = unsafe { std::slice::from_raw_parts_mut(pages.start(), bytes) };
            assert!(memory.iter().all(|&byte| byte == 0));
            memory.fill(7);
        }
    }
}

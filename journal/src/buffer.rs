//! Memory aligned to 4096 bytes, as direct writes to disk need it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const PAGE_BYTES: usize = 4096;

#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

/// Zeroed memory whose address and size are multiples of 4096.
pub(crate) struct AlignedBuffer {
    pages: Vec<Page>,
}

impl AlignedBuffer {
    /// At least `bytes` of memory.
    pub(crate) fn new(bytes: usize) -> Self {
        AlignedBuffer {
            pages: vec![Page([0; PAGE_BYTES]); bytes.div_ceil(PAGE_BYTES)],
        }
    }

    /// Grows to at least `bytes`; what was there stays.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let pages = bytes.div_ceil(PAGE_BYTES);
        if pages > self.pages.len() {
            self.pages.resize(pages, Page([0; PAGE_BYTES]));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pages.len() * PAGE_BYTES
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.as_bytes()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.pages.as_mut_slice().as_mut_bytes()
    }
}

//! Memory that blocks are read into.
//!
//! Blocks are large, and memory that the host gives for the first time costs more than what is read
//! into it. So it comes in huge pages where the host has them, and is kept for the next block.

use memmap2::{Advice, MmapMut};
use std::io;

/// What a huge page takes on most hosts.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Memory for a block; none at first.
#[derive(Default)]
pub(crate) struct Memory {
    map: Option<MmapMut>,
}

impl Memory {
    /// Makes it `bytes` long at least. What is there stays; what is new is zero.
    ///
    /// # Errors
    /// What the host says when it has no memory.
    pub(crate) fn grow(&mut self, bytes: usize) -> io::Result<()> {
        let held = self.bytes();
        if bytes <= held.len() {
            return Ok(());
        }
        let large = bytes >= HUGE_PAGE_BYTES;
        let mut map = MmapMut::map_anon(match large {
            true => bytes.next_multiple_of(HUGE_PAGE_BYTES),
            false => bytes,
        })?;
        if large {
            // Refused, its pages are small.
            let _ = map.advise(Advice::HugePage);
        }
        if let Some(front) = map.get_mut(..held.len()) {
            front.copy_from_slice(held);
        }
        self.map = Some(map);
        Ok(())
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_and_what_is_new_is_zero() {
        let mut memory = Memory::default();
        assert!(memory.bytes().is_empty());
        let mut held = 0;
        for bytes in [0, 1, 5_000, HUGE_PAGE_BYTES - 1, 2 * HUGE_PAGE_BYTES + 1] {
            memory.grow(bytes).unwrap();
            assert!(memory.bytes().len() >= bytes, "{bytes}");
            let (old, new) = memory.bytes_mut().split_at_mut(held);
            assert!(old.iter().all(|&byte| byte == 7), "{bytes}");
            assert!(new.iter().all(|&byte| byte == 0), "{bytes}");
            new.fill(7);
            held = memory.bytes().len();
        }
        memory.grow(1).unwrap();
        assert_eq!(memory.bytes().len(), held);
    }
}

//! Staging memory, private or shared, handed out slot by slot.

use super::layout::{StagingLayout, control, header};
use super::pages::Pages;
use super::{STAGING_MAGIC, STAGING_VERSION};
use crate::buffer::AlignedBuffer;
use crate::error::{JournalError, io_error};
use crate::identity::JournalIdentity;
use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory that slots lie in.
enum Memory {
    Private(Pages),
    Shared(MmapRaw),
}

impl Memory {
    #[inline]
    fn start(&self) -> *mut u8 {
        match self {
            Memory::Private(pages) => pages.start(),
            Memory::Shared(map) => map.as_mut_ptr(),
        }
    }
}

/// Staging of one writer.
pub(crate) struct Staging {
    slots: Vec<SlotMemory>,
}

impl Staging {
    /// Staging in this process's own memory: lost with it. In huge pages where the host has them:
    /// a disk takes its data from few large pieces much faster than from many small ones.
    pub(crate) fn private(layout: StagingLayout) -> Result<Self, JournalError> {
        let pages = Pages::new(layout.slots * layout.slot_bytes)
            .map_err(io_error("reserve memory for", "staging"))?;
        let memory = Arc::new(Memory::Private(pages));
        Ok(Staging {
            slots: (0..layout.slots)
                .map(|slot| SlotMemory {
                    bytes: SlotBytes::Slot {
                        memory: Arc::clone(&memory),
                        offset: slot * layout.slot_bytes,
                        length: layout.slot_bytes,
                    },
                    control: None,
                })
                .collect(),
        })
    }

    /// Staging in a new file at `path`, which replaces one that is there. What the old one holds
    /// must be on disk by now.
    pub(crate) fn shared(
        path: &Path,
        layout: StagingLayout,
        identity: &JournalIdentity,
    ) -> Result<Self, JournalError> {
        let name = path.display().to_string();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io_error("create", &name))?;
        }
        let unnamed = path.with_extension("new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&unnamed)
            .map_err(io_error("create", &name))?;
        // Reserved now, so that a lack of memory is an error here and not a SIGBUS later.
        fallocate(
            &file,
            FallocateFlags::empty(),
            0,
            layout.file_bytes() as i64,
        )
        .map_err(|errno| io_error("reserve memory for", &name)(errno.into()))?;
        let map = MmapOptions::new()
            .populate()
            .map_raw(&file)
            .map_err(io_error("map", &name))?;
        // Neither is needed for correctness.
        let _ = map.advise(Advice::DontFork);
        let map = Arc::new(Memory::Shared(map));
        let word = |index: usize| SlotControl::word_at(&map, index * 8);
        word(header::SLOTS).store(layout.slots as u64, Ordering::Relaxed);
        word(header::SLOT_BYTES).store(layout.slot_bytes as u64, Ordering::Relaxed);
        word(header::FABRIC_ID).store(identity.fabric_id as u64, Ordering::Relaxed);
        word(header::FABRIC_ID + 1).store((identity.fabric_id >> 64) as u64, Ordering::Relaxed);
        word(header::VERSION).store(STAGING_VERSION, Ordering::Relaxed);
        word(header::MAGIC).store(STAGING_MAGIC, Ordering::Release);
        std::fs::rename(&unnamed, path).map_err(io_error("name", &name))?;
        Ok(Staging {
            slots: (0..layout.slots)
                .map(|slot| SlotMemory {
                    bytes: SlotBytes::Slot {
                        memory: Arc::clone(&map),
                        offset: layout.slot_offset(slot),
                        length: layout.slot_bytes,
                    },
                    control: Some(SlotControl {
                        map: Arc::clone(&map),
                        offset: layout.control_offset(slot),
                    }),
                })
                .collect(),
        })
    }

    /// The slots, each to be owned by one block.
    pub(crate) fn into_slots(self) -> Vec<SlotMemory> {
        self.slots
    }
}

/// The memory of one slot, owned by whoever fills or writes its block.
pub(crate) struct SlotMemory {
    bytes: SlotBytes,
    control: Option<SlotControl>,
}

enum SlotBytes {
    Own(AlignedBuffer),
    Slot {
        memory: Arc<Memory>,
        offset: usize,
        length: usize,
    },
}

impl SlotMemory {
    /// Memory of its own, which can grow.
    pub(crate) fn own(bytes: usize) -> Self {
        SlotMemory {
            bytes: SlotBytes::Own(AlignedBuffer::new(bytes)),
            control: None,
        }
    }

    /// Grows its own memory to at least `bytes`; a slot of staging stays as large as it is.
    pub(crate) fn grow(&mut self, bytes: usize) {
        if let SlotBytes::Own(buffer) = &mut self.bytes {
            buffer.grow(bytes);
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.bytes {
            SlotBytes::Own(buffer) => buffer.len(),
            SlotBytes::Slot { length, .. } => *length,
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            SlotBytes::Own(buffer) => buffer.bytes(),
            SlotBytes::Slot {
                memory,
                offset,
                length,
            } => {
                // SAFETY: the range lies inside the memory, which `memory` keeps, and is this slot's
                // alone: only its owner writes it, other processes map the file for reading.
                unsafe { std::slice::from_raw_parts(memory.start().add(*offset), *length) }
            }
        }
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            SlotBytes::Own(buffer) => buffer.bytes_mut(),
            SlotBytes::Slot {
                memory,
                offset,
                length,
            } => {
                // SAFETY: as above, and `&mut self` makes this the only reference in the process.
                unsafe { std::slice::from_raw_parts_mut(memory.start().add(*offset), *length) }
            }
        }
    }

    /// Says that the slot's first `bytes` bytes of payload are whole frames.
    #[inline]
    pub(crate) fn commit(&self, bytes: usize) {
        if let Some(control) = &self.control {
            // Pairs with the acquire in `StagingView::copy`: the frames were written before.
            control
                .word(control::COMMITTED)
                .store(bytes as u64, Ordering::Release);
        }
    }

    /// Says which frame comes first; before the first commit.
    #[inline]
    pub(crate) fn begin(&self, first_sequence: u64) {
        if let Some(control) = &self.control {
            control
                .word(control::FIRST_SEQUENCE)
                .store(first_sequence, Ordering::Relaxed);
        }
    }

    /// Takes back what was committed, before other frames come.
    pub(crate) fn empty(&self) {
        if let Some(control) = &self.control {
            let generation = control.word(control::GENERATION);
            control.word(control::COMMITTED).store(0, Ordering::Relaxed);
            generation.store(generation.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            // Pairs with the acquire fence in `StagingView::copy`: who sees any byte that is
            // written from here on sees the generation raised.
            std::sync::atomic::fence(Ordering::Release);
        }
    }
}

struct SlotControl {
    map: Arc<Memory>,
    offset: usize,
}

impl SlotControl {
    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        Self::word_at(&self.map, self.offset + index * 8)
    }

    #[inline]
    fn word_at(map: &Memory, offset: usize) -> &AtomicU64 {
        // SAFETY: the layout puts header and control words inside the mapping, at multiples of
        // eight from a page; they are never accessed but as atomics.
        unsafe { AtomicU64::from_ptr(map.start().add(offset).cast()) }
    }
}

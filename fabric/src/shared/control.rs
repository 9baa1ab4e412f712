//! The control file: what a fabric is. Written once, before the fabric becomes visible.

use super::LAYOUT_VERSION;
use crate::error::{FabricError, Result};
use crate::frame::{FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES};
use crate::host::ticks::TickSource;
use crate::memory::PageKind;
use crate::protocol::stream::FRAME_HEADER_WORDS;
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The first eight bytes of every control file.
pub const CONTROL_MAGIC: [u8; 8] = *b"SELVEDGE";

/// Longest path of the ring directory, in bytes.
pub const MAX_RING_DIRECTORY_BYTES: usize = 512;

/// The shares of a payload ring that one message may take at most: one eighth.
pub const PAYLOAD_SHARE: u64 = 8;

/// In `options`: nobody records latency, and producers note no times unless told to.
pub const NO_LATENCY: u64 = 1;

/// The content of the control file, 704 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ControlRecord {
    /// [`CONTROL_MAGIC`].
    pub magic: [u8; 8],
    /// [`LAYOUT_VERSION`].
    pub layout_version: u32,
    /// Bytes of this record.
    pub record_bytes: u32,
    /// Random: tells this fabric from any other of the same name.
    pub fabric_id: [u8; 16],
    /// How often the fabric's memory was lost and begun again, from 1.
    pub life: u64,
    /// UTC nanoseconds.
    pub created_ns: u64,
    /// Slots of the stream ring, a power of two.
    pub stream_capacity: u64,
    /// Bytes of the stream's payload ring, a power of two.
    pub stream_payload_bytes: u64,
    /// Slots of an ingress ring unless its producer chooses, a power of two.
    pub ingress_capacity: u64,
    /// Bytes of an ingress payload ring, a power of two.
    pub ingress_payload_bytes: u64,
    /// Bytes of a slot, stream and ingress alike, a power of two.
    pub slot_bytes: u32,
    /// Banks made at creation.
    pub banks: u32,
    /// Code of the [`TickSource`].
    pub tick_source: u32,
    /// log2 of the ring files' page size.
    pub page_shift: u32,
    /// The NUMA node of the memory, or `u32::MAX`.
    pub numa_node: u32,
    /// Bytes of the ring directory's path.
    pub ring_directory_bytes: u32,
    /// Ticks in a second, as measured at creation: the first sequencer's calibration.
    pub ticks_per_second: u64,
    /// [`NO_LATENCY`], or 0.
    pub options: u64,
    /// Zero: for later versions.
    pub reserved: [u64; 9],
    /// The ring directory, absolute.
    pub ring_directory: [u8; MAX_RING_DIRECTORY_BYTES],
}

const _: () = assert!(size_of::<ControlRecord>() == 704);

impl ControlRecord {
    /// Reads and checks the control file of a fabric.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| FabricError::io("read", path, error))?;
        let damaged = |detail: String| FabricError::Damaged {
            path: path.to_path_buf(),
            what: "control file",
            detail,
        };
        if bytes.len() < 16 || bytes[..8] != CONTROL_MAGIC {
            return Err(damaged("it does not begin with the magic bytes".to_owned()));
        }
        // The version comes first: a file of another version may have another size.
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != LAYOUT_VERSION {
            return Err(FabricError::WrongVersion {
                path: path.to_path_buf(),
                found: version,
                expected: LAYOUT_VERSION,
            });
        }
        let Ok((record, _)) = ControlRecord::read_from_prefix(&bytes) else {
            return Err(damaged(format!("it has only {} bytes", bytes.len())));
        };
        record.check().map_err(damaged)?;
        Ok(record)
    }

    /// Whether the sizes are possible: everything that later code relies on.
    fn check(&self) -> Result<(), String> {
        let slot_bytes = u64::from(self.slot_bytes);
        for (what, value, least, most) in [
            ("slot size", slot_bytes, 64, 4096),
            ("stream capacity", self.stream_capacity, 256, 1 << 26),
            ("ingress capacity", self.ingress_capacity, 16, 1 << 26),
            (
                "stream payload ring",
                self.stream_payload_bytes,
                4096,
                1 << 36,
            ),
            (
                "ingress payload ring",
                self.ingress_payload_bytes,
                4096,
                1 << 36,
            ),
        ] {
            if !value.is_power_of_two() || value < least || value > most {
                return Err(format!(
                    "{what} is {value}, not a power of two between {least} and {most}"
                ));
            }
        }
        if self.ring_directory_bytes as usize > MAX_RING_DIRECTORY_BYTES {
            return Err("the ring directory's path is too long".to_owned());
        }
        if self.banks < 2 || self.banks as usize > crate::protocol::epoch::MAX_BANKS {
            return Err(format!("{} banks", self.banks));
        }
        if TickSource::from_code(self.tick_source).is_none() {
            return Err(format!("tick source {}", self.tick_source));
        }
        if !matches!(self.page_shift, 12 | 21 | 30) {
            return Err(format!("pages of 2^{} bytes", self.page_shift));
        }
        if self.options & !NO_LATENCY != 0 {
            return Err(format!(
                "options {:#x}, of which this release knows {NO_LATENCY:#x}",
                self.options
            ));
        }
        if self.ticks_per_second == 0 {
            return Err("a clock that stands still".to_owned());
        }
        Ok(())
    }

    /// Whether latency histograms are recorded.
    pub fn records_latency(&self) -> bool {
        self.options & NO_LATENCY == 0
    }

    /// The ring directory.
    pub fn ring_directory(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        let length = (self.ring_directory_bytes as usize).min(MAX_RING_DIRECTORY_BYTES);
        PathBuf::from(std::ffi::OsStr::from_bytes(&self.ring_directory[..length]))
    }

    /// The pages of the ring files.
    pub fn pages(&self) -> PageKind {
        match self.page_shift {
            21 => PageKind::Huge2MiB,
            30 => PageKind::Huge1GiB,
            _ => PageKind::Small,
        }
    }

    /// The NUMA node of the memory.
    pub fn numa_node(&self) -> Option<u32> {
        (self.numa_node != u32::MAX).then_some(self.numa_node)
    }

    /// The counter that all processes read.
    pub fn tick_source(&self) -> TickSource {
        TickSource::from_code(self.tick_source).unwrap_or(TickSource::Monotonic)
    }

    /// Words of a slot.
    pub fn slot_words(&self) -> usize {
        self.slot_bytes as usize / 8
    }

    /// The longest payload that lies in its slot.
    ///
    /// It is the stream slot's, for ingress too, so that a message is external in both rings or
    /// in neither.
    pub fn inline_bytes(&self) -> usize {
        self.slot_bytes as usize - FRAME_HEADER_BYTES
    }

    /// Words of the longest payload that lies in its slot.
    pub fn inline_words(&self) -> usize {
        self.slot_words() - FRAME_HEADER_WORDS
    }

    /// The longest message: an eighth of the smaller payload ring.
    pub fn message_limit(&self) -> usize {
        let share = self.stream_payload_bytes.min(self.ingress_payload_bytes) / PAYLOAD_SHARE;
        (share as usize)
            .max(self.inline_bytes())
            .min(MAX_PAYLOAD_BYTES)
    }

    /// Bytes of a stream ring file: slots, then payload ring.
    pub fn stream_ring_bytes(&self) -> u64 {
        self.stream_capacity * u64::from(self.slot_bytes) + self.stream_payload_bytes
    }

    /// The fabric's id as text.
    pub fn id_text(&self) -> String {
        self.fabric_id
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

//! A producer's registration: who it is, where its ring lies, which message types it sends.
//!
//! The file is complete before it gets its name, and its producer is its only writer: afterwards
//! just the phase changes. In 64-bit words: 0 magic, 1 layout version, 2 nonce, 3 phase,
//! 4 process id, 5 its start time, 6 slots, 7 bytes of payload ring, 8 offset of the slots in the
//! ring file, 9 bytes of schemas; the schemas, encoded and each padded to 8 bytes, from byte 128 on.

use super::LAYOUT_VERSION;
use crate::error::{FabricError, Result};
use crate::host::process::ProcessIdentity;
use crate::memory::{Access, Mapping};
use crate::message::MessageSchema;
use crate::protocol::{Ordering, Words};
use std::path::Path;
use std::sync::Arc;

const REGISTRATION_MAGIC: u64 = u64::from_le_bytes(*b"SLVSOURC");
const PHASE_AT: usize = 3;
const SCHEMAS_AT: usize = 128;

/// Bytes of a registration file.
pub const REGISTRATION_BYTES: usize = 64 * 1024;

/// The most that schemas take in it.
pub const REGISTRATION_SCHEMA_BYTES: usize = REGISTRATION_BYTES - SCHEMAS_AT;

/// Whether the producer is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum SourcePhase {
    /// It publishes.
    Attached = 1,
    /// It has left; what is in its ring is its last.
    Detached = 2,
}

/// A registration's content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Random, not zero: this incarnation of the source.
    pub nonce: u64,
    /// The producer's process.
    pub process: ProcessIdentity,
    /// Slots of its ring, a power of two.
    pub capacity: u64,
    /// Bytes of its payload ring, a power of two.
    pub payload_bytes: u64,
    /// Where the slots begin in the ring file. Rings begin at different lines of a page, so that
    /// the lines polled of many idle rings do not share one set of the cache.
    pub slots_offset: u64,
    /// The message types it sends.
    pub schemas: Vec<MessageSchema>,
}

impl Registration {
    /// The content of the file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut schemas = Vec::new();
        for schema in &self.schemas {
            schema.encode(&mut schemas);
            schemas.resize(schemas.len().next_multiple_of(8), 0);
        }
        if schemas.len() > REGISTRATION_SCHEMA_BYTES {
            return Err(FabricError::BadSetting {
                setting: "message types of one producer",
                value: format!("{} bytes of field tables", schemas.len()),
                remedy: format!("at most {REGISTRATION_SCHEMA_BYTES} bytes are possible"),
            });
        }
        let mut bytes = Vec::with_capacity(REGISTRATION_BYTES);
        for word in [
            REGISTRATION_MAGIC,
            u64::from(LAYOUT_VERSION),
            self.nonce,
            SourcePhase::Attached as u64,
            u64::from(self.process.pid),
            self.process.start_time,
            self.capacity,
            self.payload_bytes,
            self.slots_offset,
            schemas.len() as u64,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.resize(SCHEMAS_AT, 0);
        bytes.extend_from_slice(&schemas);
        bytes.resize(REGISTRATION_BYTES, 0);
        Ok(bytes)
    }

    /// Bytes of the ring file.
    pub fn ring_bytes(&self, slot_bytes: u64) -> u64 {
        self.slots_offset + self.capacity * slot_bytes + self.payload_bytes
    }
}

/// A registration file as somebody else sees it: its content is whatever its writer put there.
#[derive(Clone, Debug)]
pub struct RegistrationFile {
    words: Words,
    mapping: Arc<Mapping>,
}

impl RegistrationFile {
    /// Maps the file.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        Self::of_mapping(Mapping::open(path, access)?)
    }

    /// Maps the file of another process, which may cut it short at any time.
    pub fn open_untrusted(path: &Path) -> Result<Self> {
        Self::of_mapping(Mapping::open_untrusted(path)?)
    }

    fn of_mapping(mapping: Arc<Mapping>) -> Result<Self> {
        Ok(RegistrationFile {
            words: mapping.words(0, REGISTRATION_BYTES)?,
            mapping,
        })
    }

    fn load(&self, index: usize) -> u64 {
        self.words
            .get(index)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Who owns the file.
    pub fn uid(&self) -> u32 {
        self.mapping.owner()
    }

    /// Whether the file was cut short under the mapping.
    pub fn is_broken(&self) -> bool {
        self.mapping.is_broken()
    }

    /// Whether the producer has left in order.
    pub fn detached(&self) -> bool {
        self.load(PHASE_AT) == SourcePhase::Detached as u64
    }

    /// Says that the producer has left. All its messages are published before.
    pub fn set_detached(&self) {
        if let Some(word) = self.words.get(PHASE_AT) {
            word.store(SourcePhase::Detached as u64, Ordering::Release);
        }
    }

    /// The process and nonce, without the rest.
    pub fn holder(&self) -> (ProcessIdentity, u64) {
        let process = ProcessIdentity {
            pid: self.load(4) as u32,
            start_time: self.load(5),
        };
        (process, self.load(2))
    }

    /// Reads the content and checks everything that memory safety or the sequencer relies on.
    pub fn read(&self) -> Result<Registration, String> {
        if self.load(0) != REGISTRATION_MAGIC {
            return Err("its registration file is not one".to_owned());
        }
        if self.load(1) != u64::from(LAYOUT_VERSION) {
            return Err(format!(
                "its registration has layout version {}, the sequencer {LAYOUT_VERSION}: run both from the same release",
                self.load(1)
            ));
        }
        let (process, nonce) = self.holder();
        let registration = Registration {
            nonce,
            process,
            capacity: self.load(6),
            payload_bytes: self.load(7),
            slots_offset: self.load(8),
            schemas: self.schemas()?,
        };
        if nonce == 0 {
            return Err("its registration has no nonce".to_owned());
        }
        let possible =
            |value: u64, least: u64| value.is_power_of_two() && value >= least && value <= 1 << 36;
        if !possible(registration.capacity, 16)
            || registration.capacity > 1 << 26
            || !possible(registration.payload_bytes, 4096)
            || registration.slots_offset > 4096
            || !registration.slots_offset.is_multiple_of(64)
        {
            return Err(format!(
                "its ring has an impossible shape: {} slots, {} bytes of payload, offset {}",
                registration.capacity, registration.payload_bytes, registration.slots_offset
            ));
        }
        Ok(registration)
    }

    fn schemas(&self) -> Result<Vec<MessageSchema>, String> {
        let length = self.load(9) as usize;
        if length > REGISTRATION_SCHEMA_BYTES || !length.is_multiple_of(8) {
            return Err(format!(
                "its field tables have an impossible size, {length}"
            ));
        }
        let bytes: Vec<u8> = (0..length / 8)
            .flat_map(|index| self.load(SCHEMAS_AT / 8 + index).to_le_bytes())
            .collect();
        let mut schemas = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (schema, length) =
                MessageSchema::decode(&bytes[at..]).map_err(|error| error.to_string())?;
            schemas.push(schema);
            at += length.next_multiple_of(8);
        }
        Ok(schemas)
    }
}

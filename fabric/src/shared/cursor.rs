//! A consumer's file: its registration and its cursor.
//!
//! In 64-bit words: 0 magic, 1 layout version, 2 nonce, 3 phase, 4 process id, 5 its start time,
//! 6 kind, 7 what it asks to start from, 8 the sequence for that, 9 the position inherited from the
//! consumer of that name before, 10 whether it is essential, 11 its patience in nanoseconds; word 64: the cursor, on a line of its own, 0 until it starts. The
//! file outlives its process: the cursor is the stored position from which a consumer of the same
//! name resumes.

use super::LAYOUT_VERSION;
use crate::error::Result;
use crate::host::process::ProcessIdentity;
use crate::memory::{Access, Mapping};
use crate::protocol::gating::GatingCursor;
use crate::protocol::{LINE_WORDS, Ordering, Words};
use std::path::Path;
use std::sync::Arc;

const CURSOR_MAGIC: u64 = u64::from_le_bytes(*b"SLVCONSU");
const PHASE_AT: usize = 3;
const INHERITED_AT: usize = 9;
const ESSENTIAL_AT: usize = 10;
const PATIENCE_AT: usize = 11;
const CURSOR_AT: usize = 64;

/// Bytes of a consumer's file: one small page.
pub const CURSOR_FILE_BYTES: usize = 4096;

/// Whether the consumer holds the sequencer back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ConsumerKind {
    /// It reads in place and holds what it has not released.
    Gating = 1,
    /// It copies and holds nobody.
    Copying = 2,
    /// It copies, and holds what it has not read as long as its patience allows.
    Holding = 3,
}

/// Whether the consumer is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ConsumerPhase {
    /// It reads.
    Attached = 1,
    /// It has left in order.
    Detached = 2,
    /// An essential one that was not admitted: its name is free for the next try, what it holds
    /// stays held.
    Away = 3,
}

/// What a gating consumer asks the sequencer for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartRequest {
    /// The next frame to be published.
    Latest,
    /// The oldest frame still in the rings.
    Oldest,
    /// This sequence.
    Sequence(u64),
}

impl StartRequest {
    fn encode(self) -> (u64, u64) {
        match self {
            StartRequest::Latest => (1, 0),
            StartRequest::Oldest => (2, 0),
            StartRequest::Sequence(sequence) => (3, sequence),
        }
    }

    fn decode(code: u64, sequence: u64) -> Option<Self> {
        match code {
            1 => Some(StartRequest::Latest),
            2 => Some(StartRequest::Oldest),
            3 => Some(StartRequest::Sequence(sequence)),
            _ => None,
        }
    }
}

/// The content of a new consumer's file: `registration`, and the position that it inherits from the
/// consumer of that name before (0: none).
pub fn encode_cursor_file(registration: &ConsumerRegistration, inherited: u64) -> Vec<u8> {
    let (start_code, start_sequence) = registration.start.encode();
    let mut bytes = Vec::with_capacity(CURSOR_FILE_BYTES);
    for word in [
        CURSOR_MAGIC,
        u64::from(LAYOUT_VERSION),
        registration.nonce,
        ConsumerPhase::Attached as u64,
        u64::from(registration.process.pid),
        registration.process.start_time,
        registration.kind as u64,
        start_code,
        start_sequence,
        inherited,
        u64::from(registration.essential),
        registration.patience_ns,
    ] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.resize(CURSOR_FILE_BYTES, 0);
    bytes
}

/// A consumer's file, mapped.
#[derive(Clone, Debug)]
pub struct CursorFile {
    words: Words,
    mapping: Arc<Mapping>,
}

/// What the sequencer reads of a consumer's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsumerRegistration {
    /// This incarnation of the consumer.
    pub nonce: u64,
    /// Its process.
    pub process: ProcessIdentity,
    /// Gating or copying.
    pub kind: ConsumerKind,
    /// Where it wants to start.
    pub start: StartRequest,
    /// Whether it holds what it has not read even when it has died, until it comes back or is
    /// dismissed: the journal.
    pub essential: bool,
    /// How long a [`ConsumerKind::Holding`] consumer may hold the stream without moving.
    pub patience_ns: u64,
}

impl CursorFile {
    /// Maps the file.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        Self::of_mapping(Mapping::open(path, access)?)
    }

    /// Maps the file of another process, which may cut it short at any time.
    pub fn open_untrusted(path: &Path) -> Result<Self> {
        Self::of_mapping(Mapping::open_untrusted(path)?)
    }

    fn of_mapping(mapping: Arc<Mapping>) -> Result<Self> {
        Ok(CursorFile {
            words: mapping.words(0, CURSOR_FILE_BYTES)?,
            mapping,
        })
    }

    fn load(&self, index: usize) -> u64 {
        self.words
            .get(index)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Whether the file was cut short under the mapping.
    pub fn is_broken(&self) -> bool {
        self.mapping.is_broken()
    }

    /// The cursor.
    pub fn cursor(&self) -> Option<GatingCursor> {
        GatingCursor::new(self.words.part(CURSOR_AT, LINE_WORDS)?)
    }

    /// The position the consumer has reached: the next sequence it would read. Before it starts,
    /// the one it inherited; 0 where there never was any.
    pub fn position(&self) -> u64 {
        match self.load(CURSOR_AT) {
            0 => self.load(INHERITED_AT),
            position => position,
        }
    }

    /// Whether the consumer has left in order.
    pub fn detached(&self) -> bool {
        self.load(PHASE_AT) == ConsumerPhase::Detached as u64
    }

    /// Says that the consumer has left.
    pub fn set_detached(&self) {
        if let Some(word) = self.words.get(PHASE_AT) {
            word.store(ConsumerPhase::Detached as u64, Ordering::Release);
        }
    }

    /// Says that the consumer was not admitted: an essential one's hold outlasts that.
    pub fn set_not_admitted(&self) {
        let phase = if self.load(ESSENTIAL_AT) != 0 {
            ConsumerPhase::Away
        } else {
            ConsumerPhase::Detached
        };
        if let Some(word) = self.words.get(PHASE_AT) {
            word.store(phase as u64, Ordering::Release);
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

    /// Whether a living process holds the name.
    pub fn held(&self) -> bool {
        self.load(PHASE_AT) == ConsumerPhase::Attached as u64 && self.holder().0.is_alive()
    }

    /// Whether the consumer is essential and has not left in order.
    pub fn essential(&self) -> bool {
        !self.detached() && self.load(ESSENTIAL_AT) != 0
    }

    /// Reads and checks the registration.
    pub fn read(&self) -> Result<ConsumerRegistration, String> {
        if self.load(0) != CURSOR_MAGIC {
            return Err("its file is not a consumer's".to_owned());
        }
        if self.load(1) != u64::from(LAYOUT_VERSION) {
            return Err(format!(
                "its file has layout version {}, the sequencer {LAYOUT_VERSION}: run both from the same release",
                self.load(1)
            ));
        }
        let kind = match self.load(6) {
            1 => ConsumerKind::Gating,
            2 => ConsumerKind::Copying,
            3 => ConsumerKind::Holding,
            other => return Err(format!("its kind is {other}, which does not exist")),
        };
        let Some(start) = StartRequest::decode(self.load(7), self.load(8)) else {
            return Err(format!("it asks for start {}", self.load(7)));
        };
        let (process, nonce) = self.holder();
        if nonce == 0 {
            return Err("its file has no nonce".to_owned());
        }
        Ok(ConsumerRegistration {
            nonce,
            process,
            kind,
            start,
            essential: self.load(ESSENTIAL_AT) != 0,
            patience_ns: self.load(PATIENCE_AT),
        })
    }
}

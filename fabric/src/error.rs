//! What can go wrong, in words that name the file, the value and the remedy.

use std::path::PathBuf;

/// An error of the fabric. Every message says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FabricError {
    /// There is no fabric of that name.
    #[error("there is no fabric `{name}` ({path}): create it first (`selvedge create {name}`), see which there are (`selvedge ls`), or set SELVEDGE_DIR to the directory it was created in", path = path.display())]
    NoSuchFabric {
        /// The name asked for.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// No consumer has this name.
    #[error(
        "there is no consumer `{name}` in fabric `{fabric}`: `selvedge status {fabric}` lists them"
    )]
    NoSuchConsumer {
        /// The name asked for.
        name: String,
        /// The fabric.
        fabric: String,
    },
    /// A fabric of that name exists already.
    #[error("a fabric `{name}` exists already ({path}) and {state}: attach to it, choose another name, or remove it with `selvedge remove {name}`", path = path.display())]
    FabricExists {
        /// The name asked for.
        name: String,
        /// Its directory.
        path: PathBuf,
        /// Whether anybody is using it.
        state: String,
    },
    /// Somebody uses the fabric.
    #[error(
        "fabric `{name}` is in use by {users}: stop them first, or remove it by force (`selvedge remove {name} --force`) if they must lose it"
    )]
    FabricInUse {
        /// The fabric.
        name: String,
        /// Who, with process ids.
        users: String,
    },
    /// The name of a source or consumer is held by a living process.
    #[error(
        "{role} `{name}` is already attached by process {pid}: stop that process or choose another name"
    )]
    NameTaken {
        /// `source` or `consumer`.
        role: &'static str,
        /// The name.
        name: String,
        /// Who holds it.
        pid: u32,
    },
    /// A name breaks the rules for names.
    #[error(
        "`{name}` cannot be the name of a {role}: use 1 to 48 letters, digits, `.`, `_` or `-`, not beginning with `.`"
    )]
    BadName {
        /// `fabric`, `source`, `consumer`.
        role: &'static str,
        /// The name.
        name: String,
    },
    /// The file was written by another version.
    #[error("{path} has shared-memory layout version {found}, this program has version {expected}: run all programs of a fabric from the same release, or remove the fabric and create it anew", path = path.display())]
    WrongVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// This program's.
        expected: u32,
    },
    /// The file is not what its name says.
    #[error("{path} is not a valid {what}: {detail}; remove the fabric and create it anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A configuration value is out of range.
    #[error("{setting} = {value} is not possible: {remedy}")]
    BadSetting {
        /// The setting's name.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What is possible.
        remedy: String,
    },
    /// Hugepages were required and cannot be had.
    #[error("hugepages are required but {reason}: {remedy}")]
    NoHugepages {
        /// Why not.
        reason: String,
        /// The commands that provide them.
        remedy: String,
    },
    /// There is not enough memory for a file.
    #[error("no room for {bytes} bytes at {path}: {remedy}", path = path.display())]
    NotEnoughMemory {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What to do.
        remedy: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system refused something that is not about a file.
    #[error("cannot {action}: {source}; {remedy}")]
    Host {
        /// What was tried.
        action: String,
        /// Why not.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// No sequencer admits.
    #[error("{role} `{name}` was not admitted within {waited_ms} ms: {reason}")]
    NotAdmitted {
        /// `source` or `consumer`.
        role: &'static str,
        /// The name.
        name: String,
        /// How long was waited.
        waited_ms: u64,
        /// Whether a sequencer runs, and what to do.
        reason: String,
    },
    /// The sequencer refused.
    #[error("{role} `{name}` was refused by the sequencer: {reason}")]
    Refused {
        /// `source` or `consumer`.
        role: &'static str,
        /// The name.
        name: String,
        /// The sequencer's reason and the remedy.
        reason: String,
    },
    /// A sequencer runs already.
    #[error(
        "fabric `{name}` already has a sequencer, process {pid}: stop it first (SIGTERM drains it), or let one wait beside it (`selvedge sequencer {name} --standby`)"
    )]
    SequencerRunning {
        /// The fabric.
        name: String,
        /// The process.
        pid: u32,
    },
    /// Another sequencer took over.
    #[error(
        "the sequencer of epoch {epoch} was replaced by that of epoch {by}: it has stopped; nothing that it wrote since counts"
    )]
    Replaced {
        /// The epoch that ended.
        epoch: u64,
        /// The epoch that followed.
        by: u64,
    },
    /// Two message types share a number, or a program has another idea of a layout.
    #[error("message type {message_type:#06x}: {detail}")]
    SchemaConflict {
        /// The type's number.
        message_type: u16,
        /// What differs and what to do.
        detail: String,
    },
    /// A message is longer than the fabric carries.
    #[error(
        "a message of {length} bytes is longer than the {limit} bytes this fabric carries: create it with a larger payload ring (a message may take one eighth of it)"
    )]
    MessageTooLarge {
        /// The message's length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The ring is full.
    #[error(
        "the ingress ring of source `{name}` is full ({capacity} messages wait to be sequenced): try again later, wait with `publish`, or find out who holds the stream back; nothing was lost"
    )]
    RingFull {
        /// The source.
        name: String,
        /// The ring's capacity.
        capacity: u64,
    },
    /// A message type was not registered at attach.
    #[error(
        "message type {message_type:#06x} was not registered when source `{name}` attached: name it with `.message::<T>()`"
    )]
    NotRegistered {
        /// The source.
        name: String,
        /// The type's number.
        message_type: u16,
    },
    /// A waiting call inside a handler.
    #[error(
        "source `{name}` would wait for room inside a message handler, and the stream cannot move while a handler waits: use `try_publish`, or a `Participant`, which keeps the output itself"
    )]
    WaitInsideHandler {
        /// The source.
        name: String,
    },
    /// The participant's own pending output is at its limit.
    #[error(
        "source `{name}` has {pending} bytes of output waiting, its limit: the sequencer does not keep up or is not running; raise `pending_limit` or send less"
    )]
    PendingFull {
        /// The source.
        name: String,
        /// Bytes waiting.
        pending: usize,
    },
    /// Frames were overwritten before they were read.
    #[error("frames {from} to {to} were overwritten before they were read ({count} missed): read them from the journal, read faster, or attach as a gating consumer", count = to - from + 1)]
    Overrun {
        /// The first sequence missed.
        from: u64,
        /// The last sequence missed.
        to: u64,
    },
    /// A sequence to start from is not in the ring.
    #[error(
        "sequence {sequence} cannot be read from the ring, which holds {oldest} to {newest}: read older frames from the journal"
    )]
    SequenceNotAvailable {
        /// The sequence asked for.
        sequence: u64,
        /// The oldest that can be read.
        oldest: u64,
        /// The newest.
        newest: u64,
    },
    /// Waiting took longer than allowed.
    #[error("{what} did not happen within {waited_ms} ms: {remedy}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        waited_ms: u64,
        /// What to look at.
        remedy: &'static str,
    },
}

impl FabricError {
    /// An error of a system call on a file.
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<std::io::Error>,
    ) -> Self {
        FabricError::Io {
            action,
            path: path.into(),
            source: source.into(),
        }
    }
}

/// Results of this crate.
pub type Result<T, E = FabricError> = std::result::Result<T, E>;

/// Why a message could not be claimed. Small, because it is the answer of the hot path;
/// [`crate::Producer`] turns it into a [`FabricError`] where a person is to read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimError {
    /// The ring, or its payload ring, has no room now. Nothing was written.
    Full,
    /// The message is longer than the fabric carries.
    TooLarge,
    /// The type was not registered at attach.
    NotRegistered,
}

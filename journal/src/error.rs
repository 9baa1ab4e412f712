//! The one error type of this crate.

use crate::fault::{BlockFault, SegmentFault};
use crate::positions::AlarmState;
use std::io;
use std::sync::Arc;

/// Why a journal could not be written or read. Every message names the file, the value and what
/// to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The host refused an operation on a file.
    #[error("cannot {operation} {file}: {source}{}", remedy(.source))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        file: String,
        /// What the host said.
        source: io::Error,
    },
    /// Another writer holds the directory.
    #[error(
        "{directory} is being written by another process: stop that one first, or give this one another directory"
    )]
    InUse {
        /// The journal's directory.
        directory: String,
    },
    /// The writer met an error before and has stopped.
    #[error(
        "the journal writer has stopped: {cause} (call retry() once the cause is removed; after a failed sync, open the journal again)"
    )]
    Stopped {
        /// The error it met.
        cause: Arc<JournalError>,
    },
    /// A frame is not the next one.
    #[error(
        "frame {found} does not follow: the journal expects {expected} next and takes no gap and no repeat; replay the stream from there"
    )]
    OutOfSequence {
        /// The next sequence.
        expected: u64,
        /// The frame's.
        found: u64,
    },
    /// A frame's time stamp lies before that of the frame before it.
    #[error(
        "frame {sequence} is stamped {found}, before the frame ahead of it ({previous}): the sequencer must never step back"
    )]
    TimestampDecreased {
        /// The frame.
        sequence: u64,
        /// The time stamp ahead, UTC nanoseconds.
        previous: u64,
        /// The frame's.
        found: u64,
    },
    /// Header and payload do not agree.
    #[error(
        "frame {sequence}: the header says {stated} bytes of payload, given were {given}; pass the payload that the header describes"
    )]
    LengthMismatch {
        /// The frame.
        sequence: u64,
        /// Length in the header.
        stated: usize,
        /// Length of the payload.
        given: usize,
    },
    /// A frame does not fit into a block.
    #[error(
        "frame {sequence} takes {bytes} bytes, a block holds {limit}: raise block_bytes in the journal's configuration"
    )]
    FrameTooLarge {
        /// The frame.
        sequence: u64,
        /// What it takes on disk.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
    /// A setting is out of its range.
    #[error("{name} is {value}, allowed is {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u64,
        /// Its range.
        allowed: &'static str,
    },
    /// The directory holds the journal of another fabric.
    #[error(
        "{file} belongs to fabric `{found_name}` ({found_id:032x}), not to {expected_id:032x}: give this fabric a directory of its own"
    )]
    OtherFabric {
        /// The segment.
        file: String,
        /// The name in it.
        found_name: String,
        /// The id in it.
        found_id: u128,
        /// The id expected.
        expected_id: u128,
    },
    /// The journal was written in a later life of the fabric.
    #[error(
        "{file} is of life {found}, this fabric says it is in life {given}: its control data is older than its journal; start with a life of at least {found}"
    )]
    OlderLife {
        /// The segment.
        file: String,
        /// The life in it.
        found: u64,
        /// The life given.
        given: u64,
    },
    /// There is no segment in the directory.
    #[error("{directory} holds no journal segment: check the path, or start the journal first")]
    Empty {
        /// The directory.
        directory: String,
    },
    /// The header page of a segment is not what it must be.
    #[error("{file}: {fault}; restore this segment from a copy")]
    Segment {
        /// The segment.
        file: String,
        /// What is wrong.
        fault: SegmentFault,
    },
    /// A block is damaged.
    #[error(
        "{file}: block {block} at byte {offset} (sequence {sequence} on) is damaged: {fault}; run verify for the extent, and restore this segment from a copy"
    )]
    Damaged {
        /// The segment.
        file: String,
        /// The block's number.
        block: u64,
        /// Where it lies.
        offset: u64,
        /// The first sequence concerned.
        sequence: u64,
        /// What is wrong.
        fault: BlockFault,
    },
    /// A sequence lies outside the journal.
    #[error("sequence {sequence} is not in this journal, which holds {first} to {last}")]
    NoSuchSequence {
        /// The sequence asked for.
        sequence: u64,
        /// The first there is.
        first: u64,
        /// The last there is (`first - 1` when there is none).
        last: u64,
    },
    /// A file in shared memory is not what it should be.
    #[error("{file} is not a {what} of this version: stop whoever uses it and remove it")]
    SharedFile {
        /// The file.
        file: String,
        /// What it should be.
        what: &'static str,
    },
    /// The journal declares that frames are missing.
    #[error(
        "frames {first} to {last} are missing: the journal was told to leave them out rather than to hold the fabric back; say that gaps are allowed to go on behind them"
    )]
    Gap {
        /// The first sequence missing.
        first: u64,
        /// The last sequence missing.
        last: u64,
    },
    /// A position was not reached in time.
    #[error(
        "sequence {sequence} is not {level} yet, the journal has come to {reached} (alarm: {alarm:?}): see whether it runs and its disk works"
    )]
    NotReached {
        /// `recorded` or `durable`.
        level: &'static str,
        /// The sequence waited for.
        sequence: u64,
        /// How far the journal has come.
        reached: u64,
        /// What is the matter with it.
        alarm: AlarmState,
    },
    /// A segment is not sealed yet.
    #[error("{file} is not sealed yet: wait until it is, or end the journal")]
    NotSealed {
        /// The segment.
        file: String,
    },
    /// A proof does not hold.
    #[error("the proof does not hold: {problem}")]
    Proof {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A snapshot of state is not one, or not this machine's.
    #[error("the snapshot cannot be used: {problem}")]
    Snapshot {
        /// What is wrong.
        problem: String,
    },
    /// A stored position is beyond what there is.
    #[error(
        "position {sequence} lies beyond the end of the stream, {end}: what it stood for was lost with the host's memory; begin anew from a position that is durable"
    )]
    PositionLost {
        /// The position.
        sequence: u64,
        /// The last sequence there is.
        end: u64,
    },
    /// A file is not a key.
    #[error(
        "{file} is not a key file: it must hold `{expected}` and 64 hexadecimal digits; make one with `selvedge journal keygen`"
    )]
    KeyFile {
        /// The file.
        file: String,
        /// What it begins with.
        expected: &'static str,
    },
    /// The helper thread is gone.
    #[error("the journal's helper thread has ended unexpectedly: open the journal again")]
    HelperGone,
    /// The fabric that the stream is read from.
    #[error(transparent)]
    Fabric(#[from] selvedge_fabric::FabricError),
    /// The writer said that there was room, and then there was none.
    #[error(
        "frame {sequence} found no room in the journal's block although room was promised: a defect of the journal writer, please report it"
    )]
    PromiseBroken {
        /// The frame.
        sequence: u64,
    },
}

impl JournalError {
    /// What the host said, if the host is the cause.
    pub fn host_error(&self) -> Option<&io::Error> {
        match self {
            JournalError::Io { source, .. } => Some(source),
            JournalError::Stopped { cause } => cause.host_error(),
            _ => None,
        }
    }

    /// The alarm that this error is.
    pub(crate) fn alarm(&self) -> AlarmState {
        match self.host_error().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => AlarmState::NoSpace,
            Some(io::ErrorKind::ReadOnlyFilesystem) => AlarmState::ReadOnly,
            Some(_) => AlarmState::InputOutput,
            None => AlarmState::Other,
        }
    }
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => "; free space on that filesystem, nothing recorded is lost",
        io::ErrorKind::PermissionDenied => "; check owner and mode of the directory",
        io::ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}

pub(crate) fn io_error(
    operation: &'static str,
    file: &str,
) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io {
        operation,
        file: file.to_owned(),
        source,
    }
}

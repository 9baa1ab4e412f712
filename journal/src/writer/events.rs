//! What the helper thread is told, by the appender and by the threads that wait for the disk.

use crate::block::BlockBuffer;
use crate::format::BlockKind;
use crate::positions::AlarmState;
use crate::storage::StorageFile;
use std::io;

/// What the helper thread is told.
pub(super) enum Event {
    /// A block of frames to write.
    Block(BlockBuffer),
    /// A record to write between blocks.
    Record(BlockKind, Vec<u8>),
    /// Frames up to this sequence are left out.
    Gap {
        last_sequence: u64,
        began: u64,
        reason: AlarmState,
    },
    /// Make durable what there is.
    Sync,
    /// Write what there is, seal, and end.
    Finish,
    /// The writer is gone: write what there is, and end.
    Close,
    /// What does not depend on a block's place is computed.
    Examined { number: u64, block: BlockBuffer },
    /// A block was written, or not.
    Written {
        ticket: u64,
        block: BlockBuffer,
        result: WriteOutcome,
    },
    /// A sync has ended.
    Synced(io::Result<()>),
    /// The next segment's file was made, or not.
    Prepared(io::Result<Box<dyn StorageFile>>),
    /// A worker has panicked: what it had under way never comes back.
    WorkerLost,
}

/// What became of a write.
pub(super) enum WriteOutcome {
    Done,
    Failed(io::Error),
    /// One before it failed: it comes again when the journal has been opened again.
    NotTried,
}

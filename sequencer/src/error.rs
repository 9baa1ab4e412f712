//! What can stop a sequencer.

use selvedge_fabric::FabricError;
use selvedge_fabric::frame::MAX_SEQUENCE;

/// An error of the sequencer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerError {
    /// The fabric refused.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The 48 bits of sequence are used up.
    #[error(
        "fabric `{name}` has reached sequence {MAX_SEQUENCE}, the last there is: seal its journal and create a new fabric"
    )]
    SequencesUsedUp {
        /// The fabric.
        name: String,
    },
    /// What the predecessor left cannot be read.
    #[error(
        "epoch {epoch} of fabric `{name}` left no usable snapshot of its sources: its memory is damaged; recover from the journal, or remove the fabric and create it anew"
    )]
    NoSnapshot {
        /// The fabric.
        name: String,
        /// The predecessor's epoch.
        epoch: u64,
    },
    /// No bank is free for a new epoch.
    #[error(
        "every bank of fabric `{name}` is held by a replaced sequencer that still lives or by a consumer far behind: end those processes (`kill`), or wait for them"
    )]
    NoBank {
        /// The fabric.
        name: String,
    },
    /// The latency histogram could not be made.
    #[error("cannot make the latency histogram: {0:?}")]
    NoHistogram(hdrhistogram::CreationError),
    /// The thread that admits could not be started.
    #[error(
        "cannot start the sequencer's conductor thread: {0}; raise the limit on threads (ulimit -u)"
    )]
    NoThread(std::io::Error),
}

/// Results of this crate.
pub type Result<T, E = SequencerError> = std::result::Result<T, E>;

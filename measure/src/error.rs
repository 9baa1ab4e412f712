//! What can go wrong while measuring.

use selvedge_fabric::{ClaimError, FabricError};
use selvedge_sequencer::SequencerError;

/// The result of measuring.
pub type Result<T, E = MeasureError> = std::result::Result<T, E>;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The fabric refused.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The sequencer refused.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// A message could not be claimed.
    #[error("a message could not be claimed: {0:?}")]
    Claim(ClaimError),
    /// A file or process of the measurement.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: std::io::Error,
    },
    /// The process on the other core failed.
    #[error("the process on the other core failed: {0}")]
    Child(String),
    /// The other side did not answer.
    #[error("the other side did not answer within {seconds} s ({what})")]
    Stalled {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
    },
    /// The host cannot do what was asked.
    #[error("{0}")]
    Host(String),
    /// Messages arrived damaged, or not at all: no figure is worth anything then.
    #[error("{what}: {got} instead of {expected}")]
    Wrong {
        /// What was compared.
        what: &'static str,
        /// What arrived.
        got: u64,
        /// What was sent.
        expected: u64,
    },
}

impl MeasureError {
    /// An input or output error with what was tried.
    pub fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        MeasureError::Io {
            what: what.into(),
            error,
        }
    }
}

impl From<ClaimError> for MeasureError {
    fn from(error: ClaimError) -> Self {
        MeasureError::Claim(error)
    }
}

/// An error unless what arrived is what was sent.
pub fn check_equal(what: &'static str, got: u64, expected: u64) -> Result<()> {
    if got == expected {
        Ok(())
    } else {
        Err(MeasureError::Wrong {
            what,
            got,
            expected,
        })
    }
}

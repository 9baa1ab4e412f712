//! What can go wrong in the tools.

use selvedge_fabric::FabricError;
use selvedge_fabric::agent::AgentError;
use selvedge_journal::JournalError;
use selvedge_market::MarketError;
use selvedge_sequencer::SequencerError;
use std::path::PathBuf;

/// An error of the `selvedge` command.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The fabric refused.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The sequencer refused.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The journal refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A measurement failed.
    #[error(transparent)]
    Measure(#[from] selvedge_measure::MeasureError),
    /// The market data refused.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// An agent failed.
    #[error("{role}: {error}")]
    Role {
        /// Which.
        role: String,
        /// Why.
        error: String,
    },
    /// A process of the demo died.
    #[error("the process with {roles} ended with {status}: {detail}")]
    Child {
        /// What it did.
        roles: String,
        /// How it ended.
        status: String,
        /// What it said.
        detail: String,
    },
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Host {
        /// What was tried.
        action: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A directory that should be new has something in it.
    #[error("{path} is not empty: name a new directory for the journal, or remove this one", path = .0.display())]
    NotEmpty(PathBuf),
    /// The replay did not give what the day gave.
    #[error("the replay of {journal} does not agree with the day: {detail}")]
    ReplayDiffers {
        /// The journal.
        journal: String,
        /// In what.
        detail: String,
    },
    /// The journal is damaged.
    #[error("the journal in {journal} is damaged: {detail}")]
    JournalDamaged {
        /// The journal.
        journal: String,
        /// The first places.
        detail: String,
    },
    /// A query is wrong.
    #[error(transparent)]
    Query(#[from] selvedge_query::QueryError),
    /// An argument is wrong.
    #[error("{argument}: {problem}")]
    Argument {
        /// Which.
        argument: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A person pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl ToolError {
    /// An error of the operating system.
    pub fn host(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> ToolError {
        let action = action.into();
        move |source| ToolError::Host { action, source }
    }

    /// An error of an agent.
    pub fn role(role: &str) -> impl FnOnce(AgentError) -> ToolError {
        let role = role.to_owned();
        move |error| ToolError::Role {
            role,
            error: error.to_string(),
        }
    }
}

/// Results of the tools.
pub type Result<T, E = ToolError> = std::result::Result<T, E>;

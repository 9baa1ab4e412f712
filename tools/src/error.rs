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
    /// An expression is not one.
    #[error(transparent)]
    Query(#[from] selvedge_query::QueryError),
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
    /// A topology file is not there.
    #[error("there is no topology file {path}: check the path; `selvedge check --example > fabric.toml` writes one to begin with", path = .0.display())]
    NoTopology(PathBuf),
    /// A topology file has mistakes.
    #[error("{path} has mistakes:\n{}\nnext: mend them and run `selvedge check {path}`", problem_lines(.problems), path = .path.display())]
    BadTopology {
        /// The file.
        path: PathBuf,
        /// Each with its line.
        problems: Vec<crate::topology::Problem>,
    },
    /// A supervisor runs already.
    #[error(
        "fabric `{name}` is already up, its supervisor is process {pid}: stop it first with `selvedge down {name}`"
    )]
    AlreadyUp {
        /// The fabric.
        name: String,
        /// The supervisor.
        pid: u32,
    },
    /// The fabric that is there is not the one that the topology describes.
    #[error(
        "fabric `{name}` was made with {key} = {is}, the topology file says {wanted}: mend the file, or remove the fabric with `selvedge remove {name}` (what it holds is gone then)"
    )]
    OtherShape {
        /// The fabric.
        name: String,
        /// What differs.
        key: &'static str,
        /// What the file says.
        wanted: u64,
        /// What is so.
        is: u64,
    },
    /// Something did not start.
    #[error(
        "fabric `{name}` is not up: {what} did not start within {waited_s} s; `selvedge doctor` says what may be wrong with the host"
    )]
    NotUp {
        /// The fabric.
        name: String,
        /// What did not start.
        what: String,
        /// How long was waited.
        waited_s: u64,
    },
    /// The supervisor ended before everything ran.
    #[error("fabric `{name}` is not up: its supervisor ended with {status} and said:\n{said}")]
    SupervisorEnded {
        /// The fabric.
        name: String,
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// An agent died again and again.
    #[error(
        "the {role} died {deaths} times in a minute, the last time with {status}: given up; its log says why"
    )]
    GivenUp {
        /// Which.
        role: &'static str,
        /// How often.
        deaths: usize,
        /// How it ended last.
        status: String,
    },
    /// Something did not end.
    #[error(
        "{what} of fabric `{name}` did not end within {waited_s} s: it may wait for a consumer that does not read (`selvedge status {name}`); end it with kill -9 if it must be"
    )]
    NotDown {
        /// The fabric.
        name: String,
        /// What did not end.
        what: String,
        /// How long was waited.
        waited_s: u64,
    },
    /// Something that needs a terminal has none.
    #[error("`top` needs a terminal: for scripts there is `selvedge status --json --watch`")]
    NoTerminal,
    /// It is not clear which fabric is meant.
    #[error("name a fabric: this host has {names}")]
    WhichFabric {
        /// Those that there are.
        names: String,
    },
    /// No message type is called so.
    #[error("no message type is called `{wanted}`: this fabric has {known}")]
    UnknownType {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// Something could not be written as JSON.
    #[error("cannot {action}: {source}")]
    Json {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A torture found something.
    #[error("torture: {detail}")]
    Torture {
        /// What.
        detail: String,
    },
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

fn problem_lines(problems: &[crate::topology::Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("  {problem}"))
        .collect();
    lines.join("\n")
}

impl ToolError {
    /// An error of the operating system.
    pub fn host(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> ToolError {
        let action = action.into();
        move |source| ToolError::Host { action, source }
    }

    /// An error of JSON.
    pub fn json(action: &'static str) -> impl FnOnce(serde_json::Error) -> ToolError {
        move |source| ToolError::Json { action, source }
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

//! The demo's options.

use clap::{Args, ValueEnum};
use selvedge_fabric::memory::Pages;
use std::path::PathBuf;

/// A trading day through the fabric: an ITCH feed in, one total order, a strategy and an order
/// gateway on it, a journal, and a replay that proves the day.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  selvedge demo                                   a made-up session
  selvedge demo --itch day.itch50.gz              a real one
  selvedge demo --pace 10x --messages 200000      ten times as fast as it was
  selvedge demo --bbo best.csv --json             for scripts
  selvedge demo --replay DIR                      the journal of an earlier run")]
pub struct DemoArgs {
    /// Play this NASDAQ ITCH 5.0 file (BinaryFILE framing, plain or .gz) instead of a made-up
    /// session.
    #[arg(long, value_name = "FILE")]
    pub itch: Option<PathBuf>,
    /// Messages of the made-up session.
    #[arg(long, default_value_t = 1_000_000, conflicts_with = "itch")]
    pub messages: u64,
    /// Seed of the made-up session: another seed, another day.
    #[arg(long, default_value_t = 1, conflicts_with = "itch")]
    pub seed: u64,
    /// Symbols of the made-up session.
    #[arg(long, default_value_t = 8, conflicts_with = "itch")]
    pub symbols: u16,
    /// How fast the day is played.
    #[arg(long, value_enum, default_value_t = Speed::Max)]
    pub pace: Speed,
    /// How the roles are placed on processes and threads.
    #[arg(long, value_enum, default_value_t = Placement::Auto)]
    pub placement: Placement,
    /// Where the journal is written: a new or empty directory.
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// Write the best bid and offer after every book change to this CSV file.
    #[arg(long, value_name = "FILE")]
    pub bbo: Option<PathBuf>,
    /// Memory pages of the rings; 2 MiB pages where there are any unless said.
    #[arg(long, value_enum)]
    pub pages: Option<PageChoice>,
    /// Only replay the journal of an earlier run.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["itch", "journal"])]
    pub replay: Option<PathBuf>,
    /// Print one JSON object as the last line instead of the summary.
    #[arg(long)]
    pub json: bool,
}

/// How fast a day is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Speed {
    /// As fast as it happened (from the opening on; what comes before is sent at once).
    #[value(name = "1x")]
    Real,
    /// Ten times as fast.
    #[value(name = "10x")]
    Tenfold,
    /// As fast as the fabric takes it.
    Max,
}

impl Speed {
    /// The factor, 0 for as fast as possible.
    pub fn factor(self) -> u32 {
        match self {
            Speed::Real => 1,
            Speed::Tenfold => 10,
            Speed::Max => 0,
        }
    }
}

/// How roles are placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Placement {
    /// As many processes as there are cores, at most one for each role.
    Auto,
    /// A process for each role.
    Processes,
    /// Threads of one process.
    Threads,
    /// One thread that steps all roles in turn: two runs give the same journal.
    Stepped,
}

/// Memory pages of the rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PageChoice {
    /// 2 MiB pages where there are any.
    Prefer2mib,
    /// 2 MiB pages or an error.
    Require2mib,
    /// 1 GiB pages or an error.
    Require1gib,
    /// 4 KiB pages.
    Small,
}

impl From<PageChoice> for Pages {
    fn from(choice: PageChoice) -> Self {
        match choice {
            PageChoice::Prefer2mib => Pages::Prefer2MiB,
            PageChoice::Require2mib => Pages::Require2MiB,
            PageChoice::Require1gib => Pages::Require1GiB,
            PageChoice::Small => Pages::Small,
        }
    }
}

//! The command line.

use crate::demo::{DemoArgs, GroupArgs};
use crate::fabric_commands::{CreateArgs, RemoveArgs, SequencerArgs};
use crate::journal_bench::JournalBenchArgs;
use crate::journal_commands::{JournalArgs, ReplayArgs};
use clap::{Parser, Subcommand};
use selvedge_measure::bench::What;

/// An ultra-low-latency shared-memory messaging fabric: one total order over all producers, read
/// in place by any number of consumers, journaled for audit and replay.
#[derive(Parser, Debug)]
#[command(name = "selvedge", version, about, long_about = None, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Play a trading day through the fabric: feed, sequencer, strategy, gateway, journal, replay
    Demo(DemoArgs),
    /// Measure latency and throughput on this host, with a report
    #[command(subcommand)]
    Bench(Bench),
    /// Create a fabric
    Create(CreateArgs),
    /// Run the sequencer of a fabric until SIGTERM
    Sequencer(SequencerArgs),
    /// List the fabrics of this host
    Ls,
    /// Remove a fabric
    Remove(RemoveArgs),
    /// Record, verify, compare and show journals
    Journal(JournalArgs),
    /// Publish what a journal holds into a live fabric
    Replay(ReplayArgs),
    /// One process of the demo
    #[command(hide = true)]
    DemoGroup(GroupArgs),
}

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// The fabric's own paths.
    #[command(flatten)]
    Fabric(What),
    /// The journal against its disk and its hash functions
    Journal(JournalBenchArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

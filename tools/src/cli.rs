//! The command line.

use crate::check::CheckArgs;
use crate::completions::CompletionsArgs;
use crate::demo::{DemoArgs, GroupArgs};
use crate::describe::DescribeArgs;
use crate::doctor::DoctorArgs;
use crate::exporter::ExporterArgs;
use crate::fabric_commands::{CreateArgs, RemoveArgs, SequencerArgs};
use crate::journal_bench::JournalBenchArgs;
use crate::journal_commands::{JournalArgs, ReplayArgs};
use crate::latency::LatencyArgs;
use crate::logging::LogFormat;
use crate::status::StatusArgs;
use crate::supervise::{DownArgs, UpArgs};
use crate::tap::TapArgs;
use crate::top::TopArgs;
use crate::torture::{RoleArgs, TortureArgs};
use crate::tune::TuneArgs;
use clap::{Parser, Subcommand};
use selvedge_measure::bench::What;

/// An ultra-low-latency shared-memory messaging fabric: one total order over all producers, read
/// in place by any number of consumers, journaled for audit and replay.
#[derive(Parser, Debug)]
#[command(name = "selvedge", version, about, long_about = None, arg_required_else_help = true)]
pub struct Cli {
    /// How logs are written, to standard error; SELVEDGE_LOG=debug says more.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human, env = "SELVEDGE_LOG_FORMAT", hide_env = true)]
    pub log_format: LogFormat,
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
    #[command(after_help = "\
Examples:
  selvedge bench latency                    one ring between two processes
  selvedge bench sequenced --rate 1000000   through the sequencer
  selvedge bench journal --directory /var/lib/selvedge")]
    Bench(Bench),
    /// Create a fabric
    Create(CreateArgs),
    /// Run the sequencer of a fabric until SIGTERM
    Sequencer(SequencerArgs),
    /// List the fabrics of this host
    #[command(after_help = "\
Examples:
  selvedge ls
  SELVEDGE_DIR=/dev/shm/other selvedge ls")]
    Ls,
    /// Show who takes part and how they keep up
    #[command(visible_alias = "stat")]
    Status(StatusArgs),
    /// Watch a fabric live
    Top(TopArgs),
    /// Serve metrics for Prometheus
    Exporter(ExporterArgs),
    /// Show message types with their fields
    Describe(DescribeArgs),
    /// Print live messages, decoded, slowing nobody
    Tap(TapArgs),
    /// Show, export or reset the latency histograms
    Latency(LatencyArgs),
    /// Look at this host as an expert would: what costs latency, and what mends it
    Doctor(DoctorArgs),
    /// Print what an expert would set on this host, as a script; applies nothing
    #[command(after_help = "\
Examples:
  selvedge tune plan fabric.toml > tune.sh")]
    Tune(TuneArgs),
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// Check a topology file: every mistake with its line and remedy
    Check(CheckArgs),
    /// Start a fabric with its agents from a topology file
    Up(UpArgs),
    /// End a fabric in order
    Down(DownArgs),
    /// Remove a fabric
    Remove(RemoveArgs),
    /// Record, verify, compare and show journals
    Journal(JournalArgs),
    /// Kill and freeze processes of a fabric under load, and account for every message
    #[command(after_help = "\
Examples:
  selvedge torture                                 200 kills, 50 freezes
  selvedge torture --kills 1000 --freezes 0 --seed 7
  selvedge torture --takeover --kills 100 --json   how long a takeover takes")]
    Torture(TortureArgs),
    /// Publish what a journal holds into a live fabric
    #[command(after_help = "\
Examples:
  selvedge replay DIR --into test                  as fast as it happened
  selvedge replay DIR --into test --speed max --from seq:1000")]
    Replay(ReplayArgs),
    /// One process of the demo
    #[command(hide = true)]
    DemoGroup(GroupArgs),
    /// One process of the torture
    #[command(hide = true)]
    TortureRole(RoleArgs),
}

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// The fabric's own paths.
    #[command(flatten)]
    Fabric(What),
    /// The journal against its disk and its hash functions
    #[command(after_help = "\
Examples:
  selvedge bench journal --directory /var/lib/selvedge
  selvedge bench journal --mib 64 --rounds 1 --fabric-seconds 0")]
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

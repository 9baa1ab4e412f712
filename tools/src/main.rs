//! The `selvedge` command: run, watch, verify and replay a fabric.

mod cli;
mod demo;
mod error;
mod fabric_commands;
mod journal_bench;
mod journal_commands;

use clap::Parser;
use cli::{Bench, Cli, Command};
use selvedge_measure::bench::BenchArgs;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A measurement starts this program again as its second process.
    selvedge_measure::maybe_run_child();
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::DemoGroup(args) => demo::run_group_process(args),
        Command::Bench(Bench::Fabric(what)) => {
            let what = what.clone();
            selvedge_measure::bench::run(&BenchArgs { what }).map_err(Into::into)
        }
        Command::Create(args) => fabric_commands::create(args),
        Command::Sequencer(args) => fabric_commands::sequencer(args),
        Command::Ls => fabric_commands::list(),
        Command::Remove(args) => fabric_commands::remove(args),
        Command::Bench(Bench::Journal(args)) => journal_bench::run(args),
        Command::Replay(args) => journal_commands::run_replay(args),
        Command::Journal(args) => journal_commands::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error::ToolError::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("selvedge: {error}");
            ExitCode::FAILURE
        }
    }
}

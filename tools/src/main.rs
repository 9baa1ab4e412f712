//! The `selvedge` command: run, watch, verify and replay a fabric.

mod cli;
mod demo;
mod error;
mod fabric_commands;
mod journal_commands;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A measurement starts this program again as its second process.
    selvedge_measure::maybe_run_child();
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::DemoGroup(args) => demo::run_group_process(args),
        Command::Bench(args) => selvedge_measure::bench::run(args).map_err(Into::into),
        Command::Create(args) => fabric_commands::create(args),
        Command::Sequencer(args) => fabric_commands::sequencer(args),
        Command::Ls => fabric_commands::list(),
        Command::Remove(args) => fabric_commands::remove(args),
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

//! The `selvedge` command: run, watch, verify and replay a fabric.

mod cli;
mod demo;
mod error;
mod fabric_commands;
mod journal_bench;
mod journal_commands;

use clap::Parser;
use cli::{Bench, Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::DemoGroup(args) => demo::run_group_process(args),
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

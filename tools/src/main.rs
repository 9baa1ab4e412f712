//! The `selvedge` command: run, watch, verify and replay a fabric.

mod check;
mod cli;
mod completions;
mod decode;
mod demo;
mod describe;
mod doctor;
mod error;
mod exporter;
mod fabric_commands;
mod help;
mod journal_bench;
mod journal_commands;
mod latency;
mod locate;
mod logging;
mod observe;
mod operator;
mod status;
mod supervise;
mod tap;
mod text;
mod top;
mod topology;
mod torture;
mod tune;

use clap::{CommandFactory as _, FromArgMatches as _};
use cli::{Bench, Cli, Command};
use selvedge_measure::bench::BenchArgs;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A measurement starts this program again as its second process.
    selvedge_measure::maybe_run_child();
    let matches = help::grouped(Cli::command()).get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    logging::start(cli.log_format);
    match run(&cli.command) {
        Ok(code) => code,
        Err(error::ToolError::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("selvedge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> error::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args)?,
        Command::Bench(Bench::Fabric(what)) => {
            let what = what.clone();
            selvedge_measure::bench::run(&BenchArgs { what })?;
        }
        Command::Bench(Bench::Journal(args)) => journal_bench::run(args)?,
        Command::Replay(args) => journal_commands::run_replay(args)?,
        Command::DemoGroup(args) => demo::run_group_process(args)?,
        Command::Torture(args) => torture::run(args)?,
        Command::TortureRole(args) => torture::run_role(args)?,
        Command::Create(args) => fabric_commands::create(args)?,
        Command::Sequencer(args) => fabric_commands::sequencer(args)?,
        Command::Ls => fabric_commands::list()?,
        Command::Status(args) => status::run(args)?,
        Command::Describe(args) => describe::run(args)?,
        Command::Tap(args) => tap::run(args)?,
        Command::Top(args) => top::run(args)?,
        Command::Exporter(args) => exporter::run(args)?,
        Command::Latency(args) => latency::run(args)?,
        Command::Doctor(args) => return doctor::run(args),
        Command::Tune(args) => tune::run(args)?,
        Command::Completions(args) => completions::run(args)?,
        Command::Check(args) => return check::run(args),
        Command::Up(args) => supervise::up(args)?,
        Command::Down(args) => supervise::down(args)?,
        Command::Remove(args) => fabric_commands::remove(args)?,
        Command::Journal(args) => journal_commands::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

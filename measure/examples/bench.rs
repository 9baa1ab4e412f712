//! `selvedge bench` by itself: what a program that embeds the measurements does.

use clap::Parser;
use selvedge_measure::bench::{BenchArgs, run};
use std::process::ExitCode;

/// Open-loop measurements of a fabric, with a report.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    bench: BenchArgs,
}

fn main() -> ExitCode {
    selvedge_measure::maybe_run_child();
    match run(&Arguments::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! Fixed work on the path in one thread, to be run under callgrind: claims and commits, sequences
//! and polls `MESSAGES` lines in runs of 64. The phases are functions of [`Stepped`] that are not
//! inlined, so that a profile tells them apart. With `unrecorded` as the second argument nobody
//! records latency: the difference is what recording costs.

use selvedge_measure::scenarios::Line;
use selvedge_measure::stepped::Stepped;
use selvedge_measure::{Result, check_equal};
use std::process::ExitCode;

/// Messages in a run: as many as the sequencer takes from one ring in one pass.
const RUN: u64 = 64;

fn run(messages: u64, recorded: bool) -> Result<()> {
    let mut stepped = if recorded {
        Stepped::repeatable()?
    } else {
        Stepped::unrecorded()?
    };
    let mut sum = 0u64;
    let mut number = 1;
    while number <= messages {
        stepped.publish(number, RUN)?;
        stepped.sequence(RUN)?;
        sum = sum.wrapping_add(stepped.poll(RUN)?);
        number += RUN;
    }
    check_equal("sum of all words", sum, Line::sum_of(number - 1))
}

fn main() -> ExitCode {
    let messages = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(64_000);
    let recorded = std::env::args().nth(2).as_deref() != Some("unrecorded");
    match run(messages, recorded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

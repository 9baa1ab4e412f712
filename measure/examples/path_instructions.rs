//! Fixed work on the path in one thread, to be run under callgrind: claims and commits, sequences
//! and polls `MESSAGES` lines (first argument) in runs of `RUN` (second argument). The phases are
//! functions of [`Stepped`] that are not inlined, so that a profile tells them apart. With
//! `unrecorded` as the third argument nobody records latency: the difference is what recording
//! costs. With `run` each run is published at once, not message by message.

use selvedge_measure::scenarios::Line;
use selvedge_measure::stepped::Stepped;
use selvedge_measure::{Result, check_equal};
use std::process::ExitCode;

fn run(messages: u64, length: u64, how: &str) -> Result<()> {
    let mut stepped = match how {
        "unrecorded" => Stepped::unrecorded()?,
        _ => Stepped::repeatable()?,
    };
    let mut sum = 0u64;
    let mut number = 1;
    while number <= messages {
        match how {
            "run" => stepped.publish_run(number, length)?,
            _ => stepped.publish(number, length)?,
        }
        stepped.sequence(length)?;
        sum = sum.wrapping_add(stepped.poll(length)?);
        number += length;
    }
    check_equal("sum of all words", sum, Line::sum_of(number - 1))
}

fn main() -> ExitCode {
    let argument = |place, otherwise| {
        std::env::args()
            .nth(place)
            .and_then(|text| text.parse().ok())
            .unwrap_or(otherwise)
    };
    let how = std::env::args().nth(3).unwrap_or_default();
    match run(argument(1, 64_000), argument(2, 64), &how) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

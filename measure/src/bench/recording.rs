//! `bench recording`: what the always-on latency histograms cost on the path that they measure.
//!
//! The sequenced hop and the sequenced stream, each with recording and without, in turn in every
//! round of one run. What counts is the ratio of two measurements of the same round.

use super::arguments::RecordingArgs;
use super::report::{Report, Table};
use crate::cores::CorePair;
use crate::error::{MeasureError, Result};
use crate::rounds::{Outcome, RoundSettings, Series, run_rounds};
use crate::samples::median;
use crate::scenario::{Kind, Plan, Scenario};
use crate::scenarios::{RawWord, SequencedLatency, SequencedThroughput};

/// Repetitions of one disturbed measurement.
const REPEATS: usize = 2;

pub(super) fn run(args: &RecordingArgs) -> Result<()> {
    let cores = if args.cores.is_empty() {
        CorePair::choose()?
    } else {
        CorePair::of(&args.cores)?
    };
    let mut report = Report::new("recording", &[cores.near, cores.far]);
    let mut scenarios: Vec<Box<dyn Scenario>> = vec![
        Box::new(SequencedLatency::plain()),
        Box::new(SequencedLatency::unrecorded()),
        Box::new(SequencedThroughput::shipped()),
        Box::new(SequencedThroughput::unrecorded()),
    ];
    let plan = Plan {
        duration: args.duration,
        ..Plan::new(cores)
    };
    let settings = RoundSettings {
        rounds: args.rounds as usize,
        repeats: REPEATS,
    };
    let outcome = run_rounds(&settings, &plan, &mut RawWord, &mut scenarios, |text| {
        eprintln!("{text}");
    })?;
    report.note(format!(
        "{} rounds, {} ms a measurement. Each ratio is of two measurements of one round, with recording to without: above 1 for the hop, below 1 for the rate, is what recording costs. One hop is half a round trip of one message: consumer and sequencer then each record one message of 16; in the stream one sample covers a run of up to 64.",
        args.rounds,
        args.duration.as_millis(),
    ));
    for series in &outcome.series {
        if series.kept_disturbed > 0 {
            report.note(format!(
                "{}, {:?}: {} of {} rounds were disturbed in every repetition ({}); the quietest counts.",
                series.name,
                series.kind,
                series.kept_disturbed,
                args.rounds,
                series.disturbed_by.as_deref().unwrap_or("by somebody"),
            ));
        }
    }
    report.table(table(&outcome)?);
    report.finish(&args.output)
}

fn table(outcome: &Outcome) -> Result<Table> {
    let with = find(outcome, Kind::Latency, "sequenced")?;
    let without = find(outcome, Kind::Latency, "sequenced_unrecorded")?;
    let p50 = |series: &Series| series.latency.iter().map(|hop| hop.p50).collect();
    let p99 = |series: &Series| series.latency.iter().map(|hop| hop.p99).collect();
    let fast = find(outcome, Kind::Throughput, "sequenced")?;
    let faster = find(outcome, Kind::Throughput, "sequenced_unrecorded")?;
    let rate = |series: &Series| series.rates.iter().map(|rate| rate / 1e6).collect();
    Ok(Table {
        title: "With and without recording".to_owned(),
        heading: [
            "what",
            "recorded",
            "unrecorded",
            "ratio",
            "lowest",
            "highest",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: vec![
            row("one hop, p50, ns", p50(with), p50(without)),
            row("one hop, p99, ns", p99(with), p99(without)),
            row("M messages/s", rate(fast), rate(faster)),
        ],
    })
}

fn find<'a>(outcome: &'a Outcome, kind: Kind, name: &str) -> Result<&'a Series> {
    let series = outcome
        .find(kind, name)
        .ok_or_else(|| MeasureError::Host(format!("{name} was not measured")))?;
    match &series.error {
        Some(error) => Err(MeasureError::Host(format!("{name}: {error}"))),
        None => Ok(series),
    }
}

/// Medians over the rounds, and of the ratios of each round.
fn row(what: &str, with: Vec<f64>, without: Vec<f64>) -> Vec<String> {
    let ratios: Vec<f64> = with
        .iter()
        .zip(&without)
        .map(|(with, without)| with / without.max(f64::MIN_POSITIVE))
        .collect();
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    vec![
        what.to_owned(),
        format!("{:.1}", median(&with)),
        format!("{:.1}", median(&without)),
        format!("{:.3}", median(&ratios)),
        format!("{lowest:.3}"),
        format!("{highest:.3}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let cells = row("hop", vec![110.0, 220.0, 99.0], vec![100.0, 200.0, 100.0]);
        assert_eq!(cells[1..], ["110.0", "100.0", "1.100", "0.990", "1.100"]);
    }
}

//! `bench recording`: what the always-on latency histograms cost on the path that they measure.
//!
//! The sequenced hop and the sequenced stream, each with recording and without, in turn in every
//! round of one run. What counts are the ratios of two measurements over which the raw limit was alike.

use super::arguments::RecordingArgs;
use super::report::{Report, Table};
use crate::cores::CorePair;
use crate::error::{MeasureError, Result};
use crate::rounds::{Outcome, RoundSettings, Series, paired_ratios, run_rounds};
use crate::samples::{Percentiles, median};
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
    let outcome = run_rounds(
        &settings,
        &plan,
        &mut RawWord::unpaused(),
        &mut scenarios,
        |text| {
            eprintln!("{text}");
        },
    )?;
    report.note(format!(
        "{} rounds, {} ms a measurement. Each ratio is of two measurements, with recording to without, over which the raw limit was alike: above 1 for the hop, below 1 for the rate, is what recording costs. One hop is half a round trip of one message: consumer and sequencer then each record one message of 16; in the stream one sample covers a run of up to 64.",
        args.rounds,
        args.duration.as_millis(),
    ));
    for series in &outcome.series {
        if series.kept_drifting > 0 {
            report.note(format!(
                "{}, {:?}: in {} of {} rounds the raw limit moved over every repetition; the last counts.",
                series.name, series.kind, series.kept_drifting, args.rounds,
            ));
        }
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
    let p50 = |hop: &Percentiles| hop.p50;
    let p99 = |hop: &Percentiles| hop.p99;
    let fast = find(outcome, Kind::Throughput, "sequenced")?;
    let faster = find(outcome, Kind::Throughput, "sequenced_unrecorded")?;
    let rates =
        |series: &Series| -> Vec<f64> { series.rates.iter().map(|rate| rate / 1e6).collect() };
    let hops = |series: &Series, figure: fn(&Percentiles) -> f64| -> Vec<f64> {
        series.latency.iter().map(figure).collect()
    };
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
            row(
                "one hop, p50, ns",
                (&hops(with, p50), &with.limits),
                (&hops(without, p50), &without.limits),
            )?,
            row(
                "one hop, p99, ns",
                (&hops(with, p99), &with.limits),
                (&hops(without, p99), &without.limits),
            )?,
            row(
                "M messages/s",
                (&rates(fast), &fast.limits),
                (&rates(faster), &faster.limits),
            )?,
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

/// Medians over the rounds, and of the ratios; each figure with the limits around it.
fn row(what: &str, with: (&[f64], &[f64]), without: (&[f64], &[f64])) -> Result<Vec<String>> {
    let ratios = paired_ratios(with, without);
    if ratios.is_empty() {
        return Err(MeasureError::Host(format!(
            "{what}: the raw limit was never alike with and without recording; take more --rounds"
        )));
    }
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        what.to_owned(),
        format!("{:.1}", median(with.0)),
        format!("{:.1}", median(without.0)),
        format!("{:.3}", median(&ratios)),
        format!("{lowest:.3}"),
        format!("{highest:.3}"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_measurements_over_which_the_host_was_alike() {
        let with = ([110.0, 400.0], [50.0, 200.0]);
        let without = ([100.0, 200.0], [52.0, 210.0]);
        let cells = row("hop", (&with.0, &with.1), (&without.0, &without.1)).expect("two pairs");
        assert_eq!(cells[1..], ["255.0", "150.0", "1.550", "1.100", "2.000"]);
        assert!(row("hop", (&[1.0], &[50.0]), (&[1.0], &[100.0])).is_err());
    }
}

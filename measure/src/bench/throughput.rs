//! `bench throughput`: as fast as possible, again and again.
//!
//! The distributions are of the times that the reader took for each batch of 64 KiB of messages. At
//! full speed the rings are full, so that the latency of a message would only tell how long they
//! are; from one batch to the next every stall of either side shows. What messages take at a rate
//! that leaves room is what `bench latency` and `bench sequenced` measure.

use super::arguments::Common;
use super::report::{Curve, Report, Strip, Table};
use crate::batches::BatchTimes;
use crate::error::Result;
use crate::recorder::Recorded;
use crate::samples::median;
use crate::scenario::{Figure, Plan, Scenario};
use crate::scenarios::{CopyLimit, Line, RingPayload, RingThroughput, SequencedThroughput};
use std::time::{Duration, Instant};

/// Measurements that the time asked for is divided into.
const PARTS: u32 = 10;

pub(super) fn run(common: &Common) -> Result<()> {
    let cores = common.pair()?;
    let size = common.size()?;
    let mut report = Report::new("throughput", &[cores.near, cores.far]);
    let in_slot = size <= size_of::<Line>();
    // The copy loop needs slots of a power of two.
    let limited = !in_slot && size.is_power_of_two();
    let mut scenarios: Vec<Box<dyn Scenario>> = if in_slot {
        vec![
            Box::new(RingThroughput::shipped()),
            Box::new(SequencedThroughput::shipped()),
        ]
    } else {
        report.note(format!(
            "{size} bytes do not fit a slot: through the payload ring, without the sequencer; beside it a plain copy loop between the two cores"
        ));
        // The copy loop, the limit, comes first.
        let mut scenarios: Vec<Box<dyn Scenario>> = Vec::new();
        if limited {
            scenarios.push(Box::new(CopyLimit::new(size)));
        }
        scenarios.push(Box::new(RingPayload::new(size)));
        scenarios
    };
    let mut plan = Plan::new(cores);
    plan.duration =
        (common.duration / (PARTS * scenarios.len() as u32)).max(Duration::from_millis(10));
    plan.poll_limit = common.poll_limit();
    let started = Instant::now();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); scenarios.len()];
    let mut batches: Vec<Vec<BatchTimes>> = vec![Vec::new(); scenarios.len()];
    let mut disturbed = vec![0usize; scenarios.len()];
    for part in 0..PARTS {
        for (index, scenario) in scenarios.iter_mut().enumerate() {
            let measured = scenario.run(&plan)?;
            if let Figure::Rate(rate) = measured.figure {
                rates[index].push(rate);
            }
            batches[index].extend(measured.batches);
            disturbed[index] += usize::from(measured.disturbance.reason().is_some());
        }
        eprintln!(
            "throughput: part {} of {PARTS}, {:.0} s",
            part + 1,
            started.elapsed().as_secs_f64()
        );
    }
    for (index, (scenario, batches)) in scenarios.iter().zip(&batches).enumerate() {
        distribution(
            &mut report,
            scenario.name(),
            batches,
            plan.duration,
            limited && index == 0,
        )?;
    }
    report.note(format!(
        "As fast as possible, {PARTS} times {} ms each, in turn, frames asked for {} at a time. Distributions and strips are of the time that the reader took for each batch of 64 KiB of messages: how even the stream is, every stall included. At full speed the rings are full, so the latency of a message would only tell how long they are; latency is what bench latency and bench sequenced measure, at a rate that leaves room.",
        plan.duration.as_millis(),
        plan.poll_limit,
    ));
    let bytes = size.max(64) as f64;
    let rows = scenarios
        .iter()
        .zip(&rates)
        .zip(&disturbed)
        .map(|((scenario, rates), disturbed)| {
            let (lowest, highest) = rates
                .iter()
                .fold((f64::INFINITY, 0.0f64), |(low, high), &rate| {
                    (low.min(rate), high.max(rate))
                });
            let middle = median(rates);
            vec![
                scenario.name().to_owned(),
                format!("{:.3}", middle / 1e6),
                format!("{:.3}", lowest / 1e6),
                format!("{:.3}", highest / 1e6),
                format!("{:.2}", middle * bytes / 1e9),
                format!("{disturbed} of {}", rates.len()),
                scenario.describe(),
            ]
        })
        .collect();
    report.table(Table {
        title: "Throughput".to_owned(),
        heading: [
            "what",
            "M messages/s, median",
            "lowest",
            "highest",
            "GB/s",
            "disturbed",
            "how",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
    });
    report.finish(&common.output)
}

/// Adds the times of the batches of all parts to the report, as a curve and over time.
fn distribution(
    report: &mut Report,
    name: &str,
    parts: &[BatchTimes],
    each: Duration,
    limit: bool,
) -> Result<()> {
    let Some(first) = parts.first() else {
        return Ok(());
    };
    let recorded: Vec<Recorded> = parts.iter().map(|part| part.recorded.clone()).collect();
    let joined = Recorded::joined(&recorded);
    let histogram = joined.histogram()?;
    report.of_batches(first.messages);
    report.curve(if limit {
        Curve::limit(name, histogram)
    } else {
        Curve::measured(name, histogram)
    });
    report.strip(Strip {
        name: name.to_owned(),
        buckets: joined.buckets,
        duration: each * parts.len() as u32,
    });
    Ok(())
}

//! `bench throughput`: as fast as possible, again and again.

use super::arguments::Common;
use super::report::{Report, Table};
use crate::error::Result;
use crate::samples::median;
use crate::scenario::{Figure, Plan, Scenario};
use crate::scenarios::{CopyLimit, RingPayload, RingThroughput, SequencedThroughput};
use std::time::{Duration, Instant};

/// Measurements that the time asked for is divided into.
const PARTS: u32 = 10;

pub(super) fn run(common: &Common) -> Result<()> {
    let cores = common.pair()?;
    let size = common.size()?;
    let mut report = Report::new("throughput", &[cores.near, cores.far]);
    let mut scenarios: Vec<Box<dyn Scenario>> = if size <= 32 {
        vec![
            Box::new(RingThroughput::shipped()),
            Box::new(SequencedThroughput::shipped()),
        ]
    } else {
        report.note(format!(
            "{size} bytes do not fit a slot: through the payload ring, without the sequencer; beside it a plain copy loop between the two cores"
        ));
        let mut scenarios: Vec<Box<dyn Scenario>> = vec![Box::new(RingPayload::new(size))];
        // The copy loop needs slots of a power of two.
        if size.is_power_of_two() {
            scenarios.push(Box::new(CopyLimit::new(size)));
        }
        scenarios
    };
    let mut plan = Plan::new(cores);
    plan.duration =
        (common.duration / (PARTS * scenarios.len() as u32)).max(Duration::from_millis(10));
    plan.poll_limit = common.poll_limit();
    let started = Instant::now();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); scenarios.len()];
    let mut disturbed = vec![0usize; scenarios.len()];
    for part in 0..PARTS {
        for (index, scenario) in scenarios.iter_mut().enumerate() {
            let measured = scenario.run(&plan)?;
            if let Figure::Rate(rate) = measured.figure {
                rates[index].push(rate);
            }
            disturbed[index] += usize::from(measured.disturbance.reason().is_some());
        }
        eprintln!(
            "throughput: part {} of {PARTS}, {:.0} s",
            part + 1,
            started.elapsed().as_secs_f64()
        );
    }
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

//! `latency`: the histograms that are always on: look, export, start from zero.

use crate::error::{Result, ToolError};
use crate::locate::Location;
use crate::observe::{LatencyState, latencies, reset};
use crate::text::{count, duration};
use clap::Args;
use hdrhistogram::Histogram;
use selvedge_fabric::latency::{LatencySnapshot, LatencySubject, MAX_NS};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Rows to each halving of the distance to 100 % in an export, as HdrHistogram's own tools have.
const TICKS_PER_HALF: u32 = 5;

/// Options of `latency`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Publish to sequenced is measured by the sequencer, sequenced to consumed by each
consumer or observer when its handler has returned: one sample a run.

Examples:
  selvedge latency trading
  selvedge latency trading --reset          start from zero; nobody notices
  selvedge latency trading --hgrm out/      a file each, to be plotted")]
pub struct LatencyArgs {
    /// The fabric's name, or its topology file.
    fabric: String,
    /// Print one JSON object a histogram.
    #[arg(long)]
    json: bool,
    /// Start from zero, after printing.
    #[arg(long)]
    reset: bool,
    /// Write each histogram as a .hgrm file into this directory.
    #[arg(long, value_name = "DIR")]
    hgrm: Option<PathBuf>,
}

/// The hop and who is meant.
pub fn subject_text(subject: &LatencySubject) -> (&'static str, &str) {
    match subject {
        LatencySubject::Source { name, .. } => ("publish-to-sequenced", name),
        LatencySubject::Consumer { name } => ("sequenced-to-consumed", name),
    }
}

/// Shows, exports, resets.
pub fn run(args: &LatencyArgs) -> Result<()> {
    let fabric = Location::of(&args.fabric)?.attach()?;
    if !fabric.control().records_latency() {
        eprintln!("note: this fabric records no latency; it was created so");
    }
    let all = latencies(&fabric);
    if !args.json {
        println!(
            "{:<22} {:<16} {:>7} {:>8} {:>8} {:>8} {:>8}",
            "hop", "who", "samples", "p50", "p99", "p99.9", "max"
        );
    }
    for (subject, snapshot) in &all {
        let (hop, who) = subject_text(subject);
        let Some(state) = LatencyState::of(snapshot) else {
            continue;
        };
        if args.json {
            println!(
                "{}",
                serde_json::json!({ "hop": hop, "name": who, "latency": state })
            );
        } else {
            println!(
                "{hop:<22} {who:<16} {:>7} {:>8} {:>8} {:>8} {:>8}",
                count(state.samples),
                duration(state.p50_ns),
                duration(state.p99_ns),
                duration(state.p99_9_ns),
                duration(state.max_ns)
            );
        }
        if let Some(directory) = &args.hgrm {
            export(directory, &format!("{hop}.{who}.hgrm"), snapshot)?;
        }
    }
    if args.reset {
        let histograms = reset(&fabric)?;
        eprintln!("{histograms} histograms start from zero");
    }
    Ok(())
}

fn export(directory: &Path, name: &str, snapshot: &LatencySnapshot) -> Result<()> {
    let path = directory.join(name);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, percentile_distribution(snapshot)))
        .map_err(ToolError::host(format!("write {}", path.display())))
}

/// The text that HdrHistogram's `outputPercentileDistribution` writes, in nanoseconds.
fn percentile_distribution(snapshot: &LatencySnapshot) -> String {
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    // Two digits tell finer than the buckets do. The bounds are possible ones.
    let Ok(mut histogram) = Histogram::<u64>::new_with_bounds(1, MAX_NS, 2) else {
        return text;
    };
    for (_, highest, count) in snapshot.buckets() {
        histogram.saturating_record_n(highest.min(snapshot.highest()).max(1), count);
    }
    // Writing into a string does not fail.
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        let quantile = step.quantile_iterated_to();
        let value = step.value_iterated_to().min(snapshot.highest());
        let total = histogram.count_between(0, step.value_iterated_to());
        let _ = if quantile < 1.0 {
            writeln!(
                text,
                "{value:12.3} {quantile:1.12} {total:10} {:14.2}",
                1.0 / (1.0 - quantile)
            )
        } else {
            writeln!(text, "{value:12.3} {quantile:1.12} {total:10}")
        };
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n#[Buckets = {:12}, SubBuckets     = {:12}]",
        histogram.mean(),
        histogram.stdev(),
        snapshot.highest() as f64,
        histogram.len(),
        histogram.buckets(),
        256
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::latency::{BUCKETS, bucket_of};

    #[test]
    fn an_export_has_every_sample_and_ends_at_the_highest() {
        let mut counts = vec![0; BUCKETS];
        counts[bucket_of(150)] = 90;
        counts[bucket_of(10_000)] = 10;
        let text = percentile_distribution(&LatencySnapshot::new(1, counts, 113_500, 10_050));
        let rows: Vec<&str> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .collect();
        assert!(rows[0].trim_start().starts_with("15"), "{text}");
        let last: Vec<&str> = rows[rows.len() - 1].split_whitespace().collect();
        assert_eq!(last[1..], ["1.000000000000", "100"], "{text}");
        assert!(last[0].starts_with("100"), "{text}");
        assert!(text.contains("Total count    =          100]"), "{text}");
    }
}

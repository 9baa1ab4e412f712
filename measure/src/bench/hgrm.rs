//! Percentile distributions as HdrHistogram's tools read them.

use hdrhistogram::Histogram;
use std::fmt::Write;

/// Lines for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// The distribution in microseconds, in the format of HdrHistogram's `outputPercentileDistribution`.
pub fn distribution(histogram: &Histogram<u64>) -> String {
    const NS_PER_US: f64 = 1e3;
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to(), step.quantile_iterated_to());
        let _ = write!(
            text,
            "{:>12.3} {quantile:>2.12} {total:>10}",
            value as f64 / NS_PER_US
        );
        if quantile < 1.0 {
            let _ = write!(text, " {:>14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        histogram.mean() / NS_PER_US,
        histogram.stdev() / NS_PER_US
    );
    let _ = writeln!(
        text,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        histogram.max() as f64 / NS_PER_US,
        histogram.len()
    );
    let _ = writeln!(
        text,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        histogram.buckets(),
        1u64 << (u64::BITS - (2 * 10u64.pow(u32::from(histogram.sigfig()))).leading_zeros())
    );
    text
}

/// The percentiles that people ask for, one line each; `samples` are what was counted.
pub fn summary(name: &str, histogram: &Histogram<u64>, samples: &str) -> String {
    let mut text = format!("{name}: {} {samples}\n", histogram.len());
    for (label, quantile) in QUANTILES {
        let _ = writeln!(
            text,
            "  {label:>9} {:>14} ns",
            histogram.value_at_quantile(quantile)
        );
    }
    let _ = writeln!(text, "  {:>9} {:>14} ns", "max", histogram.max());
    text
}

/// Names and values of the percentiles in summaries.
pub const QUANTILES: [(&str, f64); 7] = [
    ("min", 0.0),
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("p99.999", 0.99999),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_ends_with_everything() {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 1_000_000, 3).expect("one");
        for value in 1..=1000 {
            histogram.record(value * 100).expect("in range");
        }
        let text = distribution(&histogram);
        let last = text
            .lines()
            .rfind(|line| !line.starts_with('#'))
            .expect("a line");
        let fields: Vec<&str> = last.split_whitespace().collect();
        assert_eq!(fields[1..], ["1.000000000000", "1000"]);
        assert!(text.contains("Total count    =         1000"));
        assert!(text.contains("SubBuckets     =         2048"));
        assert!(summary("test", &histogram, "messages").contains("p99.9"));
    }
}

//! Tables for people and JSON for machines.

use selvedge_measure::rounds::{Outcome, Series};
use selvedge_measure::samples::Percentiles;
use selvedge_measure::scenario::Kind;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The fabric's own latencies, in the order of the table.
const OURS: [&str; 14] = [
    "raw_paused",
    "raw_line",
    "raw_channels",
    "ring",
    "ring_unpaused",
    "sequenced",
    "sequenced_idle_16",
    "sequenced_idle_64",
    "sequenced_first_of_1",
    "sequenced_first_of_64",
    "sequenced_first_of_64_warm",
    "sequenced_gating_1",
    "sequenced_gating_8",
    "sequenced_gating_64",
];

/// What the throughput table and JSON call the fabric's own figures and the limits.
const OUR_RATES: [&str; 6] = [
    "ring",
    "sequenced",
    "ring_1024",
    "ring_16384",
    "copy_1024",
    "copy_16384",
];

const COLUMNS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// One line of the throughput table: the best of a name over all capacities.
#[derive(Clone, Debug)]
struct Best<'a> {
    name: &'a str,
    rate: f64,
    series: &'a Series,
}

/// `name` of `name/capacity`.
fn stem(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// The best rate of each name. The fabric's `ring` stands for itself: it is the shipped size.
fn best_rates(outcome: &Outcome) -> Vec<Best<'_>> {
    let mut best: Vec<Best<'_>> = Vec::new();
    for series in outcome.series.iter().filter(|s| s.kind == Kind::Throughput) {
        let name = match series.name.as_str() {
            name if name.starts_with("ring/") => "ring_best",
            name => stem(name),
        };
        let Some(rate) = series.median_rate() else {
            continue;
        };
        match best.iter_mut().find(|other| other.name == name) {
            Some(other) if other.rate >= rate => {}
            Some(other) => *other = Best { name, rate, series },
            None => best.push(Best { name, rate, series }),
        }
    }
    best
}

fn is_ours(series: &Series) -> bool {
    OURS.contains(&series.name.as_str()) || series.name == "raw"
}

/// The latency table: medians over the rounds, with ratios to the raw limit. The best of each
/// column, the limits aside, is bold where `bold` is a pair of marks.
pub fn latency_table(outcome: &Outcome, bold: (&str, &str)) -> String {
    let rows: Vec<&Series> = std::iter::once(&outcome.raw)
        .chain(outcome.series.iter().filter(|s| s.kind == Kind::Latency))
        .collect();
    let is_limit = |series: &Series| series.name.starts_with("raw");
    // The first message after a silence is another question: it takes no part in the contest.
    let contends = |series: &Series| !is_limit(series) && !series.name.contains("_first_of_");
    let mut best = [f64::INFINITY; 5];
    for series in rows.iter().filter(|series| contends(series)) {
        if let Some(latency) = series.median_latency() {
            for (best, value) in best.iter_mut().zip(latency.values()) {
                *best = best.min(value);
            }
        }
    }
    let mut text = format!("{:<28}", "one hop, ns");
    for column in COLUMNS {
        let _ = write!(text, "{column:>10}{:>9}", "x raw");
    }
    text.push_str("   repeated/disturbed/moved\n");
    for series in rows {
        let _ = write!(text, "{:<28}", series.name);
        match (series.median_latency(), series.median_ratio()) {
            (Some(latency), Some(ratio)) => {
                let figures = latency.values().into_iter().zip(ratio.values()).zip(best);
                for ((value, ratio), best) in figures {
                    let (on, off) = if contends(series) && value <= best {
                        bold
                    } else {
                        ("", "")
                    };
                    let _ = write!(text, "{on}{value:>10.1}{ratio:>9.2}{off}");
                }
                let _ = write!(
                    text,
                    "   {}/{}/{}",
                    series.repeated, series.kept_disturbed, series.kept_drifting
                );
            }
            _ => {
                let why = series.error.as_deref().unwrap_or("not measured");
                let _ = write!(text, "  {why}");
            }
        }
        text.push('\n');
    }
    text
}

/// The throughput table: the best over the capacities tried, then every capacity.
pub fn throughput_table(outcome: &Outcome, bold: (&str, &str)) -> String {
    let best = best_rates(outcome);
    let contends = |name: &str| !name.contains("1024") && !name.contains("16384");
    let highest = best
        .iter()
        .filter(|best| contends(best.name))
        .map(|best| best.rate)
        .fold(0.0, f64::max);
    let mut text = format!(
        "{:<28}{:>14}{:>12}   best at\n",
        "one way", "M messages/s", "GB/s"
    );
    for best in &best {
        let bytes = match best.name {
            name if name.ends_with("_1024") => 1024.0,
            name if name.ends_with("_16384") => 16384.0,
            _ => 64.0,
        };
        let (on, off) = if contends(best.name) && best.rate >= highest {
            bold
        } else {
            ("", "")
        };
        let _ = writeln!(
            text,
            "{on}{:<28}{:>14.3}{:>12.2}{off}   {}   {}/{}/{}",
            best.name,
            best.rate / 1e6,
            best.rate * bytes / 1e9,
            best.series.name,
            best.series.repeated,
            best.series.kept_disturbed,
            best.series.kept_drifting,
        );
    }
    for series in outcome.series.iter().filter(|s| s.kind == Kind::Throughput) {
        if let Some(error) = &series.error {
            let _ = writeln!(text, "{:<28}  {error}", series.name);
        }
    }
    let sized: Vec<&Series> = outcome
        .series
        .iter()
        .filter(|s| s.kind == Kind::Throughput && s.name.contains('/'))
        .collect();
    if !sized.is_empty() {
        text.push_str("\nby capacity, M messages/s\n");
        for series in sized {
            if let Some(rate) = series.median_rate() {
                let _ = writeln!(text, "{:<28}{:>14.3}", series.name, rate / 1e6);
            }
        }
    }
    text
}

/// What each name in the tables is.
pub fn legend(outcome: &Outcome) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:<28}{}", outcome.raw.name, outcome.raw.description);
    for series in &outcome.series {
        let kind = match series.kind {
            Kind::Latency => "",
            Kind::Throughput => " (throughput)",
        };
        let _ = writeln!(text, "{:<28}{}{kind}", series.name, series.description);
    }
    text
}

/// One target of the project and what was measured.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which figure.
    pub figure: String,
    /// What was measured.
    pub measured: f64,
    /// The bound.
    pub bound: f64,
    /// Whether the bound is the least (else the most) that will do.
    pub at_least: bool,
}

impl Target {
    /// Whether it is met.
    pub fn met(&self) -> bool {
        if self.at_least {
            self.measured >= self.bound
        } else {
            self.measured <= self.bound
        }
    }
}

/// The targets that can be told from what was measured.
pub fn targets(outcome: &Outcome) -> Vec<Target> {
    let mut targets = Vec::new();
    let ratio = |name: &str| outcome.find(Kind::Latency, name)?.median_ratio();
    let rate = |name: &str| outcome.find(Kind::Throughput, name)?.median_rate();
    let mut most = |figure: &str, measured: Option<f64>, bound: f64| {
        targets.extend(measured.map(|measured| Target {
            figure: figure.to_owned(),
            measured,
            bound,
            at_least: false,
        }));
    };
    most("ring p50, x raw", ratio("ring").map(|r| r.p50), 1.08);
    most("ring p99, x raw", ratio("ring").map(|r| r.p99), 1.20);
    most(
        "sequenced p50, x raw",
        ratio("sequenced").map(|r| r.p50),
        1.10,
    );
    most(
        "sequenced p99, x raw",
        ratio("sequenced").map(|r| r.p99),
        1.25,
    );
    let over = |name: &str, base: &str| outcome.latency_ratio(name, base);
    most(
        "16 idle rings p50, x one ring",
        over("sequenced_idle_16", "sequenced"),
        1.15,
    );
    most(
        "64 idle rings p50, x one ring",
        over("sequenced_idle_64", "sequenced"),
        1.35,
    );
    most(
        "first of 64 rings after a second p50, x one ring",
        over("sequenced_first_of_64", "sequenced"),
        2.0,
    );
    let gating: Vec<f64> = [1, 8, 64]
        .iter()
        .filter_map(|count| over(&format!("sequenced_gating_{count}"), "sequenced_gating_1"))
        .collect();
    if gating.len() == 3 {
        let spread = gating.iter().copied().fold(0.0, f64::max)
            / gating.iter().copied().fold(f64::INFINITY, f64::min);
        most(
            "gating consumers 1, 8, 64: highest p50, x lowest",
            Some(spread),
            1.05,
        );
    }
    let best = best_rates(outcome);
    let best_of = |names: &[&str]| {
        best.iter()
            .filter(|best| names.contains(&best.name))
            .map(|best| best.rate)
            .reduce(f64::max)
    };
    let mut least = |figure: &str, measured: Option<f64>, bound: Option<f64>| {
        if let (Some(measured), Some(bound)) = (measured, bound) {
            targets.push(Target {
                figure: figure.to_owned(),
                measured,
                bound,
                at_least: true,
            });
        }
    };
    // Each at its best capacity, compared in rounds in which the host was alike.
    let ours = best
        .iter()
        .filter(|best| ["ring", "ring_best"].contains(&best.name))
        .max_by(|one, other| one.rate.total_cmp(&other.rate));
    let against = ours.and_then(|ours| {
        best.iter()
            .filter(|best| ["disruptor_batch", "rtrb_chunk", "ringbuf"].contains(&best.name))
            .filter_map(|peer| outcome.rate_ratio(&ours.series.name, &peer.series.name))
            .reduce(f64::min)
    });
    least(
        "ring messages/s, x the best of disruptor, rtrb, ringbuf",
        against,
        Some(1.0),
    );
    least(
        "sequenced M/s against aeron",
        rate("sequenced").map(|rate| rate / 1e6),
        best_of(&["aeron"]).map(|rate| rate / 1e6),
    );
    for size in [1024, 16384] {
        least(
            &format!("payload of {size} bytes, x copy loop"),
            outcome.rate_ratio(&format!("ring_{size}"), &format!("copy_{size}")),
            Some(0.8),
        );
    }
    targets
}

/// The targets as a table.
pub fn targets_table(targets: &[Target]) -> String {
    let mut text = format!("{:<56}{:>12}{:>14}\n", "target", "measured", "bound");
    for target in targets {
        let _ = writeln!(
            text,
            "{:<56}{:>12.3}{:>3}{:>11.3}  {}",
            target.figure,
            target.measured,
            if target.at_least { ">=" } else { "<=" },
            target.bound,
            if target.met() { "met" } else { "MISSED" },
        );
    }
    text
}

/// What explains the targets and is none: medians of `p50`s as ratios to each other's.
pub fn comparisons(outcome: &Outcome) -> Vec<(&'static str, f64)> {
    [
        ("ring", "raw_channels", "ring p50, x raw_channels"),
        ("sequenced", "raw_channels", "sequenced p50, x raw_channels"),
        (
            "sequenced_first_of_64",
            "sequenced_first_of_1",
            "first of 64 rings after a second, x the first of one",
        ),
        (
            "sequenced_first_of_64_warm",
            "sequenced",
            "first of 64 rings, kept warm, x sequenced",
        ),
    ]
    .into_iter()
    .filter_map(|(name, base, figure)| Some((figure, outcome.latency_ratio(name, base)?)))
    .collect()
}

/// The comparisons as a table.
pub fn comparisons_table(comparisons: &[(&str, f64)]) -> String {
    let mut text = format!("{:<56}{:>12}\n", "for comparison", "measured");
    for (figure, measured) in comparisons {
        let _ = writeln!(text, "{figure:<56}{measured:>12.3}");
    }
    text
}

fn percentiles(latency: Percentiles) -> Value {
    serde_json::to_value(latency).unwrap_or(Value::Null)
}

/// Everything, for machines.
pub fn to_json(outcome: &Outcome, context: Value) -> Value {
    let mut root = Map::new();
    let (mut peers, mut ratios, mut rounds) = (Map::new(), Map::new(), Map::new());
    for series in std::iter::once(&outcome.raw).chain(&outcome.series) {
        let kind = match series.kind {
            Kind::Latency => "latency",
            Kind::Throughput => "throughput",
        };
        rounds.insert(
            format!("{kind}.{}", series.name),
            json!({
                "description": series.description,
                "hop_ns": series.latency,
                "x_raw": series.ratios,
                "messages_per_second": series.rates,
                "repeated": series.repeated,
                "kept_disturbed": series.kept_disturbed,
                "kept_drifting": series.kept_drifting,
                "raw_ns": series.limits,
                "disturbed_by": series.disturbed_by,
                "error": series.error,
            }),
        );
        let (Some(latency), Some(ratio)) = (series.median_latency(), series.median_ratio()) else {
            continue;
        };
        if is_ours(series) {
            root.insert(series.name.clone(), percentiles(latency));
            ratios.insert(series.name.clone(), percentiles(ratio));
        } else {
            peers.insert(series.name.clone(), percentiles(latency));
            ratios.insert(format!("peers.{}", series.name), percentiles(ratio));
        }
    }
    let mut throughput = Map::new();
    for best in best_rates(outcome) {
        throughput.insert(best.name.to_owned(), json!(best.rate));
    }
    let mut by_capacity: Map<String, Value> = Map::new();
    for series in outcome.series.iter().filter(|s| s.kind == Kind::Throughput) {
        if let (Some((name, capacity)), Some(rate)) =
            (series.name.split_once('/'), series.median_rate())
        {
            let entry = by_capacity
                .entry(name.to_owned())
                .or_insert_with(|| json!({}));
            entry[capacity] = json!(rate);
        }
    }
    for name in OUR_RATES {
        let limit = name.replace("ring_", "copy_");
        if limit != name
            && let Some(ratio) = outcome.rate_ratio(name, &limit)
        {
            ratios.insert(format!("throughput.{name}"), json!(ratio));
        }
    }
    let targets: Vec<Value> = targets(outcome)
        .iter()
        .map(|target| {
            json!({
                "figure": target.figure,
                "measured": target.measured,
                "bound": target.bound,
                "at_least": target.at_least,
                "met": target.met(),
            })
        })
        .collect();
    let comparisons: Map<String, Value> = comparisons(outcome)
        .into_iter()
        .map(|(figure, measured)| (figure.to_owned(), json!(measured)))
        .collect();
    root.insert("comparisons".to_owned(), Value::Object(comparisons));
    root.insert("peers".to_owned(), Value::Object(peers));
    root.insert("throughput".to_owned(), Value::Object(throughput));
    root.insert(
        "throughput_by_capacity".to_owned(),
        Value::Object(by_capacity),
    );
    root.insert("ratios".to_owned(), Value::Object(ratios));
    root.insert("targets".to_owned(), json!(targets));
    root.insert("rounds".to_owned(), Value::Object(rounds));
    root.insert("context".to_owned(), context);
    Value::Object(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, kind: Kind, value: f64) -> Series {
        let (latency, ratios, rates) = match kind {
            Kind::Latency => (
                vec![Percentiles::from_values([value; 5])],
                vec![Percentiles::from_values([value / 100.0; 5])],
                Vec::new(),
            ),
            Kind::Throughput => (Vec::new(), Vec::new(), vec![value]),
        };
        Series {
            name: name.to_owned(),
            description: String::new(),
            kind,
            latency,
            ratios,
            rates,
            limits: vec![100.0],
            repeated: 0,
            kept_drifting: 0,
            kept_disturbed: 0,
            disturbed_by: None,
            error: None,
        }
    }

    fn outcome() -> Outcome {
        let mut broken = series("iceoryx2", Kind::Latency, 1.0);
        broken.latency.clear();
        broken.ratios.clear();
        broken.error = Some("it broke".to_owned());
        Outcome {
            raw: series("raw", Kind::Latency, 100.0),
            series: vec![
                series("ring", Kind::Latency, 105.0),
                series("raw_channels", Kind::Latency, 84.0),
                series("disruptor", Kind::Latency, 113.0),
                broken,
                series("ring", Kind::Throughput, 2e8),
                series("ring/1024", Kind::Throughput, 1e8),
                series("ring/8192", Kind::Throughput, 3e8),
                series("rtrb_chunk/1024", Kind::Throughput, 2.5e8),
                series("ring_1024", Kind::Throughput, 9e6),
                series("copy_1024", Kind::Throughput, 1e7),
            ],
        }
    }

    #[test]
    fn json_has_the_keys_that_machines_look_for() {
        let value = to_json(&outcome(), Value::Null);
        for path in [
            "/raw/p50",
            "/raw/p99_9",
            "/ring/max",
            "/peers/disruptor/p90",
            "/throughput/ring",
            "/throughput/ring_best",
            "/throughput/rtrb_chunk",
            "/throughput_by_capacity/ring/8192",
            "/ratios/ring/p99",
            "/ratios/peers.disruptor/p50",
            "/ratios/throughput.ring_1024",
            "/raw_channels/p50",
            "/comparisons/ring p50, x raw_channels",
            "/rounds/latency.iceoryx2/error",
        ] {
            assert!(value.pointer(path).is_some(), "{path}");
        }
        assert_eq!(value["throughput"]["ring"], 2e8);
        assert_eq!(value["throughput"]["ring_best"], 3e8);
        assert_eq!(value["ratios"]["throughput.ring_1024"], 0.9);
    }

    #[test]
    fn tables_mark_the_best_and_name_what_failed() {
        let outcome = outcome();
        let table = latency_table(&outcome, ("[", "]"));
        let row = |name: &str| {
            table
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a row")
        };
        assert!(row("ring").contains('[') && !row("disruptor").contains('['));
        assert!(row("iceoryx2").contains("it broke"));
        let table = throughput_table(&outcome, ("[", "]"));
        assert!(table.contains("[ring_best") && table.contains("ring/8192"));
    }

    #[test]
    fn targets_say_what_is_met_and_what_is_missed() {
        let targets = targets(&outcome());
        let find = |text: &str| {
            targets
                .iter()
                .find(|target| target.figure.starts_with(text))
                .expect("a target")
        };
        assert!(find("ring p50").met());
        assert!(find("ring messages/s").met());
        assert!(find("payload of 1024").met());
        assert!(targets_table(&targets).contains("met"));
        // Beside them, what they are compared with to explain them.
        let comparisons = comparisons(&outcome());
        assert_eq!(comparisons, [("ring p50, x raw_channels", 1.25)]);
        assert!(comparisons_table(&comparisons).contains("1.250"));
    }
}

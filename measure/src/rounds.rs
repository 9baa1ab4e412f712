//! Interleaved repeated rounds: every scenario once a round, so that what changes about the host
//! meets all of them alike.
//!
//! The raw limit is measured again between any two measurements, and each is compared with what it
//! was just before and just after: on a virtual machine it may triple from one second to the next,
//! when the hypervisor moves a core.

use crate::disturbance::Disturbance;
use crate::error::{MeasureError, Result};
use crate::samples::{Percentiles, median};
use crate::scenario::{Figure, Kind, Measured, Plan, Scenario};

/// How far the raw limit may move over a measurement before that is made again.
const MAX_DRIFT: f64 = 0.10;

/// How far the raw limits of two measurements may be apart for their figures to be compared.
const ALIKE: f64 = 0.15;

/// The raw limit is measured for this share of the time of what it is compared with.
const RAW_SHARE: u32 = 4;

/// How many rounds, and how often what was disturbed is made again.
#[derive(Clone, Copy, Debug)]
pub struct RoundSettings {
    /// Rounds that count.
    pub rounds: usize,
    /// Repetitions of one measurement that was disturbed, or over which the raw limit moved.
    pub repeats: usize,
}

/// What all rounds gave for one scenario.
#[derive(Clone, Debug)]
pub struct Series {
    /// The scenario's name.
    pub name: String,
    /// What it measures.
    pub description: String,
    /// Which of the figures count.
    pub kind: Kind,
    /// One hop, round by round.
    pub latency: Vec<Percentiles>,
    /// The same as a ratio to the raw limit around it.
    pub ratios: Vec<Percentiles>,
    /// The raw limit (p50, nanoseconds) around it, round by round.
    pub limits: Vec<f64>,
    /// Messages a second, round by round.
    pub rates: Vec<f64>,
    /// Measurements made again because they were disturbed or the raw limit moved.
    pub repeated: usize,
    /// Rounds over which the raw limit moved in every repetition: the last was kept.
    pub kept_drifting: usize,
    /// Rounds whose figure was disturbed in every repetition: the quietest was kept.
    pub kept_disturbed: usize,
    /// What disturbed the last of them.
    pub disturbed_by: Option<String>,
    /// Why it could not be measured.
    pub error: Option<String>,
}

impl Series {
    fn new(scenario: &dyn Scenario) -> Self {
        Series {
            name: scenario.name().to_owned(),
            description: scenario.describe(),
            kind: scenario.kind(),
            latency: Vec::new(),
            ratios: Vec::new(),
            limits: Vec::new(),
            rates: Vec::new(),
            repeated: 0,
            kept_drifting: 0,
            kept_disturbed: 0,
            disturbed_by: None,
            error: None,
        }
    }

    /// Medians over the rounds.
    pub fn median_latency(&self) -> Option<Percentiles> {
        (!self.latency.is_empty()).then(|| Percentiles::median(&self.latency))
    }

    /// Medians of the rounds' ratios to the raw limit.
    pub fn median_ratio(&self) -> Option<Percentiles> {
        (!self.ratios.is_empty()).then(|| Percentiles::median(&self.ratios))
    }

    /// The median over the rounds.
    pub fn median_rate(&self) -> Option<f64> {
        (!self.rates.is_empty()).then(|| median(&self.rates))
    }
}

/// What all rounds gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The raw limit.
    pub raw: Series,
    /// The scenarios, in the order given.
    pub series: Vec<Series>,
}

impl Outcome {
    /// The series called `name`: latency and throughput of one thing may have the same name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Series> {
        self.series
            .iter()
            .find(|series| series.kind == kind && series.name == name)
    }

    /// The median of `name`'s rates as ratios to `limit`'s, of rounds in which the raw limit was
    /// alike. `None` where there are none.
    pub fn rate_ratio(&self, name: &str, limit: &str) -> Option<f64> {
        let (one, other) = (
            self.find(Kind::Throughput, name)?,
            self.find(Kind::Throughput, limit)?,
        );
        paired((&one.rates, &one.limits), (&other.rates, &other.limits))
    }

    /// The median of `name`'s median latencies as ratios to `base`'s, of rounds in which the raw
    /// limit was alike. `None` where there are none.
    pub fn latency_ratio(&self, name: &str, base: &str) -> Option<f64> {
        let medians = |series: &Series| -> Vec<f64> {
            series.latency.iter().map(|latency| latency.p50).collect()
        };
        let (one, other) = (
            self.find(Kind::Latency, name)?,
            self.find(Kind::Latency, base)?,
        );
        paired(
            (&medians(one), &one.limits),
            (&medians(other), &other.limits),
        )
    }
}

/// The median of [`paired_ratios`]. `None` where there are none.
fn paired(one: (&[f64], &[f64]), other: (&[f64], &[f64])) -> Option<f64> {
    let ratios = paired_ratios(one, other);
    (!ratios.is_empty()).then(|| median(&ratios))
}

/// The ratios of one figure to another, over all pairs of their rounds in which the raw limit was
/// the same (to within 15 %): what the host did to one it did to the other. Each figure comes with
/// the limits around its measurements.
pub(crate) fn paired_ratios(one: (&[f64], &[f64]), other: (&[f64], &[f64])) -> Vec<f64> {
    let mut ratios = Vec::new();
    for (value, limit) in one.0.iter().zip(one.1) {
        for (base, base_limit) in other.0.iter().zip(other.1) {
            if (limit / base_limit).ln().abs() <= ALIKE.ln_1p() {
                ratios.push(value / base.max(f64::MIN_POSITIVE));
            }
        }
    }
    ratios
}

/// One measurement that counts, with what it took to get it.
struct Kept {
    measured: Measured,
    repeated: usize,
    disturbed_by: Option<String>,
}

/// Measures each of the `scenarios` once a round, in an order that moves on with each round, and
/// `raw` before, between and after them.
///
/// A scenario that fails is left out of later rounds, its error kept. A failure of `raw` ends it
/// all: without the limit there is nothing to compare with.
pub fn run_rounds(
    settings: &RoundSettings,
    plan: &Plan,
    raw: &mut dyn Scenario,
    scenarios: &mut [Box<dyn Scenario>],
    mut progress: impl FnMut(&str),
) -> Result<Outcome> {
    let mut outcome = Outcome {
        raw: Series::new(raw),
        series: scenarios
            .iter()
            .map(|scenario| Series::new(scenario.as_ref()))
            .collect(),
    };
    let raw_plan = Plan {
        duration: plan.duration / RAW_SHARE,
        ..*plan
    };
    let mut limit = |series: &mut Series| -> Result<Percentiles> {
        let kept = run_quietly(raw, &raw_plan, settings)?;
        let hop = hop(&kept)?;
        // Its ratio to itself is 1.
        keep(series, &kept, &hop);
        Ok(hop)
    };
    for round in 0..settings.rounds {
        let mut before = limit(&mut outcome.raw)?;
        for turn in 0..scenarios.len() {
            let index = (turn + round) % scenarios.len();
            if outcome.series[index].error.is_some() {
                continue;
            }
            let scenario = scenarios[index].as_mut();
            progress(&format!(
                "round {} of {}: {}",
                round + 1,
                settings.rounds,
                scenario.name()
            ));
            for repetition in 0..=settings.repeats {
                let kept = run_quietly(scenario, plan, settings);
                let after = limit(&mut outcome.raw)?;
                let drift = (before.p50 / after.p50.max(f64::MIN_POSITIVE)).ln().abs();
                let around = Percentiles::median(&[before, after]);
                before = after;
                let series = &mut outcome.series[index];
                let drifts = drift > MAX_DRIFT.ln_1p();
                match kept {
                    Ok(kept) if drifts && repetition < settings.repeats => {
                        series.repeated += 1 + kept.repeated;
                        continue;
                    }
                    Ok(kept) => {
                        series.kept_drifting += usize::from(drifts);
                        keep(series, &kept, &around);
                    }
                    Err(error) => series.error = Some(error.to_string()),
                }
                break;
            }
        }
    }
    Ok(outcome)
}

/// Adds a measurement that counts, made while the raw limit was `limit`.
fn keep(series: &mut Series, kept: &Kept, limit: &Percentiles) {
    note(series, kept);
    let hop = match &kept.measured.figure {
        Figure::RoundTrips(trips) => trips.hop(),
        Figure::Hop(hop) => *hop,
        Figure::Rate(rate) => {
            series.rates.push(*rate);
            series.limits.push(limit.p50);
            return;
        }
    };
    series.latency.push(hop);
    series.ratios.push(hop.ratio(limit));
    series.limits.push(limit.p50);
}

fn hop(kept: &Kept) -> Result<Percentiles> {
    match &kept.measured.figure {
        Figure::RoundTrips(trips) => Ok(trips.hop()),
        Figure::Hop(hop) => Ok(*hop),
        Figure::Rate(_) => Err(MeasureError::Host(
            "the raw limit must be a latency".to_owned(),
        )),
    }
}

fn note(series: &mut Series, kept: &Kept) {
    series.repeated += kept.repeated;
    if let Some(reason) = &kept.disturbed_by {
        series.kept_disturbed += 1;
        series.disturbed_by = Some(reason.clone());
    }
}

/// Measures until nothing disturbs, a bounded number of times; then the quietest counts.
fn run_quietly(scenario: &mut dyn Scenario, plan: &Plan, settings: &RoundSettings) -> Result<Kept> {
    let mut quietest: Option<Measured> = None;
    for repeated in 0..=settings.repeats {
        let measured = scenario.run(plan)?;
        if measured.disturbance.reason().is_none() {
            return Ok(Kept {
                measured,
                repeated,
                disturbed_by: None,
            });
        }
        let severity = |measured: &Measured| Disturbance::severity(&measured.disturbance);
        if quietest
            .as_ref()
            .is_none_or(|kept| severity(&measured) < severity(kept))
        {
            quietest = Some(measured);
        }
    }
    quietest
        .map(|measured| Kept {
            disturbed_by: measured.disturbance.reason(),
            measured,
            repeated: settings.repeats,
        })
        .ok_or_else(|| MeasureError::Host("nothing was measured".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::cores::CorePair;
    use crate::samples::RoundTrips;

    /// A scenario whose measurements are given.
    struct Scripted {
        name: &'static str,
        kind: Kind,
        script: Vec<(u32, bool)>,
        turn: usize,
    }

    impl Scripted {
        fn new(name: &'static str, kind: Kind, script: &[(u32, bool)]) -> Self {
            Scripted {
                name,
                kind,
                script: script.to_vec(),
                turn: 0,
            }
        }
    }

    impl Scenario for Scripted {
        fn name(&self) -> &str {
            self.name
        }
        fn describe(&self) -> String {
            String::new()
        }
        fn kind(&self) -> Kind {
            self.kind
        }
        fn run(&mut self, _: &Plan) -> Result<Measured> {
            let (value, quiet) = self.script[self.turn % self.script.len()];
            self.turn += 1;
            if value == 0 {
                return Err(MeasureError::Host("it failed".to_owned()));
            }
            let disturbance = Disturbance {
                watched_ns: 1e9,
                involuntary_switches: if quiet { 0 } else { 1000 },
                ..Disturbance::default()
            };
            Ok(match self.kind {
                Kind::Latency => Measured::round_trips(
                    RoundTrips::from_ticks(Clock::best(), vec![value; 10]),
                    disturbance,
                ),
                Kind::Throughput => Measured::rate(u64::from(value), 1e9, disturbance),
            })
        }
    }

    const SETTINGS: RoundSettings = RoundSettings {
        rounds: 3,
        repeats: 2,
    };

    fn outcome(raw: &[(u32, bool)], scenarios: Vec<Scripted>) -> Result<Outcome> {
        let plan = Plan::new(CorePair { near: 0, far: 1 });
        let mut boxed: Vec<Box<dyn Scenario>> = Vec::new();
        for scenario in scenarios {
            boxed.push(Box::new(scenario));
        }
        run_rounds(
            &SETTINGS,
            &plan,
            &mut Scripted::new("raw", Kind::Latency, raw),
            &mut boxed,
            |_| {},
        )
    }

    #[test]
    fn disturbed_measurements_are_repeated_and_counted() {
        let ring = Scripted::new("ring", Kind::Latency, &[(300, false), (200, true)]);
        let noisy = Scripted::new("noisy", Kind::Throughput, &[(7, false)]);
        let broken = Scripted::new("broken", Kind::Throughput, &[(5, true), (0, true)]);
        let outcome = outcome(&[(100, true)], vec![ring, noisy, broken]).expect("an outcome");
        let ring = outcome.find(Kind::Latency, "ring").expect("a series");
        assert_eq!((ring.repeated, ring.kept_disturbed), (3, 0));
        assert_eq!(ring.median_ratio().expect("rounds").p50, 2.0);
        let noisy = outcome.find(Kind::Throughput, "noisy").expect("a series");
        assert_eq!((noisy.repeated, noisy.kept_disturbed), (6, 3));
        assert!(noisy.disturbed_by.is_some());
        assert_eq!(noisy.median_rate(), Some(7.0));
        let broken = outcome.find(Kind::Throughput, "broken").expect("a series");
        assert_eq!(broken.error.as_deref(), Some("it failed"));
        assert_eq!(broken.rates, [5.0]);
        assert_eq!(outcome.rate_ratio("broken", "noisy"), Some(5.0 / 7.0));
    }

    #[test]
    fn a_measurement_over_which_the_limit_moved_is_made_again() {
        // Between 100 and 150 over the first measurement and its first repetition, then steady.
        let raw = [
            (100, true),
            (150, true),
            (100, true),
            (100, true),
            (100, true),
            (100, true),
            (100, true),
        ];
        let ring = Scripted::new(
            "ring",
            Kind::Latency,
            &[(900, true), (800, true), (200, true)],
        );
        let outcome = outcome(&raw, vec![ring]).expect("an outcome");
        let ring = outcome.find(Kind::Latency, "ring").expect("a series");
        assert_eq!((ring.repeated, ring.kept_drifting), (2, 0));
        assert_eq!(ring.latency.len(), 3);
        assert_eq!(ring.ratios[0].p50, 2.0);
    }

    #[test]
    fn a_limit_that_never_stands_still_is_told() {
        let raw = [(100, true), (150, true)];
        let ring = Scripted::new("ring", Kind::Latency, &[(200, true)]);
        let outcome = outcome(&raw, vec![ring]).expect("an outcome");
        let ring = outcome.find(Kind::Latency, "ring").expect("a series");
        assert_eq!((ring.repeated, ring.kept_drifting), (6, 3));
    }

    #[test]
    fn figures_are_compared_where_the_host_was_alike() {
        let one = ([10.0, 30.0], [50.0, 200.0]);
        let other = ([20.0, 21.0], [210.0, 52.0]);
        // 10 / 21 and 30 / 20.
        assert_eq!(
            paired((&one.0, &one.1), (&other.0, &other.1)),
            Some((10.0 / 21.0 + 1.5) / 2.0)
        );
        assert_eq!(paired((&one.0, &one.1), (&[1.0], &[100.0])), None);
    }

    #[test]
    fn without_the_limit_there_is_no_result() {
        assert!(outcome(&[(0, true)], Vec::new()).is_err());
    }
}

//! Interleaved repeated rounds: every scenario once a round, so that what changes about the host
//! meets all of them alike.

use crate::disturbance::Disturbance;
use crate::error::{MeasureError, Result};
use crate::samples::{Percentiles, median};
use crate::scenario::{Figure, Kind, Measured, Plan, Scenario};

/// How far the raw limit may move within a round before the round is made again.
const MAX_DRIFT: f64 = 0.10;

/// How many rounds, and how often what was disturbed is made again.
#[derive(Clone, Copy, Debug)]
pub struct RoundSettings {
    /// Rounds that count.
    pub rounds: usize,
    /// Repetitions of one disturbed measurement.
    pub repeats: usize,
    /// Repetitions of whole rounds in which the raw limit moved, all together.
    pub repeated_rounds: usize,
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
    /// The same as a ratio to the raw limit of the same round.
    pub ratios: Vec<Percentiles>,
    /// Messages a second, round by round.
    pub rates: Vec<f64>,
    /// Measurements that were disturbed and made again.
    pub repeated: usize,
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
            rates: Vec::new(),
            repeated: 0,
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
    /// Rounds made again because the raw limit moved.
    pub repeated_rounds: usize,
    /// Rounds in which it moved although no repetition was left.
    pub drifting_rounds: usize,
}

impl Outcome {
    /// The series called `name`: latency and throughput of one thing may have the same name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Series> {
        self.series
            .iter()
            .find(|series| series.kind == kind && series.name == name)
    }

    /// The median over rounds of `name`'s rate as a ratio to `limit`'s of the same round.
    pub fn rate_ratio(&self, name: &str, limit: &str) -> Option<f64> {
        let rates_of = |name| Some(&self.find(Kind::Throughput, name)?.rates);
        let (rates, limits) = (rates_of(name)?, rates_of(limit)?);
        let ratios: Vec<f64> = rates
            .iter()
            .zip(limits)
            .map(|(rate, limit)| rate / limit.max(f64::MIN_POSITIVE))
            .collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }
}

/// One measurement that counts, with what it took to get it.
struct Kept {
    measured: Measured,
    repeated: usize,
    disturbed_by: Option<String>,
}

/// Measures `raw` at the beginning and the end of every round and each of the `scenarios` in
/// between, in an order that moves on with each round.
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
        repeated_rounds: 0,
        drifting_rounds: 0,
    };
    let mut round = 0;
    while round < settings.rounds {
        let label = |name: &str| format!("round {} of {}: {name}", round + 1, settings.rounds);
        progress(&label(raw.name()));
        let before = run_quietly(raw, plan, settings)?;
        let mut results: Vec<Option<Result<Kept>>> = scenarios.iter().map(|_| None).collect();
        for turn in 0..scenarios.len() {
            let index = (turn + round) % scenarios.len();
            if outcome.series[index].error.is_none() {
                let scenario = scenarios[index].as_mut();
                progress(&label(scenario.name()));
                results[index] = Some(run_quietly(scenario, plan, settings));
            }
        }
        progress(&label(raw.name()));
        let after = run_quietly(raw, plan, settings)?;
        let (first, second) = (hop(&before)?, hop(&after)?);
        let drift = (first.p50 / second.p50.max(f64::MIN_POSITIVE)).ln().abs();
        if drift > MAX_DRIFT.ln_1p() {
            if outcome.repeated_rounds < settings.repeated_rounds {
                outcome.repeated_rounds += 1;
                progress("the raw limit moved by more than a tenth: the round is made again");
                continue;
            }
            outcome.drifting_rounds += 1;
        }
        let limit = Percentiles::median(&[first, second]);
        outcome.raw.latency.push(limit);
        outcome.raw.ratios.push(Percentiles::from_values([1.0; 5]));
        for kept in [before, after] {
            note(&mut outcome.raw, &kept);
        }
        for (series, result) in outcome.series.iter_mut().zip(results) {
            match result {
                Some(Ok(kept)) => {
                    note(series, &kept);
                    let (hop, rate) = match &kept.measured.figure {
                        Figure::RoundTrips(trips) => (Some(trips.hop()), None),
                        Figure::Hop(hop) => (Some(*hop), None),
                        Figure::Rate(rate) => (None, Some(*rate)),
                    };
                    if let Some(hop) = hop {
                        series.latency.push(hop);
                        series.ratios.push(hop.ratio(&limit));
                    }
                    series.rates.extend(rate);
                }
                Some(Err(error)) => series.error = Some(error.to_string()),
                None => {}
            }
        }
        round += 1;
    }
    Ok(outcome)
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
        repeated_rounds: 1,
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
    fn a_round_in_which_the_limit_moved_is_made_again() {
        // Twice too far apart, then steady: one repetition is allowed, the second is counted.
        let raw = [
            (100, true),
            (150, true),
            (100, true),
            (150, true),
            (100, true),
            (100, true),
            (100, true),
            (100, true),
        ];
        let outcome = outcome(&raw, Vec::new()).expect("an outcome");
        assert_eq!((outcome.repeated_rounds, outcome.drifting_rounds), (1, 1));
        assert_eq!(outcome.raw.latency.len(), 3);
    }

    #[test]
    fn without_the_limit_there_is_no_result() {
        assert!(outcome(&[(0, true)], Vec::new()).is_err());
    }
}

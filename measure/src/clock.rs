//! The clock of the measurements, and whether two cores may compare it.

use selvedge_fabric::host::ticks::{TickSource, monotonic_ns};
use std::sync::OnceLock;
use std::time::Duration;

/// How long the tick rate is measured, once a process.
const RATE_SPAN: Duration = Duration::from_millis(50);

/// The tick counter with its rate.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    source: TickSource,
    ns_per_tick: f64,
    step: u64,
}

impl Clock {
    /// The host's best counter: the time-stamp counter where it is constant and never stops.
    pub fn best() -> Self {
        static CLOCK: OnceLock<Clock> = OnceLock::new();
        *CLOCK.get_or_init(|| {
            let source = TickSource::best();
            let rate = source.measure_rate(RATE_SPAN).max(1);
            Clock {
                source,
                ns_per_tick: 1e9 / rate as f64,
                step: step(source),
            }
        })
    }

    /// The counter now.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        self.source.now()
    }

    /// Nanoseconds that `ticks` last.
    #[inline(always)]
    pub fn ns(&self, ticks: u64) -> f64 {
        ticks as f64 * self.ns_per_tick
    }

    /// Ticks in `duration`.
    pub fn ticks(&self, duration: Duration) -> u64 {
        (duration.as_nanos() as f64 / self.ns_per_tick) as u64
    }

    /// Ticks in `ns` nanoseconds, not rounded.
    pub fn ticks_of_ns(&self, ns: f64) -> f64 {
        ns / self.ns_per_tick
    }

    /// The least by which the counter advances, in ticks: some processors' time-stamp counters
    /// jump by many.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether the counter is the time-stamp counter.
    pub fn is_time_stamp_counter(&self) -> bool {
        self.source == TickSource::TimeStampCounter
    }

    /// What the counter is, for people.
    pub fn describe(&self) -> String {
        match self.source {
            TickSource::TimeStampCounter => format!(
                "time-stamp counter at {:.1} MHz in steps of {:.1} ns (constant_tsc and nonstop_tsc are there)",
                1e3 / self.ns_per_tick,
                self.ns(self.step)
            ),
            TickSource::Monotonic => {
                "CLOCK_MONOTONIC (no constant_tsc and nonstop_tsc on this host)".to_owned()
            }
        }
    }
}

/// Reads the counter many times in a row and tells its step from the differences.
fn step(source: TickSource) -> u64 {
    const READINGS: usize = 20_000;
    let mut before = source.now();
    let differences: Vec<u64> = (0..READINGS)
        .map(|_| {
            let now = source.now();
            now.wrapping_sub(std::mem::replace(&mut before, now))
        })
        .collect();
    step_of(differences)
}

/// The least distance between differences that are common. Two that are one tick apart are the
/// same: a hypervisor that scales the counter rounds.
fn step_of(mut differences: Vec<u64>) -> u64 {
    const COMMON_ONE_IN: usize = 100;
    differences.sort_unstable();
    let least = differences.len() / COMMON_ONE_IN;
    let mut common: Vec<u64> = differences
        .chunk_by(|a, b| b - a <= 1)
        .filter(|alike| alike.len() > least)
        .map(|alike| alike[alike.len() / 2])
        .collect();
    if let Some(first) = common.first_mut()
        && *first <= 1
    {
        *first = 0;
    }
    common
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .min()
        .unwrap_or(1)
}

/// What a comparison of two cores' counters found.
#[derive(Clone, Copy, Debug)]
pub struct CounterOffset {
    /// The far core's counter minus the near one's, in nanoseconds, as far as can be told.
    pub offset_ns: f64,
    /// How far that can be off: half of the fastest round trip, and the counter's step.
    pub uncertainty_ns: f64,
}

impl CounterOffset {
    /// The offset from exchanges of (near before, far, near after): the fastest one counts.
    pub fn from_exchanges(clock: &Clock, exchanges: &[(u64, u64, u64)]) -> Option<Self> {
        let &(before, far, after) = exchanges
            .iter()
            .min_by_key(|(before, _, after)| after.wrapping_sub(*before))?;
        let round_trip = after.wrapping_sub(before);
        let middle = before.wrapping_add(round_trip / 2);
        let difference = far.wrapping_sub(middle) as i64;
        let offset_ns = clock.ns(difference.unsigned_abs());
        Some(CounterOffset {
            offset_ns: if difference < 0 {
                -offset_ns
            } else {
                offset_ns
            },
            // Each reading is known to no more than the counter's step.
            uncertainty_ns: clock.ns(round_trip) / 2.0 + clock.ns(clock.step),
        })
    }

    /// Whether one-way times between the two cores mean anything: the counters agree as exactly
    /// as can be told.
    pub fn synchronised(&self) -> bool {
        self.offset_ns.abs() <= self.uncertainty_ns
    }
}

/// `CLOCK_MONOTONIC` in seconds: for rates.
pub fn seconds() -> f64 {
    monotonic_ns() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_exchange_tells_the_offset() {
        let clock = Clock {
            source: TickSource::Monotonic,
            ns_per_tick: 1.0,
            step: 1,
        };
        let exchanges = [(0, 900, 1000), (2000, 2055, 2100), (5000, 5400, 5900)];
        let offset = CounterOffset::from_exchanges(&clock, &exchanges).expect("an exchange");
        assert_eq!((offset.offset_ns, offset.uncertainty_ns), (5.0, 51.0));
        assert!(offset.synchronised());
        let behind = CounterOffset::from_exchanges(&clock, &[(1000, 100, 1100)]).expect("one");
        assert_eq!(behind.offset_ns, -950.0);
        assert!(!behind.synchronised());
        assert!(CounterOffset::from_exchanges(&clock, &[]).is_none());
    }

    #[test]
    fn the_step_is_told_from_common_differences() {
        let mut jumping = vec![26; 800];
        for (value, count) in [(1, 50), (25, 30), (52, 40), (77, 20), (78, 40), (104, 1)] {
            jumping.extend(vec![value; count]);
        }
        assert!((25..=26).contains(&step_of(jumping)));
        assert_eq!(step_of([vec![20; 50], vec![22; 50]].concat()), 2);
        assert_eq!(step_of(vec![24; 100]), 1);
        assert_eq!(step_of(Vec::new()), 1);
        assert!(Clock::best().step() >= 1);
    }

    #[test]
    fn ticks_and_nanoseconds_agree() {
        let clock = Clock::best();
        let ticks = clock.ticks(Duration::from_millis(100));
        assert!((clock.ns(ticks) - 1e8).abs() < 1e3);
    }
}

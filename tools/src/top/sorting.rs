//! In which order sources and consumers are shown.

use crate::observe::{ConsumerState, SourceState};
use std::cmp::Reverse;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sorting {
    /// By name.
    #[default]
    Name,
    /// The busiest first.
    Rate,
    /// Those furthest behind first: ring fill, lag.
    Behind,
    /// The slowest first: 99th percentile.
    Latency,
}

impl Sorting {
    /// The next order.
    pub fn next(self) -> Self {
        match self {
            Sorting::Name => Sorting::Rate,
            Sorting::Rate => Sorting::Behind,
            Sorting::Behind => Sorting::Latency,
            Sorting::Latency => Sorting::Name,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Sorting::Name => "name",
            Sorting::Rate => "rate",
            Sorting::Behind => "behind",
            Sorting::Latency => "p99",
        }
    }

    /// Sources in this order.
    pub fn sources(self, sources: &[SourceState]) -> Vec<&SourceState> {
        let mut sorted: Vec<_> = sources.iter().collect();
        sorted.sort_by(|one, other| one.name.cmp(&other.name));
        match self {
            Sorting::Name => {}
            Sorting::Rate => sorted.sort_by_key(|one| Reverse(one.rate as u64)),
            Sorting::Behind => sorted.sort_by_key(|one| Reverse(one.waiting)),
            Sorting::Latency => sorted.sort_by_key(|one| Reverse(one.latency.map(|at| at.p99_ns))),
        }
        sorted
    }

    /// Consumers in this order.
    pub fn consumers(self, consumers: &[ConsumerState]) -> Vec<&ConsumerState> {
        let mut sorted: Vec<_> = consumers.iter().collect();
        sorted.sort_by(|one, other| one.name.cmp(&other.name));
        match self {
            Sorting::Name => {}
            Sorting::Rate => sorted.sort_by_key(|one| Reverse(one.rate as u64)),
            Sorting::Behind => sorted.sort_by_key(|one| Reverse(one.lag)),
            Sorting::Latency => sorted.sort_by_key(|one| Reverse(one.latency.map(|at| at.p99_ns))),
        }
        sorted
    }
}

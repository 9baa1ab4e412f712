//! The first message after a silence: what has grown cold.

use super::sequenced::{idle_producers, round_trip};
use super::sequencer_process::SequencerProcess;
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::Result;
use crate::samples::RoundTrips;
use crate::scenario::{Kind, Measured, Plan, Scenario};
use selvedge_fabric::Start;
use selvedge_fabric::host::IdleStrategy;
use std::time::Duration;

/// How long nobody says anything, at least: up to a tenth longer, each time by another length, or a
/// host's chores that come once a second would fall on every first message or on none.
const SILENCE: Duration = Duration::from_secs(1);

/// The round trip of the first message from one of some rings after a second of silence, in which
/// sequencer and client go on spinning.
#[derive(Debug)]
pub struct FirstAfterSilence {
    name: String,
    rings: usize,
}

impl FirstAfterSilence {
    /// With `rings` producers, each in its turn the one that breaks a silence.
    pub fn of(rings: usize) -> Self {
        FirstAfterSilence {
            name: format!("sequenced_first_of_{rings}"),
            rings,
        }
    }
}

impl Scenario for FirstAfterSilence {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "the first message from one of {} rings after a second of silence, as `sequenced`; few samples, so p99 and above are the slowest of them",
            self.rings
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let sequencer = SequencerProcess::start(plan.cores)?;
        let fabric = sequencer.fabric().clone();
        let mut producers = idle_producers(&fabric, 0, self.rings)?;
        let mut consumer = fabric.consumer("client").start(Start::Latest).attach()?;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let clock = Clock::best();
        let mut ticks = Vec::with_capacity(plan.silences);
        for turn in 0..plan.silences {
            let until =
                clock.now() + clock.ticks(SILENCE + Duration::from_millis(turn as u64 * 37 % 100));
            while clock.now() < until {
                if consumer.poll(plan.poll_limit, |_| {})? == 0 {
                    IdleStrategy::default().idle(0);
                }
            }
            // A ring that has never spoken, far from the one before.
            let producer = &mut producers[turn * 23 % self.rings];
            let before = clock.now();
            round_trip(producer, &mut consumer, plan.poll_limit, turn as u64 + 1)?;
            ticks.push(u32::try_from(clock.now() - before).unwrap_or(u32::MAX));
        }
        let disturbance = watch.end();
        drop((producers, consumer, fabric));
        let report = sequencer.finish()?;
        Ok(Measured::round_trips(
            RoundTrips::from_ticks(clock, ticks),
            disturbance.and(report.disturbance),
        ))
    }
}

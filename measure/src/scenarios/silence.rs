//! The first message after a silence: what has grown cold.

use super::messages::Line;
use super::sequenced::{idle_producers, round_trip};
use super::sequencer_process::SequencerProcess;
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::Result;
use crate::samples::RoundTrips;
use crate::scenario::{Kind, Measured, Plan, Scenario};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::{Consumer, Producer, Start};
use std::time::Duration;

/// How long nobody says anything, at least: up to a tenth longer, each time by another length, or a
/// host's chores that come once a second would fall on every first message or on none.
const SILENCE: Duration = Duration::from_secs(1);

/// How often those that keep warm do so.
const KEPT_WARM_EVERY: Duration = Duration::from_micros(100);

/// The round trip of the first message from one of some rings after a second of silence, in which
/// sequencer and client go on spinning.
#[derive(Debug)]
pub struct FirstAfterSilence {
    name: String,
    rings: usize,
    kept_warm: bool,
}

impl FirstAfterSilence {
    /// With `rings` producers, each in its turn the one that breaks a silence.
    pub fn of(rings: usize) -> Self {
        FirstAfterSilence {
            name: format!("sequenced_first_of_{rings}"),
            rings,
            kept_warm: false,
        }
    }

    /// The same, but the producers keep warm meanwhile, and another one keeps sequencer and reader
    /// warm with a message now and then.
    pub fn kept_warm(rings: usize) -> Self {
        FirstAfterSilence {
            name: format!("sequenced_first_of_{rings}_warm"),
            kept_warm: true,
            ..Self::of(rings)
        }
    }
}

impl Scenario for FirstAfterSilence {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        let meanwhile = if self.kept_warm {
            format!(
                " of its own; every {} us all producers keep warm, and another one sends a message",
                KEPT_WARM_EVERY.as_micros()
            )
        } else {
            String::new()
        };
        format!(
            "the first message from one of {} rings after a second of silence{meanwhile}, as `sequenced`; few samples, so p99 and above are the slowest of them",
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
        let mut other = if self.kept_warm {
            Some(fabric.producer("other").message::<Line>().attach()?)
        } else {
            None
        };
        let mut consumer = fabric.consumer("client").start(Start::Latest).attach()?;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let clock = Clock::best();
        let mut ticks = Vec::with_capacity(plan.silences);
        for turn in 0..plan.silences {
            let until =
                clock.now() + clock.ticks(SILENCE + Duration::from_millis(turn as u64 * 37 % 100));
            let mut warm_due = 0;
            loop {
                let now = clock.now();
                if now >= until {
                    break;
                }
                if let Some(other) = &mut other
                    && now >= warm_due
                {
                    warm_due = now + clock.ticks(KEPT_WARM_EVERY);
                    producers.iter_mut().for_each(Producer::keep_warm);
                    hop(other, &mut consumer, plan.poll_limit, now)?;
                }
                if consumer.poll(plan.poll_limit, |_| {})? == 0 {
                    IdleStrategy::default().idle(0);
                }
            }
            // A ring that has never spoken, far from the one before.
            let producer = &mut producers[turn * 23 % self.rings];
            let before = clock.now();
            hop(producer, &mut consumer, plan.poll_limit, turn as u64 + 1)?;
            ticks.push(u32::try_from(clock.now() - before).unwrap_or(u32::MAX));
        }
        let disturbance = watch.end();
        drop((producers, other, consumer, fabric));
        let report = sequencer.finish()?;
        Ok(Measured::round_trips(
            RoundTrips::from_ticks(clock, ticks),
            disturbance.and(report.disturbance),
        ))
    }
}

/// A round trip, of the first message and of those that keep warm alike: the code that sends is
/// among what grows cold.
#[inline(never)]
fn hop(
    producer: &mut Producer,
    consumer: &mut Consumer,
    poll_limit: usize,
    number: u64,
) -> Result<()> {
    round_trip(producer, consumer, poll_limit, number)
}

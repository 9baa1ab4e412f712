//! One ring between two processes, no sequencer: what a publisher and a subscriber cost alone.

use super::bare_ring::BareRing;
use super::messages::Line;
use crate::batches::Batches;
use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::{MeasureError, Result, check_equal};
use crate::samples::RoundTrips;
use crate::scenario::{Kind, Measured, Plan, Scenario};
use crate::scratch::{Scratch, attach};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::host::ticks::monotonic_ns;
use selvedge_fabric::{Fabric, PendingProducer, Producer, ProducerBuilder};
use selvedge_sequencer::{ConductorPlacement, Sequencer, SequencerConfig};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The producer of the measuring process.
pub(crate) const PING: &str = "ping";
/// The producer of the second process.
pub(crate) const PONG: &str = "pong";

/// Messages read at a time by the bare reader: as many as the sequencer takes.
pub(crate) const RUN: usize = 64;

/// Bytes of a slot, as shipped.
pub(super) const SLOT_BYTES: usize = 64;

/// Messages between two looks at the clock.
const CLOCK_EVERY: u64 = 1024;

/// Steps a sequencer in this thread until `producer` is admitted.
pub(crate) fn admit(sequencer: &mut Sequencer, builder: ProducerBuilder) -> Result<Producer> {
    let mut pending: PendingProducer = builder.begin()?;
    loop {
        sequencer.do_work()?;
        if let Some(producer) = pending.poll()? {
            return Ok(producer);
        }
    }
}

/// A sequencer that is stepped where the fabric is set up, and then gone.
pub(crate) fn stepped_sequencer(fabric: &Fabric) -> Result<Sequencer> {
    let config = SequencerConfig {
        conductor: ConductorPlacement::Inline,
        ..SequencerConfig::default()
    };
    Ok(Sequencer::start(fabric, &config)?)
}

/// Sends one line, waiting for room.
#[inline(always)]
pub(crate) fn send(producer: &mut Producer, line: Line) -> Result<()> {
    let mut spin = Spin::new("room in the ring");
    loop {
        match producer.try_claim::<Line>() {
            Ok(mut claim) => {
                *claim = line;
                claim.commit();
                return Ok(());
            }
            Err(selvedge_fabric::ClaimError::Full) => spin.pause()?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Round trips over two rings, one each way.
#[derive(Debug)]
pub struct RingLatency {
    idle: IdleStrategy,
}

impl RingLatency {
    /// Both sides wait as everybody does unless told otherwise.
    pub fn shipped() -> Self {
        RingLatency {
            idle: IdleStrategy::default(),
        }
    }

    /// Both sides look again without a pause.
    pub fn unpaused() -> Self {
        RingLatency {
            idle: IdleStrategy::Busy,
        }
    }
}

impl Scenario for RingLatency {
    fn name(&self) -> &str {
        match self.idle {
            IdleStrategy::Busy => "ring_unpaused",
            _ => "ring",
        }
    }

    fn describe(&self) -> String {
        format!(
            "a typed message that fills a 64-byte slot, claimed, written in place and committed by a producer, read in place from its ring by another process, and back; idle strategy {}",
            self.idle
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let fabric = scratch.fabric(|_| {})?;
        let mut sequencer = stepped_sequencer(&fabric)?;
        let mut ping = admit(&mut sequencer, fabric.producer(PING).message::<Line>())?;
        let place = ChildPlace {
            role: "ring-answer",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let idle = self.idle;
        let mut child = Child::spawn(&place, idle.to_string())?;
        child.wait_ready(|| {
            for _ in 0..RUN {
                sequencer.do_work()?;
            }
            Ok(())
        })?;
        drop(sequencer);
        let mut answers = BareRing::open(&fabric, PONG)?;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let trips = RoundTrips::measure(plan.warm_up, plan.duration, |number| {
            send(&mut ping, Line::new(number, 0))?;
            let mut spin = Spin::new("an answer through the ring");
            let mut seen = 0;
            while seen != number {
                if answers.take_lines(RUN, |line, _| seen = line.number)? == 0 {
                    idle.idle(0);
                    spin.turn()?;
                }
            }
            Ok(())
        })?;
        let disturbance = watch.end();
        send(&mut ping, Line::new(Line::STOP, 0))?;
        let report = child.finish()?;
        Ok(Measured::round_trips(
            trips,
            disturbance.and(report.disturbance),
        ))
    }
}

pub(super) fn answer(host: &mut ChildHost) -> Result<serde_json::Value> {
    let idle = idle_strategy(host)?;
    let fabric = attach(host.directory())?;
    let mut pong = fabric.producer(PONG).message::<Line>().attach()?;
    let mut questions = BareRing::open(&fabric, PING)?;
    host.ready();
    let mut seen = 0;
    while seen != Line::STOP {
        if questions.take_lines(RUN, |line, _| seen = line.number)? > 0 {
            send(&mut pong, Line::new(seen, 0))?;
        } else {
            idle.idle(0);
        }
    }
    Ok(serde_json::Value::Null)
}

/// How the measuring process wants this one to wait.
fn idle_strategy(host: &ChildHost) -> Result<IdleStrategy> {
    host.settings::<String>()?
        .parse()
        .map_err(MeasureError::Child)
}

/// Messages a second through one ring, one way.
#[derive(Debug)]
pub struct RingThroughput {
    capacity: Option<u64>,
    idle: IdleStrategy,
    name: String,
}

impl RingThroughput {
    /// Through the ring that a fabric has unless told otherwise.
    pub fn shipped() -> Self {
        RingThroughput {
            capacity: None,
            idle: IdleStrategy::Batch,
            name: "ring".to_owned(),
        }
    }

    /// The same, with a reader that waits as for latency.
    pub fn paused() -> Self {
        RingThroughput {
            idle: IdleStrategy::Pause,
            name: "ring_paused".to_owned(),
            ..RingThroughput::shipped()
        }
    }

    /// Through a ring of `capacity` slots.
    pub fn with_capacity(capacity: u64) -> Self {
        RingThroughput {
            capacity: Some(capacity),
            name: format!("ring/{capacity}"),
            ..RingThroughput::shipped()
        }
    }
}

impl Scenario for RingThroughput {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "64-byte slots, one way between two processes, lossless, published in runs, every word added up by the reader, whose idle strategy is {}; {} slots",
            self.idle,
            self.capacity
                .map_or("as many as shipped".to_owned(), |capacity| capacity
                    .to_string())
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let fabric = scratch.fabric(|config| {
            if let Some(capacity) = self.capacity {
                config.ingress_capacity = capacity;
            }
        })?;
        let mut sequencer = stepped_sequencer(&fabric)?;
        let mut ping = admit(&mut sequencer, fabric.producer(PING).message::<Line>())?;
        drop(sequencer);
        let place = ChildPlace {
            role: "ring-take",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let settings = TakeSettings {
            idle: self.idle.to_string(),
            duration: plan.duration,
        };
        let mut child = Child::spawn(&place, &settings)?;
        child.wait_ready(|| Ok(()))?;
        pin(plan.cores.near)?;
        let clock = Clock::best();
        let watch = Watch::begin();
        let started = monotonic_ns();
        let end = clock.now() + clock.ticks(plan.duration);
        let mut count = 0;
        while clock.now() < end {
            // In runs, as a feed handler that has a packet of messages would.
            let mut left = CLOCK_EVERY as usize;
            let mut spin = Spin::new("room in the ring");
            while left > 0 {
                let first = count + 1;
                let sent = ping.try_publish_run(left, |index, line| {
                    *line = Line::new(first + index as u64, 0);
                })?;
                count += sent as u64;
                left -= sent;
                if left > 0 {
                    spin.pause()?;
                }
            }
        }
        let last = ping.next_source_sequence() - 1;
        let mut spin = Spin::new("the last message to be taken");
        while ping.sequenced() != Some(last) {
            spin.turn()?;
        }
        let ns = (monotonic_ns() - started) as f64;
        let disturbance = watch.end();
        let report = child.finish()?;
        check_equal(
            "messages taken from the ring",
            report.number("taken"),
            count,
        )?;
        check_equal(
            "sum of all words of all messages",
            report.number("sum"),
            Line::sum_of(count),
        )?;
        let measured = Measured::rate(count, ns, disturbance.and(report.disturbance));
        Ok(measured.with_batches(report.value("batches")?))
    }
}

/// What the reading process needs to know.
#[derive(Debug, Serialize, Deserialize)]
struct TakeSettings {
    idle: String,
    duration: Duration,
}

pub(super) fn take(host: &mut ChildHost) -> Result<serde_json::Value> {
    let settings: TakeSettings = host.settings()?;
    let idle: IdleStrategy = settings.idle.parse().map_err(MeasureError::Child)?;
    let fabric = attach(host.directory())?;
    let mut ring = BareRing::open(&fabric, PING)?;
    let mut batches = Batches::new(SLOT_BYTES, settings.duration)?;
    host.ready();
    let (mut taken, mut sum, mut headers, mut planned) = (0u64, 0u64, 0u64, 0u64);
    let mut idle_cycles = 0;
    while !host.stopped() {
        let count = ring.take_lines(RUN, |line, header| {
            sum = sum
                .wrapping_add(line.number)
                .wrapping_add(line.complement)
                .wrapping_add(line.multiple);
            planned = planned.wrapping_add(line.planned);
            headers = headers.wrapping_add(header);
        })? as u64;
        taken += count;
        if count > 0 {
            batches.taken(taken);
            idle_cycles = 0;
        } else {
            idle.idle(idle_cycles);
            idle_cycles += 1;
        }
    }
    std::hint::black_box((headers, planned));
    Ok(serde_json::json!({ "taken": taken, "sum": sum, "batches": batches.hand_over() }))
}

//! The whole path: a client publishes, the sequencer on the other core orders and stamps, the
//! client reads its own message from the stream.

use super::messages::Line;
use super::ring::{SLOT_BYTES, send};
use super::sequencer_process::SequencerProcess;
use crate::batches::Batches;
use crate::child::{PATIENCE, Spin, stalled};
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::{Result, check_equal};
use crate::samples::RoundTrips;
use crate::scenario::{Kind, Measured, Plan, Scenario};
use selvedge_fabric::host::ticks::monotonic_ns;
use selvedge_fabric::memory::Access;
use selvedge_fabric::protocol::gating::GatingCursor;
use selvedge_fabric::shared::cursor::CursorFile;
use selvedge_fabric::{Consumer, Fabric, PendingConsumer, PendingProducer, Producer, Start};
use std::time::Instant;

const CLIENT: &str = "client";

/// Into how many parts a lap of the stream is divided by the moves of cursors that keep up.
const MOVES_PER_LAP: u64 = 8;

/// Messages that a client publishes before it reads, for throughput.
const BURST: usize = 64;

/// Producers `from` to `to`, registered and silent.
pub(crate) fn idle_producers(fabric: &Fabric, from: usize, to: usize) -> Result<Vec<Producer>> {
    let pending: Vec<PendingProducer> = (from..to)
        .map(|index| {
            fabric
                .producer(&format!("idle-{index}"))
                .message::<Line>()
                .begin()
        })
        .collect::<Result<_, _>>()?;
    let mut admitted = Vec::with_capacity(pending.len());
    for mut pending in pending {
        admitted.push(wait_for(|| pending.poll())?);
    }
    Ok(admitted)
}

/// Asks until there is an answer.
fn wait_for<T>(mut ask: impl FnMut() -> selvedge_fabric::Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if started.elapsed() > PATIENCE {
            return Err(stalled("being admitted by the sequencer"));
        }
        std::thread::yield_now();
    }
}

/// Gating consumers whose cursors the measurement moves itself.
struct MovedConsumers {
    _consumers: Vec<Consumer>,
    cursors: Vec<GatingCursor>,
}

impl MovedConsumers {
    fn attach(fabric: &Fabric, count: usize) -> Result<Self> {
        let name = |index: usize| format!("moved-{index}");
        let pending: Vec<PendingConsumer> = (0..count)
            .map(|index| fabric.consumer(&name(index)).start(Start::Latest).begin())
            .collect::<Result<_, _>>()?;
        let mut consumers = Vec::with_capacity(count);
        for mut pending in pending {
            consumers.push(wait_for(|| pending.poll())?);
        }
        let cursors = (0..count)
            .filter_map(|index| {
                CursorFile::open(&fabric.paths().consumer(&name(index)), Access::Write)
                    .map(|file| file.cursor())
                    .transpose()
            })
            .collect::<Result<_, _>>()?;
        Ok(MovedConsumers {
            _consumers: consumers,
            cursors,
        })
    }

    fn move_to(&self, position: u64) {
        for cursor in &self.cursors {
            cursor.release(position);
        }
    }
}

/// Round trips through the sequencer.
#[derive(Debug)]
pub struct SequencedLatency {
    name: String,
    idle: usize,
    gating: usize,
    recorded: bool,
}

impl SequencedLatency {
    /// One producer, one consumer.
    pub fn plain() -> Self {
        SequencedLatency {
            name: "sequenced".to_owned(),
            idle: 0,
            gating: 1,
            recorded: true,
        }
    }

    /// The same in a fabric that records no latency.
    pub fn unrecorded() -> Self {
        SequencedLatency {
            name: "sequenced_unrecorded".to_owned(),
            recorded: false,
            ..Self::plain()
        }
    }

    /// With `idle` more producers that are registered and silent.
    pub fn with_idle_rings(idle: usize) -> Self {
        SequencedLatency {
            name: format!("sequenced_idle_{idle}"),
            idle,
            gating: 1,
            recorded: true,
        }
    }

    /// With `gating` gating consumers in all, each keeping up.
    pub fn with_gating_consumers(gating: usize) -> Self {
        SequencedLatency {
            name: format!("sequenced_gating_{gating}"),
            idle: 0,
            gating: gating.max(1),
            recorded: true,
        }
    }
}

impl Scenario for SequencedLatency {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "published by a client, ordered, checked and stamped by the sequencer on the other core, read from the stream by the client; {} idle rings, {} gating consumers",
            self.idle, self.gating
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let recorded = self.recorded;
        let sequencer = SequencerProcess::start_recording(plan.cores, recorded)?;
        let fabric = sequencer.fabric().clone();
        // Half of the idle rings are polled before the client's, half after.
        let before = idle_producers(&fabric, 0, self.idle / 2)?;
        let mut producer = fabric.producer(CLIENT).message::<Line>().attach()?;
        let after = idle_producers(&fabric, self.idle / 2, self.idle)?;
        let mut consumer = fabric.consumer(CLIENT).start(Start::Latest).attach()?;
        let moved = MovedConsumers::attach(&fabric, self.gating - 1)?;
        let stride = fabric.control().stream_capacity / MOVES_PER_LAP;
        let mut next_move = 0;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let trips = RoundTrips::measure(plan.warm_up, plan.duration, |number| {
            if consumer.position() >= next_move {
                moved.move_to(consumer.position());
                next_move = consumer.position() + stride;
            }
            round_trip(&mut producer, &mut consumer, plan.poll_limit, number)
        })?;
        let disturbance = watch.end();
        drop((before, after, moved, producer, consumer, fabric));
        let report = sequencer.finish()?;
        check_equal("sources cut off", report.number("cut_off"), 0)?;
        Ok(Measured::round_trips(
            trips,
            disturbance.and(report.disturbance),
        ))
    }
}

/// Sends message `number` and waits until it comes back from the stream.
#[inline(always)]
pub(crate) fn round_trip(
    producer: &mut Producer,
    consumer: &mut Consumer,
    poll_limit: usize,
    number: u64,
) -> Result<()> {
    send(producer, Line::new(number, 0))?;
    let mut spin = Spin::new("the message to come back from the stream");
    let mut seen = 0;
    while seen != number {
        let count = consumer.poll(poll_limit, |frame| {
            if let Some(line) = frame.get::<Line>() {
                seen = line.number;
            }
        })?;
        if count == 0 {
            spin.pause()?;
        }
    }
    Ok(())
}

/// Messages a second through the sequencer, producer and consumer sharing one core.
#[derive(Debug)]
pub struct SequencedThroughput {
    recorded: bool,
}

impl SequencedThroughput {
    /// In a fabric with the shipped defaults.
    pub fn shipped() -> Self {
        SequencedThroughput { recorded: true }
    }

    /// In one that records no latency.
    pub fn unrecorded() -> Self {
        SequencedThroughput { recorded: false }
    }
}

impl Scenario for SequencedThroughput {
    fn name(&self) -> &str {
        if self.recorded {
            "sequenced"
        } else {
            "sequenced_unrecorded"
        }
    }

    fn describe(&self) -> String {
        "64-byte slots: producer and gating consumer in one thread, the sequencer on the other core, every word added up by the consumer".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let recorded = self.recorded;
        let sequencer = SequencerProcess::start_recording(plan.cores, recorded)?;
        let fabric = sequencer.fabric().clone();
        let mut producer = fabric.producer(CLIENT).message::<Line>().attach()?;
        let mut consumer = fabric.consumer(CLIENT).start(Start::Latest).attach()?;
        pin(plan.cores.near)?;
        let clock = Clock::best();
        let mut batches = Batches::new(SLOT_BYTES, plan.duration)?;
        let watch = Watch::begin();
        let (mut sent, mut read, mut sum, mut headers) = (0u64, 0u64, 0u64, 0u64);
        let started = monotonic_ns();
        let end = clock.now() + clock.ticks(plan.duration);
        let mut sending = true;
        let mut spin = Spin::new("messages to come back from the stream");
        while sending || read < sent {
            if sending {
                let first = sent + 1;
                sent += producer.try_publish_run(BURST, |index, line| {
                    *line = Line::new(first + index as u64, 0);
                })? as u64;
                sending = clock.now() < end;
            }
            consumer.poll(plan.poll_limit, |frame| {
                if let Some(line) = frame.get::<Line>() {
                    sum = sum
                        .wrapping_add(line.number)
                        .wrapping_add(line.complement)
                        .wrapping_add(line.multiple);
                    let words = frame.header().words();
                    headers = headers
                        .wrapping_add(line.planned)
                        .wrapping_add(words[0])
                        .wrapping_add(words[1])
                        .wrapping_add(words[2])
                        .wrapping_add(words[3]);
                    read += 1;
                }
            })?;
            batches.taken(read);
            if !sending {
                spin.turn()?;
            }
        }
        let ns = (monotonic_ns() - started) as f64;
        let disturbance = watch.end();
        std::hint::black_box(headers);
        drop((producer, consumer, fabric));
        let report = sequencer.finish()?;
        check_equal("messages read from the stream", read, sent)?;
        check_equal("messages sequenced", report.number("messages"), sent)?;
        check_equal("sum of all words of all messages", sum, Line::sum_of(sent))?;
        let measured = Measured::rate(sent, ns, disturbance.and(report.disturbance));
        Ok(measured.with_batches(batches.hand_over()))
    }
}

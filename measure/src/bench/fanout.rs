//! `bench fanout`: through the sequencer to many gating consumers.

use super::arguments::FanoutArgs;
use super::counters::one_way_possible;
use super::progress::Progress;
use super::report::{Curve, RawTrip, Report, Strip, raw_limit};
use super::sender::{Schedule, Sender, read, register};
use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::clock::Clock;
use crate::cores::{CorePair, cores_at_start, pin};
use crate::disturbance::Watch;
use crate::error::{MeasureError, Result, check_equal};
use crate::recorder::{Recorded, Recorder};
use crate::scenarios::{Line, SequencerProcess};
use crate::scratch::attach;
use selvedge_fabric::{Consumer, Start};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a consuming process needs to know.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    name: String,
    duration: Duration,
    poll_limit: usize,
}

pub(super) fn run(arguments: &FanoutArgs) -> Result<()> {
    let common = &arguments.common;
    let pair = common.pair()?;
    let size = common.size()?;
    let consumers = arguments.consumers as usize;
    let spare = spare_cores(&common.cores, pair)?;
    let processes = consumers.min(spare.len());
    let composed = consumers - processes;
    let mut busy = vec![pair.near, pair.far];
    busy.extend(&spare[..processes]);
    let mut report = Report::new("fanout", &busy);
    for &core in &spare[..processes] {
        let (possible, about_clocks) = one_way_possible(CorePair {
            near: pair.near,
            far: core,
        })?;
        report.note(about_clocks);
        if !possible {
            return Err(MeasureError::Host(format!(
                "core {core}'s counter does not agree with core {}'s, and what a consumer on another core sees cannot be told as a round trip: choose other cores",
                pair.near
            )));
        }
    }
    if composed > 0 {
        report.note(format!(
            "{composed} of {consumers} consumers have no core of their own (give more with --cores): they are polled in turn by the publisher's thread, so their latency contains each other's work"
        ));
    }
    report.curve(raw_limit(pair, common.rate, RawTrip::ThereAndBack)?);

    let sequencer = SequencerProcess::start_with(pair.far, &busy, |_| {})?;
    let fabric = sequencer.fabric().clone();
    let mut children = Vec::with_capacity(processes);
    for (index, &core) in spare[..processes].iter().enumerate() {
        let place = ChildPlace {
            role: "fan-out",
            core,
            busy: &busy,
            directory: sequencer.directory(),
        };
        let settings = Settings {
            name: format!("process-{index}"),
            duration: common.duration,
            poll_limit: common.poll_limit(),
        };
        let mut child = Child::spawn(&place, &settings)?;
        child.wait_ready(|| Ok(()))?;
        children.push(child);
    }
    let mut own: Vec<(Consumer, Recorder)> = (0..composed)
        .map(|index| {
            let name = format!("composed-{index}");
            let consumer = fabric.consumer(&name).start(Start::Latest).attach()?;
            Ok((consumer, Recorder::new(common.duration)?))
        })
        .collect::<Result<_>>()?;
    let producer = register(fabric.producer("publisher"), size).attach()?;
    let mut sender = Sender::new(producer, size);
    let progress = Progress::begin("fanout", common.duration);
    pin(pair.near)?;
    let clock = Clock::best();
    let limit = common.poll_limit();
    let watch = Watch::begin();
    let schedule = Schedule::new(clock.now(), common.rate, common.duration);
    for number in 1..=schedule.total() {
        let planned = schedule.planned(number);
        while clock.now() < planned {
            take_all(&mut own, limit, &clock)?;
        }
        let mut spin = Spin::new("room in the ring");
        while !sender.try_send(number, planned)? {
            take_all(&mut own, limit, &clock)?;
            spin.turn()?;
        }
    }
    let mut spin = Spin::new("the last message to reach every consumer");
    while own
        .iter()
        .any(|(_, recorder)| recorder.count() < schedule.total())
    {
        take_all(&mut own, limit, &clock)?;
        spin.turn()?;
    }
    let mut stop = Spin::new("room for the last message");
    while !sender.try_send(Line::STOP, 0)? {
        take_all(&mut own, limit, &clock)?;
        stop.turn()?;
    }
    for child in &mut children {
        child.wait_done()?;
    }
    let passed = clock.ns(clock.now() - schedule.planned(1)) / 1e9;
    let mut disturbance = watch.end();
    drop(progress);
    let mut all = Recorded::default();
    let mut slowest: Option<(String, Recorded)> = None;
    let mut add = |name: String, recorded: Recorded| -> Result<()> {
        let histogram = recorded.histogram()?;
        check_equal(
            "messages read by a consumer",
            histogram.len(),
            schedule.total(),
        )?;
        all.values.extend(&recorded.values);
        let p99 = histogram.value_at_quantile(0.99);
        let before = match &slowest {
            Some((_, other)) => other.histogram()?.value_at_quantile(0.99),
            None => 0,
        };
        if slowest.is_none() || p99 > before {
            slowest = Some((name, recorded));
        }
        Ok(())
    };
    for (index, child) in children.into_iter().enumerate() {
        let reported = child.finish()?;
        disturbance = disturbance.and(reported.disturbance);
        let recorded = serde_json::from_value(reported.values)
            .map_err(|error| MeasureError::Child(format!("its report makes no sense: {error}")))?;
        add(format!("process {index}"), recorded)?;
    }
    for (index, (_, recorder)) in own.iter().enumerate() {
        add(format!("composed {index}"), recorder.hand_over())?;
    }
    drop((own, sender, fabric));
    disturbance = disturbance.and(sequencer.finish()?.disturbance);
    report.disturbance(&disturbance);
    report.note(format!(
        "{} messages of {size} bytes to each of {consumers} gating consumers in {passed:.1} s; from the planned time of sending until each consumer read it: two hops",
        schedule.total(),
    ));
    report.curve(Curve::measured("all consumers", all.histogram()?));
    if let Some((name, recorded)) = slowest {
        let name = format!("slowest consumer ({name})");
        report.curve(Curve::measured(&name, recorded.histogram()?));
        report.strip(Strip {
            name,
            buckets: recorded.buckets,
            duration: common.duration,
        });
    }
    report.finish(&common.output)
}

/// Cores for consumers: those named after the first two, else all others there are.
fn spare_cores(named: &[usize], pair: CorePair) -> Result<Vec<usize>> {
    let taken = [pair.near, pair.far];
    let candidates = if named.is_empty() {
        cores_at_start()
    } else {
        named.get(2..).unwrap_or_default()
    };
    let mut spare = Vec::new();
    for &core in candidates {
        if taken.contains(&core) || spare.contains(&core) {
            if named.is_empty() {
                continue;
            }
            return Err(MeasureError::Host(format!(
                "core {core} is named twice: two agents that spin on one core would measure the scheduler"
            )));
        }
        spare.push(core);
    }
    Ok(spare)
}

fn take_all(consumers: &mut [(Consumer, Recorder)], limit: usize, clock: &Clock) -> Result<()> {
    for (consumer, recorder) in consumers {
        consumer.poll(limit, |frame| {
            if let Some((number, planned)) = message(frame)
                && number != Line::STOP
            {
                recorder.record(planned, clock.now());
            }
        })?;
    }
    Ok(())
}

/// Number and planned time, unless the frame is the fabric's own.
#[inline(always)]
fn message(frame: &selvedge_fabric::Frame<'_>) -> Option<(u64, u64)> {
    if frame.header().source() == 0 {
        return None;
    }
    read(frame.payload())
}

/// A consuming process.
pub(crate) fn consume(host: &mut ChildHost) -> Result<serde_json::Value> {
    let settings: Settings = host.settings()?;
    let fabric = attach(host.directory())?;
    let mut consumer = fabric
        .consumer(&settings.name)
        .start(Start::Latest)
        .attach()?;
    let clock = Clock::best();
    let mut recorder = Recorder::new(settings.duration)?;
    host.ready();
    let mut stopped = false;
    while !stopped {
        consumer.poll(settings.poll_limit, |frame| match message(frame) {
            Some((Line::STOP, _)) => stopped = true,
            Some((_, planned)) => recorder.record(planned, clock.now()),
            None => {}
        })?;
    }
    host.done();
    serde_json::to_value(recorder.hand_over())
        .map_err(|error| MeasureError::Child(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_serves_two_agents() {
        let pair = CorePair { near: 0, far: 1 };
        assert_eq!(spare_cores(&[0, 1, 4, 5], pair).expect("cores"), [4, 5]);
        assert!(spare_cores(&[0, 1], pair).expect("none").is_empty());
        assert!(spare_cores(&[0, 1, 1], pair).is_err());
        assert!(spare_cores(&[0, 1, 2, 2], pair).is_err());
    }
}

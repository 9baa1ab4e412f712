//! `bench latency`: one ring between two processes, from the planned time of sending.

use super::arguments::Common;
use super::counters::one_way_possible;
use super::progress::Progress;
use super::report::{Curve, RawTrip, Report, Strip, raw_limit};
use super::sender::{Schedule, Sender, read, register};
use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::{MeasureError, Result, check_equal};
use crate::recorder::{Recorded, Recorder};
use crate::scenarios::{BareRing, Line, PING, PONG, RUN, admit, stepped_sequencer};
use crate::scratch::{Scratch, attach};
use selvedge_fabric::host::IdleStrategy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the reading process needs to know.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    size: usize,
    duration: Duration,
    answer: bool,
}

pub(super) fn run(common: &Common) -> Result<()> {
    let cores = common.pair()?;
    let size = common.size()?;
    let mut report = Report::new("latency", &[cores.near, cores.far]);
    let (one_way, about_clocks) = one_way_possible(cores)?;
    report.note(about_clocks);
    report.curve(raw_limit(
        cores,
        common.rate,
        if one_way {
            RawTrip::OneWay
        } else {
            RawTrip::ThereAndBack
        },
    )?);

    let scratch = Scratch::new()?;
    let fabric = scratch.fabric(|_| {})?;
    let mut sequencer = stepped_sequencer(&fabric)?;
    let producer = admit(&mut sequencer, register(fabric.producer(PING), size))?;
    let settings = Settings {
        size,
        duration: common.duration,
        answer: !one_way,
    };
    let place = ChildPlace {
        role: "one-way",
        core: cores.far,
        busy: &[cores.near, cores.far],
        directory: scratch.path(),
    };
    let mut child = Child::spawn(&place, &settings)?;
    child.wait_ready(|| {
        for _ in 0..RUN {
            sequencer.do_work()?;
        }
        Ok(())
    })?;
    drop(sequencer);
    let mut answers = if one_way {
        None
    } else {
        Some(BareRing::open(&fabric, PONG)?)
    };
    let mut sender = Sender::new(producer, size);
    let mut recorder = Recorder::new(common.duration)?;
    let progress = Progress::begin("latency", common.duration);
    pin(cores.near)?;
    let clock = Clock::best();
    let watch = Watch::begin();
    let schedule = Schedule::new(clock.now(), common.rate, common.duration);
    for number in 1..=schedule.total() {
        let planned = schedule.planned(number);
        while clock.now() < planned {
            if let Some(answers) = &mut answers {
                take_answers(answers, size, &clock, &mut recorder)?;
            }
        }
        let mut spin = Spin::new("room in the ring");
        while !sender.try_send(number, planned)? {
            if let Some(answers) = &mut answers {
                take_answers(answers, size, &clock, &mut recorder)?;
            }
            spin.turn()?;
        }
    }
    if let Some(answers) = &mut answers {
        let mut spin = Spin::new("the last answer");
        while recorder.count() < schedule.total() {
            take_answers(answers, size, &clock, &mut recorder)?;
            spin.turn()?;
        }
    }
    sender.send(Line::STOP, 0)?;
    let passed = clock.ns(clock.now() - schedule.planned(1)) / 1e9;
    child.wait_done()?;
    let disturbance = watch.end();
    drop(progress);
    let reported = child.finish()?;
    report.disturbance(&disturbance.and(reported.disturbance));
    let recorded: Recorded = if one_way {
        serde_json::from_value(reported.values)
            .map_err(|error| MeasureError::Child(format!("its report makes no sense: {error}")))?
    } else {
        recorder.hand_over()
    };
    let histogram = recorded.histogram()?;
    check_equal("messages read", histogram.len(), schedule.total())?;
    report.note(format!(
        "{} messages of {size} bytes in {passed:.1} s, {:.0} a second; {}",
        histogram.len(),
        histogram.len() as f64 / passed,
        if one_way {
            "one way, from the planned time of sending until it was read by another process"
        } else {
            "there and back, from the planned time of sending until the answer was read"
        }
    ));
    report.curve(Curve::measured("ring", histogram));
    report.strip(Strip {
        name: "ring".to_owned(),
        buckets: recorded.buckets,
        duration: common.duration,
    });
    report.finish(&common.output)
}

fn take_answers(
    ring: &mut BareRing,
    size: usize,
    clock: &Clock,
    recorder: &mut Recorder,
) -> Result<()> {
    take_from(ring, size, |_, planned| {
        recorder.record(planned, clock.now())
    })?;
    Ok(())
}

/// Hands number and planned time of what is there to `handler`. Returns how many there were.
fn take_from(ring: &mut BareRing, size: usize, mut handler: impl FnMut(u64, u64)) -> Result<usize> {
    if size <= size_of::<Line>() {
        ring.take_lines(RUN, |line, _| handler(line.number, line.planned))
    } else {
        ring.take_bytes(RUN, size, |bytes| {
            if let Some((number, planned)) = read(bytes) {
                handler(number, planned);
            }
        })
    }
}

/// The reading process: records, or answers.
pub(crate) fn take(host: &mut ChildHost) -> Result<serde_json::Value> {
    let settings: Settings = host.settings()?;
    let fabric = attach(host.directory())?;
    let mut ring = BareRing::open(&fabric, PING)?;
    let clock = Clock::best();
    let mut recorder = Recorder::new(settings.duration)?;
    let mut answers = if settings.answer {
        let builder = register(fabric.producer(PONG), settings.size);
        Some(Sender::new(builder.attach()?, settings.size))
    } else {
        None
    };
    host.ready();
    let mut stopped = false;
    let mut outcome = Ok(());
    while !stopped && outcome.is_ok() {
        let taken = take_from(&mut ring, settings.size, |number, planned| {
            if number == Line::STOP {
                stopped = true;
            } else if let Some(answers) = &mut answers {
                if let Err(error) = answers.send(number, planned) {
                    outcome = Err(error);
                }
            } else {
                recorder.record(planned, clock.now());
            }
        })?;
        if taken == 0 {
            // As everything waits unless told otherwise.
            IdleStrategy::default().idle(0);
        }
    }
    outcome?;
    host.done();
    serde_json::to_value(recorder.hand_over())
        .map_err(|error| MeasureError::Child(error.to_string()))
}

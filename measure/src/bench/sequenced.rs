//! `bench sequenced`: through the sequencer and back to the publisher.

use super::arguments::Common;
use super::progress::Progress;
use super::report::{Curve, RawTrip, Report, Strip, raw_limit};
use super::sender::{Schedule, Sender, read, register};
use crate::child::Spin;
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::{Result, check_equal};
use crate::recorder::Recorder;
use crate::scenarios::SequencerProcess;
use selvedge_fabric::{Consumer, Start};

pub(super) fn run(common: &Common) -> Result<()> {
    let cores = common.pair()?;
    let size = common.size()?;
    let mut report = Report::new("sequenced", &[cores.near, cores.far]);
    report.curve(raw_limit(cores, common.rate, RawTrip::ThereAndBack)?);

    let sequencer = SequencerProcess::start(cores)?;
    let fabric = sequencer.fabric().clone();
    let producer = register(fabric.producer("publisher"), size).attach()?;
    let mut consumer = fabric.consumer("reader").start(Start::Latest).attach()?;
    let source = producer.source();
    let mut sender = Sender::new(producer, size);
    let mut recorder = Recorder::new(common.duration)?;
    let progress = Progress::begin("sequenced", common.duration);
    pin(cores.near)?;
    let clock = Clock::best();
    let limit = common.poll_limit();
    let take = |consumer: &mut Consumer, recorder: &mut Recorder| -> Result<()> {
        consumer.poll(limit, |frame| {
            if frame.header().source() == source
                && let Some((_, planned)) = read(frame.payload())
            {
                recorder.record(planned, clock.now());
            }
        })?;
        Ok(())
    };
    let watch = Watch::begin();
    let schedule = Schedule::new(clock.now(), common.rate, common.duration);
    for number in 1..=schedule.total() {
        let planned = schedule.planned(number);
        while clock.now() < planned {
            take(&mut consumer, &mut recorder)?;
        }
        let mut spin = Spin::new("room in the ring");
        while !sender.try_send(number, planned)? {
            take(&mut consumer, &mut recorder)?;
            spin.turn()?;
        }
    }
    let mut spin = Spin::new("the last message to come back from the stream");
    while recorder.count() < schedule.total() {
        take(&mut consumer, &mut recorder)?;
        spin.turn()?;
    }
    let passed = clock.ns(clock.now() - schedule.planned(1)) / 1e9;
    let disturbance = watch.end();
    drop(progress);
    drop((sender, consumer, fabric));
    let reported = sequencer.finish()?;
    report.disturbance(&disturbance.and(reported.disturbance));
    check_equal("sources cut off", reported.number("cut_off"), 0)?;
    let recorded = recorder.hand_over();
    report.note(format!(
        "{} messages of {size} bytes in {passed:.1} s, {:.0} a second; from the planned time of sending until the publisher read its message from the stream: two hops; the sequencer's own account of publish to sequenced: p50 {} ns, p99 {} ns",
        recorder.count(),
        recorder.count() as f64 / passed,
        reported.number("publish_to_sequenced_p50"),
        reported.number("publish_to_sequenced_p99"),
    ));
    report.curve(Curve::measured("sequenced", recorded.histogram()?));
    report.strip(Strip {
        name: "sequenced".to_owned(),
        buckets: recorded.buckets,
        duration: common.duration,
    });
    report.finish(&common.output)
}

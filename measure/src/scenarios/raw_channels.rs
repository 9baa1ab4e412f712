//! What channels cost that go one way: a line for each message, written by one core and read by the
//! other.
//!
//! The bounced word ([`super::RawWord`]) goes both ways on one line, and some processors are much
//! faster at that: who has just read the line may own it already when it writes. A message that is
//! to be kept until it has been read cannot be answered on its own line; the next line of a ring
//! must be called in from the core that looks at it.

use super::limits::{LINE, shared};
use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::Result;
use crate::samples::RoundTrips;
use crate::scenario::{Kind, Measured, Plan, Scenario};
use crate::scratch::Scratch;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::protocol::{AtomicU64, Ordering, Words};

const CHANNELS_FILE: &str = "channels";
/// Lines of each channel: as many as an ingress ring has slots.
const LINES: u64 = 4096;
const CHANNEL_WORDS: usize = LINES as usize * LINE;
const BYTES: usize = 2 * CHANNEL_WORDS * 8;
/// The number that ends it.
const STOP: u64 = u64::MAX;

/// One word on a line of its own each way, the next line for the next, and nothing else.
#[derive(Debug, Default)]
pub struct RawChannels;

/// The line of message `number` of a channel.
#[inline(always)]
fn line(words: &Words, channel: usize, number: u64) -> &AtomicU64 {
    let index = channel * CHANNEL_WORDS + (number & (LINES - 1)) as usize * LINE;
    // SAFETY: a masked index of one of two channels, which are what the region holds.
    unsafe { words.at(index) }
}

impl Scenario for RawChannels {
    fn name(&self) -> &str {
        "raw_channels"
    }

    fn describe(&self) -> String {
        format!(
            "one word in a 64-byte line, {LINES} lines each way, waited for with a pause: what sending each message on a line of its own takes"
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let words = shared(scratch.path(), CHANNELS_FILE, BYTES, true)?;
        let place = ChildPlace {
            role: "raw-channels",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let mut child = Child::spawn(&place, ())?;
        child.wait_ready(|| Ok(()))?;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let mut last = 0;
        let trips = RoundTrips::measure(plan.warm_up, plan.duration, |number| {
            last = number;
            line(&words, 0, number).store(number, Ordering::Release);
            let answer = line(&words, 1, number);
            let mut spin = Spin::new("an answer on its own line");
            while answer.load(Ordering::Acquire) != number {
                spin.pause()?;
            }
            Ok(())
        })?;
        let disturbance = watch.end();
        line(&words, 0, last + 1).store(STOP, Ordering::Release);
        let report = child.finish()?;
        Ok(Measured::round_trips(
            trips,
            disturbance.and(report.disturbance),
        ))
    }
}

pub(super) fn answer(host: &mut ChildHost) -> Result<serde_json::Value> {
    let words = shared(host.directory(), CHANNELS_FILE, BYTES, false)?;
    host.ready();
    let mut number = 1;
    loop {
        match line(&words, 0, number).load(Ordering::Acquire) {
            found if found == number => {
                line(&words, 1, number).store(number, Ordering::Release);
                number += 1;
            }
            STOP => return Ok(serde_json::Value::Null),
            _ => IdleStrategy::Pause.idle(0),
        }
    }
}

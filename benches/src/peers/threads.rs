//! Measuring a peer that connects threads: the far side is a thread on the far core.

use super::element::Element;
use selvedge_measure::child::Spin;
use selvedge_measure::clock::{Clock, seconds};
use selvedge_measure::cores::pin;
use selvedge_measure::disturbance::{Disturbance, Watch};
use selvedge_measure::samples::RoundTrips;
use selvedge_measure::scenario::{Measured, Plan};
use selvedge_measure::{MeasureError, Result, check_equal};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Elements between two looks at the clock.
const CLOCK_EVERY: u64 = 1024;

/// Runs `far` on the far core beside `near` on the near one.
fn beside<N, F: Send>(
    plan: &Plan,
    near: impl FnOnce() -> Result<N>,
    far: impl FnOnce() -> F + Send,
) -> Result<(N, F, Disturbance)> {
    let ready = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let pinned = pin(plan.cores.far);
            let watch = Watch::begin();
            ready.store(true, Ordering::Release);
            let result = far();
            pinned.map(|()| (result, watch.end()))
        });
        pin(plan.cores.near)?;
        while !ready.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let watch = Watch::begin();
        let near = near();
        let disturbance = watch.end();
        let far = thread
            .join()
            .map_err(|_| MeasureError::Host("the thread on the far core panicked".to_owned()))?;
        let (far, of_far) = far?;
        Ok((near?, far, disturbance.and(of_far)))
    })
}

/// Round trips. `send` and `receive` are the near side; `far` answers each number with itself
/// until it has answered [`Element::STOP`].
pub(super) fn round_trips(
    plan: &Plan,
    mut send: impl FnMut(u64),
    mut receive: impl FnMut() -> Option<u64>,
    far: impl FnOnce() + Send,
) -> Result<Measured> {
    let (trips, (), disturbance) = beside(
        plan,
        || {
            let trips = RoundTrips::measure(plan.warm_up, plan.duration, |number| {
                send(number);
                let mut spin = Spin::new("an answer");
                while receive() != Some(number) {
                    spin.pause()?;
                }
                Ok(())
            });
            send(Element::STOP);
            trips
        },
        far,
    )?;
    Ok(Measured::round_trips(trips, disturbance))
}

/// Elements a second. `send_batch` sends as many elements as it can from the given number on (at
/// least one, waiting if need be, at most as many as it is told) and says how many; `far` takes
/// until it is told that there will be no more and it has found nothing, and returns how many it
/// took and the sum of their words.
pub(super) fn rate(
    plan: &Plan,
    mut send_batch: impl FnMut(u64, u64) -> u64,
    far: impl FnOnce(&Progress) -> (u64, u64) + Send,
) -> Result<Measured> {
    let progress = Progress::default();
    let ((sent, seconds), (taken, sum), disturbance) = beside(
        plan,
        || {
            let clock = Clock::best();
            let started = seconds();
            let end = clock.now() + clock.ticks(plan.duration);
            let mut sent = 0;
            while clock.now() < end {
                let target = sent + CLOCK_EVERY;
                while sent < target {
                    sent += send_batch(sent + 1, target - sent);
                }
            }
            progress.sent.store(sent, Ordering::Release);
            let mut spin = Spin::new("the last element to be taken");
            while !progress.finished.load(Ordering::Acquire) {
                spin.turn()?;
            }
            Ok((sent, seconds() - started))
        },
        || {
            let result = far(&progress);
            progress.finished.store(true, Ordering::Release);
            result
        },
    )?;
    check_equal("elements taken", taken, sent)?;
    check_equal("sum of all words", sum, Element::sum_of(sent))?;
    Ok(Measured::rate(sent, seconds * 1e9, disturbance))
}

/// How the two sides of a throughput measurement agree on the end.
#[derive(Debug)]
pub(super) struct Progress {
    sent: AtomicU64,
    finished: AtomicBool,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            sent: AtomicU64::new(u64::MAX),
            finished: AtomicBool::new(false),
        }
    }
}

impl Progress {
    /// Whether `taken` elements are all there will be. To be asked only when nothing was found.
    pub(super) fn complete(&self, taken: u64) -> bool {
        self.sent.load(Ordering::Acquire) == taken
    }
}

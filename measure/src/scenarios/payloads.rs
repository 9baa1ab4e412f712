//! Long payloads through one ring: how much of the machine's bandwidth is left.

use super::bare_ring::BareRing;
use super::messages::{BYTES_TYPE, bytes_schema, sum_words};
use super::ring::{PING, RUN, admit, stepped_sequencer};
use crate::batches::Batches;
use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::clock::Clock;
use crate::cores::pin;
use crate::disturbance::Watch;
use crate::error::{Result, check_equal};
use crate::scenario::{Kind, Measured, Plan, Scenario};
use crate::scratch::{Scratch, attach};
use selvedge_fabric::ClaimError;
use selvedge_fabric::host::ticks::monotonic_ns;
use std::time::Duration;

/// Messages between two looks at the clock.
const CLOCK_EVERY: u64 = 32;

/// Payloads of one size through one ring: copied into their claims, added up in place.
#[derive(Debug)]
pub struct RingPayload {
    size: usize,
    name: String,
}

impl RingPayload {
    /// Payloads of `size` bytes, more than a slot holds and a multiple of eight.
    pub fn new(size: usize) -> Self {
        RingPayload {
            size,
            name: format!("ring_{size}"),
        }
    }
}

impl Scenario for RingPayload {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "payloads of {} bytes through one ring of the shipped size, copied into the claim, every word added up in place by another process",
            self.size
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let fabric = scratch.fabric(|_| {})?;
        let mut sequencer = stepped_sequencer(&fabric)?;
        let mut producer = admit(&mut sequencer, fabric.producer(PING).schema(bytes_schema()))?;
        drop(sequencer);
        let place = ChildPlace {
            role: "ring-payload",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let mut child = Child::spawn(&place, (self.size, plan.duration))?;
        child.wait_ready(|| Ok(()))?;
        pin(plan.cores.near)?;
        let mut source = vec![1u8; self.size];
        let clock = Clock::best();
        let watch = Watch::begin();
        let started = monotonic_ns();
        let end = clock.now() + clock.ticks(plan.duration);
        let mut count = 0u64;
        while clock.now() < end {
            for _ in 0..CLOCK_EVERY {
                source[..8].copy_from_slice(&count.to_le_bytes());
                let mut spin = Spin::new("room in the payload ring");
                loop {
                    match producer.try_claim_bytes(BYTES_TYPE, self.size) {
                        Ok(mut claim) => {
                            claim.copy_from_slice(&source);
                            claim.commit();
                            break;
                        }
                        Err(ClaimError::Full) => spin.turn()?,
                        Err(error) => return Err(error.into()),
                    }
                }
                count += 1;
            }
        }
        let last = producer.next_source_sequence() - 1;
        let mut spin = Spin::new("the last payload to be taken");
        while producer.sequenced() != Some(last) {
            spin.turn()?;
        }
        let ns = (monotonic_ns() - started) as f64;
        let disturbance = watch.end();
        let report = child.finish()?;
        check_equal("payloads taken", report.number("taken"), count)?;
        let numbers = count * count.saturating_sub(1) / 2;
        check_equal(
            "sum of all words of all payloads",
            report.number("sum"),
            numbers.wrapping_add(count.wrapping_mul(sum_words(&source[8..]))),
        )?;
        let measured = Measured::rate(count, ns, disturbance.and(report.disturbance));
        Ok(measured.with_batches(report.value("batches")?))
    }
}

pub(super) fn take(host: &mut ChildHost) -> Result<serde_json::Value> {
    let (size, duration): (usize, Duration) = host.settings()?;
    let fabric = attach(host.directory())?;
    let mut ring = BareRing::open(&fabric, PING)?;
    let mut batches = Batches::new(size, duration)?;
    // What is consumed is said for each message, so that fewer at a time cost nothing.
    let run = batches.poll_limit(RUN);
    host.ready();
    let (mut taken, mut sum) = (0u64, 0u64);
    while !host.stopped() {
        let (count, part) = ring.take_payloads(run, size)?;
        taken += count as u64;
        sum = sum.wrapping_add(part);
        batches.taken(taken);
    }
    Ok(serde_json::json!({ "taken": taken, "sum": sum, "batches": batches.hand_over() }))
}

//! ringbuf: single elements for latency, slices for throughput, with its caching endpoints.

use super::element::Element;
use super::threads::{Progress, rate, round_trips};
use super::{BATCH, LATENCY_CAPACITY};
use ::ringbuf::traits::{Consumer, Producer, Split};
use ::ringbuf::{HeapCons, HeapProd, HeapRb};
use selvedge_measure::Result;
use selvedge_measure::scenario::{Kind, Measured, Plan, Scenario};
use std::hint::spin_loop;

fn push(ring: &mut HeapProd<Element>, number: u64) {
    let mut element = Element::new(number);
    while let Err(back) = ring.try_push(element) {
        element = back;
        spin_loop();
    }
}

/// Round trips over two rings.
#[derive(Debug, Default)]
pub struct RingbufLatency;

impl Scenario for RingbufLatency {
    fn name(&self) -> &str {
        "ringbuf"
    }

    fn describe(&self) -> String {
        format!(
            "threads; try_push and try_pop, spinning with a pause, two rings of {LATENCY_CAPACITY}"
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let (mut ping_in, mut ping_out) = HeapRb::<Element>::new(LATENCY_CAPACITY).split();
        let (mut pong_in, mut pong_out) = HeapRb::<Element>::new(LATENCY_CAPACITY).split();
        round_trips(
            plan,
            |number| push(&mut ping_in, number),
            || pong_out.try_pop().map(|element| element.number()),
            move || {
                loop {
                    if let Some(element) = ping_out.try_pop() {
                        push(&mut pong_in, element.number());
                        if element.number() == Element::STOP {
                            return;
                        }
                    } else {
                        spin_loop();
                    }
                }
            },
        )
    }
}

/// Batches, read in place.
#[derive(Debug)]
pub struct RingbufThroughput {
    capacity: usize,
    name: String,
}

impl RingbufThroughput {
    /// Through a ring of `capacity` elements.
    pub fn new(capacity: usize) -> Self {
        RingbufThroughput {
            capacity,
            name: format!("ringbuf/{capacity}"),
        }
    }
}

fn send(ring: &mut HeapProd<Element>, first: u64, count: u64) -> u64 {
    let wanted = (BATCH as u64).min(count);
    loop {
        let sent = ring.push_iter((first..first + wanted).map(Element::new));
        if sent > 0 {
            return sent as u64;
        }
        spin_loop();
    }
}

fn take(ring: &mut HeapCons<Element>, progress: &Progress) -> (u64, u64) {
    let (mut taken, mut sum) = (0u64, 0u64);
    loop {
        let (first, second) = ring.as_slices();
        let there = first.len() + second.len();
        if there == 0 {
            if progress.complete(taken) {
                return (taken, sum);
            }
            spin_loop();
            continue;
        }
        for element in first.iter().chain(second).take(4 * BATCH) {
            sum = sum.wrapping_add(element.sum());
        }
        taken += ring.skip(there.min(4 * BATCH)) as u64;
    }
}

impl Scenario for RingbufThroughput {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "threads; batches of {BATCH} pushed, all that is there read in place and skipped, {} elements",
            self.capacity
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let (mut input, mut output) = HeapRb::<Element>::new(self.capacity).split();
        rate(
            plan,
            |first, count| send(&mut input, first, count),
            move |progress| take(&mut output, progress),
        )
    }
}

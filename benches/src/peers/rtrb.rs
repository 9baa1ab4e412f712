//! rtrb: single elements for latency, chunks for throughput.

use super::element::Element;
use super::threads::{Progress, rate, round_trips};
use super::{BATCH, LATENCY_CAPACITY};
use ::rtrb::chunks::ChunkError;
use ::rtrb::{Consumer, Producer, RingBuffer};
use selvedge_measure::Result;
use selvedge_measure::scenario::{Kind, Measured, Plan, Scenario};
use std::hint::spin_loop;

/// Round trips over two rings.
#[derive(Debug, Default)]
pub struct RtrbLatency;

fn push(ring: &mut Producer<Element>, number: u64) {
    let mut element = Element::new(number);
    while let Err(::rtrb::PushError::Full(back)) = ring.push(element) {
        element = back;
        spin_loop();
    }
}

impl Scenario for RtrbLatency {
    fn name(&self) -> &str {
        "rtrb"
    }

    fn describe(&self) -> String {
        format!("threads; push and pop, spinning with a pause, two rings of {LATENCY_CAPACITY}")
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let (mut ping_in, mut ping_out) = RingBuffer::<Element>::new(LATENCY_CAPACITY);
        let (mut pong_in, mut pong_out) = RingBuffer::<Element>::new(LATENCY_CAPACITY);
        round_trips(
            plan,
            |number| push(&mut ping_in, number),
            || pong_out.pop().ok().map(|element| element.number()),
            move || {
                loop {
                    if let Ok(element) = ping_out.pop() {
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

/// Chunks, written and read in place.
#[derive(Debug)]
pub struct RtrbThroughput {
    capacity: usize,
    name: String,
}

impl RtrbThroughput {
    /// Through a ring of `capacity` elements.
    pub fn new(capacity: usize) -> Self {
        RtrbThroughput {
            capacity,
            name: format!("rtrb_chunk/{capacity}"),
        }
    }
}

fn send(ring: &mut Producer<Element>, first: u64, count: u64) -> u64 {
    let wanted = BATCH.min(count as usize);
    loop {
        let chunk = match ring.write_chunk_uninit(wanted) {
            Ok(chunk) => chunk,
            Err(ChunkError::TooFewSlots(0)) => {
                spin_loop();
                continue;
            }
            Err(ChunkError::TooFewSlots(free)) => match ring.write_chunk_uninit(free) {
                Ok(chunk) => chunk,
                Err(_) => continue,
            },
        };
        return chunk.fill_from_iter((first..).map(Element::new)) as u64;
    }
}

fn take(ring: &mut Consumer<Element>, progress: &Progress) -> (u64, u64) {
    let (mut taken, mut sum) = (0u64, 0u64);
    loop {
        let there = ring.slots().min(4 * BATCH);
        if there == 0 {
            if progress.complete(taken) {
                return (taken, sum);
            }
            spin_loop();
            continue;
        }
        if let Ok(chunk) = ring.read_chunk(there) {
            let (first, second) = chunk.as_slices();
            for element in first.iter().chain(second) {
                sum = sum.wrapping_add(element.sum());
            }
            chunk.commit_all();
            taken += there as u64;
        }
    }
}

impl Scenario for RtrbThroughput {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "threads; chunks of {BATCH} written in place, all that is there read in place, {} elements",
            self.capacity
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let (mut input, mut output) = RingBuffer::<Element>::new(self.capacity);
        rate(
            plan,
            |first, count| send(&mut input, first, count),
            move |progress| take(&mut output, progress),
        )
    }
}

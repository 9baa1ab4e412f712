//! crossbeam-channel: a bounded channel, tried again and again rather than slept on.

use super::LATENCY_CAPACITY;
use super::element::Element;
use super::threads::{rate, round_trips};
use crossbeam_channel::{Sender, TrySendError, bounded};
use selvedge_measure::Result;
use selvedge_measure::scenario::{Kind, Measured, Plan, Scenario};
use std::hint::spin_loop;

fn push(channel: &Sender<Element>, number: u64) {
    let mut element = Element::new(number);
    while let Err(TrySendError::Full(back)) = channel.try_send(element) {
        element = back;
        spin_loop();
    }
}

/// Round trips over two channels.
#[derive(Debug, Default)]
pub struct CrossbeamLatency;

impl Scenario for CrossbeamLatency {
    fn name(&self) -> &str {
        "crossbeam"
    }

    fn describe(&self) -> String {
        format!(
            "threads; try_send and try_recv, spinning with a pause, two bounded channels of {LATENCY_CAPACITY}"
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let (ping_in, ping_out) = bounded::<Element>(LATENCY_CAPACITY);
        let (pong_in, pong_out) = bounded::<Element>(LATENCY_CAPACITY);
        round_trips(
            plan,
            |number| push(&ping_in, number),
            || pong_out.try_recv().ok().map(|element| element.number()),
            move || {
                loop {
                    if let Ok(element) = ping_out.try_recv() {
                        push(&pong_in, element.number());
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

/// One element at a time: a channel has no batches.
#[derive(Debug)]
pub struct CrossbeamThroughput {
    capacity: usize,
    name: String,
}

impl CrossbeamThroughput {
    /// Through a channel of `capacity` elements.
    pub fn new(capacity: usize) -> Self {
        CrossbeamThroughput {
            capacity,
            name: format!("crossbeam/{capacity}"),
        }
    }
}

impl Scenario for CrossbeamThroughput {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "threads; try_send and try_recv, spinning with a pause, bounded to {} elements",
            self.capacity
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let (input, output) = bounded::<Element>(self.capacity);
        rate(
            plan,
            |first, _| {
                push(&input, first);
                1
            },
            move |progress| {
                let (mut taken, mut sum) = (0u64, 0u64);
                loop {
                    match output.try_recv() {
                        Ok(element) => {
                            taken += 1;
                            sum = sum.wrapping_add(element.sum());
                        }
                        Err(_) if progress.complete(taken) => return (taken, sum),
                        Err(_) => spin_loop(),
                    }
                }
            },
        )
    }
}

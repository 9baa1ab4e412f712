//! disruptor: single producer, spinning with a pause, batches for throughput.

use super::element::Element;
use super::threads::{rate, round_trips};
use super::{BATCH, LATENCY_CAPACITY};
use ::disruptor::{
    BusySpinWithSpinLoopHint, EventPoller, Polling, Producer, SingleProducerBarrier,
    build_single_producer,
};
use selvedge_measure::Result;
use selvedge_measure::scenario::{Kind, Measured, Plan, Scenario};
use std::hint::spin_loop;

/// Round trips over two disruptors, each with an event poller.
#[derive(Debug, Default)]
pub struct DisruptorLatency;

/// The number of the last event that is there.
fn poll(poller: &mut EventPoller<Element, SingleProducerBarrier>) -> Option<u64> {
    match poller.poll() {
        Ok(mut events) => (&mut events).last().map(|event| event.number()),
        Err(Polling::NoEvents | Polling::Shutdown) => None,
    }
}

impl Scenario for DisruptorLatency {
    fn name(&self) -> &str {
        "disruptor"
    }

    fn describe(&self) -> String {
        format!(
            "threads; single producers, event pollers, spinning with a pause, two rings of {LATENCY_CAPACITY}"
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let builder =
            build_single_producer(LATENCY_CAPACITY, Element::default, BusySpinWithSpinLoopHint);
        let (mut ping_out, builder) = builder.new_event_poller();
        let mut ping_in = builder.build();
        let builder =
            build_single_producer(LATENCY_CAPACITY, Element::default, BusySpinWithSpinLoopHint);
        let (mut pong_out, builder) = builder.new_event_poller();
        let mut pong_in = builder.build();
        round_trips(
            plan,
            |number| ping_in.publish(|event| *event = Element::new(number)),
            || poll(&mut pong_out),
            move || {
                loop {
                    if let Some(number) = poll(&mut ping_out) {
                        pong_in.publish(|event| *event = Element::new(number));
                        if number == Element::STOP {
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

/// Batches published and drained in place.
#[derive(Debug)]
pub struct DisruptorThroughput {
    capacity: usize,
    name: String,
}

impl DisruptorThroughput {
    /// Through a ring of `capacity` events.
    pub fn new(capacity: usize) -> Self {
        DisruptorThroughput {
            capacity,
            name: format!("disruptor_batch/{capacity}"),
        }
    }
}

impl Scenario for DisruptorThroughput {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "threads; single producer, batches of {BATCH} published, all that is there drained in place by an event poller, {} events",
            self.capacity
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let builder =
            build_single_producer(self.capacity, Element::default, BusySpinWithSpinLoopHint);
        let (mut output, builder) = builder.new_event_poller();
        let mut input = builder.build();
        rate(
            plan,
            |first, count| {
                let count = BATCH.min(count as usize);
                input.batch_publish(count, |events| {
                    for (event, number) in events.zip(first..) {
                        *event = Element::new(number);
                    }
                });
                count as u64
            },
            move |progress| {
                let (mut taken, mut sum) = (0u64, 0u64);
                loop {
                    match output.take(4 * BATCH as u64) {
                        Ok(mut events) => {
                            for event in &mut events {
                                sum = sum.wrapping_add(event.sum());
                                taken += 1;
                            }
                        }
                        Err(_) if progress.complete(taken) => return (taken, sum),
                        Err(_) => spin_loop(),
                    }
                }
            },
        )
    }
}

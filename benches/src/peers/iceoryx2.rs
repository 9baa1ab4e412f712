//! iceoryx2: zero-copy publish-subscribe between two processes.

use super::element::Element;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use selvedge_measure::child::{Child, ChildHost, ChildPlace, Spin};
use selvedge_measure::clock::{Clock, seconds};
use selvedge_measure::cores::pin;
use selvedge_measure::disturbance::Watch;
use selvedge_measure::samples::RoundTrips;
use selvedge_measure::scenario::{Kind, Measured, Plan, Scenario};
use selvedge_measure::scratch::Scratch;
use selvedge_measure::{MeasureError, Result, check_equal};
use std::fmt::Display;
use std::hint::spin_loop;
use std::time::Duration;

/// Samples that a subscriber's buffer holds, for latency: two messages are never under way.
const LATENCY_BUFFER: usize = 8;

/// Samples between two looks at the clock.
const CLOCK_EVERY: u64 = 256;

fn failed(error: impl Display) -> MeasureError {
    MeasureError::Host(format!("iceoryx2: {error}"))
}

/// One end: a node with a publisher and a subscriber. What is not used is `None`.
struct Port {
    // Declared first, dropped first: ports before the node they belong to.
    publisher: Option<Publisher<ipc::Service, Element, ()>>,
    subscriber: Option<Subscriber<ipc::Service, Element, ()>>,
    _node: Node<ipc::Service>,
}

impl Port {
    fn open(publish: Option<&str>, subscribe: Option<&str>, buffer: usize) -> Result<Self> {
        let node = NodeBuilder::new()
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()
            .map_err(failed)?;
        let service = |name: &str| {
            let name = ServiceName::new(name).map_err(failed)?;
            node.service_builder(&name)
                .publish_subscribe::<Element>()
                .max_publishers(1)
                .max_subscribers(1)
                .max_nodes(2)
                .history_size(0)
                .subscriber_max_buffer_size(buffer)
                .enable_safe_overflow(false)
                .open_or_create()
                .map_err(failed)
        };
        let publisher = publish
            .map(|name| {
                service(name)?
                    .publisher_builder()
                    .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                    .max_loaned_samples(1)
                    .create()
                    .map_err(failed)
            })
            .transpose()?;
        let subscriber = subscribe
            .map(|name| {
                service(name)?
                    .subscriber_builder()
                    .buffer_size(buffer)
                    .create()
                    .map_err(failed)
            })
            .transpose()?;
        Ok(Port {
            publisher,
            subscriber,
            _node: node,
        })
    }

    #[inline(always)]
    fn send(&self, number: u64) -> Result<usize> {
        let Some(publisher) = &self.publisher else {
            return Ok(0);
        };
        let sample = publisher.loan_uninit().map_err(failed)?;
        sample
            .write_payload(Element::new(number))
            .send()
            .map_err(failed)
    }

    #[inline(always)]
    fn receive<T>(&self, take: impl FnOnce(&Element) -> T) -> Result<Option<T>> {
        let Some(subscriber) = &self.subscriber else {
            return Ok(None);
        };
        Ok(subscriber
            .receive()
            .map_err(failed)?
            .map(|sample| take(sample.payload())))
    }
}

/// Names of two services that nobody else uses.
fn names(scratch: &std::path::Path) -> (String, String) {
    let leaf = scratch
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    (format!("{leaf}/ping"), format!("{leaf}/pong"))
}

/// Sends until the other side is connected: before, nobody receives.
fn connect(port: &Port, child: &mut Child) -> Result<()> {
    let mut spin = Spin::new("iceoryx2 to connect");
    while port.send(0)? == 0 {
        child.check_alive()?;
        std::thread::sleep(Duration::from_millis(1));
        spin.turn()?;
    }
    Ok(())
}

/// Round trips over two services.
#[derive(Debug, Default)]
pub struct Iceoryx2Latency;

impl Scenario for Iceoryx2Latency {
    fn name(&self) -> &str {
        "iceoryx2"
    }

    fn describe(&self) -> String {
        "processes; ipc service (ports not shared by threads), loan, write in place, send, receive polled with a pause, no overflow, no history".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let (ping, pong) = names(scratch.path());
        let port = Port::open(Some(&ping), Some(&pong), LATENCY_BUFFER)?;
        let place = ChildPlace {
            role: "iceoryx2-answer",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let mut child = Child::spawn(&place, (&ping, &pong))?;
        child.wait_ready(|| Ok(()))?;
        connect(&port, &mut child)?;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let trips = RoundTrips::measure(plan.warm_up, plan.duration, |number| {
            port.send(number)?;
            let mut spin = Spin::new("an answer from iceoryx2");
            while port.receive(Element::number)? != Some(number) {
                spin.pause()?;
            }
            Ok(())
        })?;
        let disturbance = watch.end();
        port.send(Element::STOP)?;
        let report = child.finish()?;
        Ok(Measured::round_trips(
            trips,
            disturbance.and(report.disturbance),
        ))
    }
}

pub(super) fn answer(host: &mut ChildHost) -> Result<serde_json::Value> {
    let (ping, pong): (String, String) = host.settings()?;
    let port = Port::open(Some(&pong), Some(&ping), LATENCY_BUFFER)?;
    host.ready();
    loop {
        match port.receive(Element::number)? {
            Some(Element::STOP) => return Ok(serde_json::Value::Null),
            Some(number) => {
                port.send(number)?;
            }
            None => spin_loop(),
        }
    }
}

/// Samples a second through one service.
#[derive(Debug)]
pub struct Iceoryx2Throughput {
    buffer: usize,
    name: String,
}

impl Iceoryx2Throughput {
    /// With `buffer` samples in the subscriber's buffer.
    pub fn new(buffer: usize) -> Self {
        Iceoryx2Throughput {
            buffer,
            name: format!("iceoryx2/{buffer}"),
        }
    }
}

impl Scenario for Iceoryx2Throughput {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "processes; ipc service, loan, write in place, send, blocking when the buffer of {} samples is full",
            self.buffer
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let (ping, _) = names(scratch.path());
        let port = Port::open(Some(&ping), None, self.buffer)?;
        let place = ChildPlace {
            role: "iceoryx2-take",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let mut child = Child::spawn(&place, (&ping, self.buffer))?;
        child.wait_ready(|| Ok(()))?;
        connect(&port, &mut child)?;
        pin(plan.cores.near)?;
        let clock = Clock::best();
        let watch = Watch::begin();
        let started = seconds();
        let end = clock.now() + clock.ticks(plan.duration);
        let mut sent = 0;
        while clock.now() < end {
            for _ in 0..CLOCK_EVERY {
                sent += 1;
                port.send(sent)?;
            }
        }
        port.send(Element::STOP)?;
        // The buffer's content is still to be taken: that is part of the time.
        child.wait_done()?;
        let seconds = seconds() - started;
        let disturbance = watch.end();
        let report = child.finish()?;
        check_equal("samples taken", report.number("taken"), sent)?;
        check_equal(
            "sum of all words",
            report.number("sum"),
            Element::sum_of(sent),
        )?;
        Ok(Measured::rate(
            sent,
            seconds * 1e9,
            disturbance.and(report.disturbance),
        ))
    }
}

pub(super) fn take(host: &mut ChildHost) -> Result<serde_json::Value> {
    let (ping, buffer): (String, usize) = host.settings()?;
    let port = Port::open(None, Some(&ping), buffer)?;
    host.ready();
    let (mut taken, mut sum) = (0u64, 0u64);
    loop {
        let received = port.receive(|element| (element.number(), element.sum()))?;
        match received {
            Some((Element::STOP, _)) => {
                host.done();
                return Ok(serde_json::json!({ "taken": taken, "sum": sum }));
            }
            // Sent to see whether anybody listens.
            Some((0, _)) => {}
            None => spin_loop(),
            Some((_, part)) => {
                taken += 1;
                sum = sum.wrapping_add(part);
            }
        }
    }
}

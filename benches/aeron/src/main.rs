//! Aeron IPC between two processes, measured as the fabric is.
//!
//! `selvedge-bench-aeron latency|throughput NEAR FAR WARM_UP_MS DURATION_MS [TERM_KIB]` prints one
//! line of JSON. Settings as Aeron's own experts choose them: IPC, exclusive publications,
//! tryClaim, term buffers that are not sparse and are touched before, and neither media driver
//! nor clients run threads: they are invoked from the loops.

use rusteron_client::{
    AERON_IPC_STREAM, Aeron, AeronContext, AeronExclusivePublication, AeronImage,
    AeronSubscription, Handlers, IntoCString,
};
use rusteron_media_driver::bindings::aeron_threading_mode_t;
use rusteron_media_driver::{AeronDriver, AeronDriverContext};
use selvedge_measure::child::{Child, ChildHost, ChildPlace, Role, Spin};
use selvedge_measure::clock::{Clock, seconds};
use selvedge_measure::cores::{CorePair, cores_at_start, pin};
use selvedge_measure::disturbance::Watch;
use selvedge_measure::samples::RoundTrips;
use selvedge_measure::scenario::{HandedOver, Measured, Plan};
use selvedge_measure::scenarios::{Line, sum_words};
use selvedge_measure::scratch::Scratch;
use selvedge_measure::{MeasureError, Result, check_equal};
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

const PING: i32 = 1001;
const PONG: i32 = 1002;

/// With its header of 32 bytes a frame takes 64.
const MESSAGE_BYTES: usize = 32;

/// Round trips or messages between two invocations of driver and client.
const INVOKE_EVERY: u64 = 1024;

/// Fragments taken at a time.
const FRAGMENTS: usize = 256;

/// The default length of a term, unless said: small enough for a core's second-level cache.
const TERM_KIB: usize = 256;

const ROLES: &[Role] = &[("aeron-answer", answer), ("aeron-take", take)];

fn failed(error: impl Debug) -> MeasureError {
    MeasureError::Host(format!("aeron: {error:?}"))
}

/// The media driver, invoked.
struct Driver {
    driver: AeronDriver,
    _context: AeronDriverContext,
}

impl Driver {
    fn start(directory: &Path, term_bytes: usize) -> Result<Self> {
        let context = AeronDriverContext::new().map_err(failed)?;
        let directory = directory.to_string_lossy().into_owned().into_c_string();
        let set = || {
            context.set_dir(&directory)?;
            context.set_dir_delete_on_start(true)?;
            context.set_dir_delete_on_shutdown(true)?;
            context.set_threading_mode(aeron_threading_mode_t::AERON_THREADING_MODE_INVOKER)?;
            context.set_term_buffer_sparse_file(false)?;
            context.set_ipc_term_buffer_length(term_bytes)
        };
        set().map_err(failed)?;
        let driver = AeronDriver::new(&context).map_err(failed)?;
        driver.start(true).map_err(failed)?;
        Ok(Driver {
            driver,
            _context: context,
        })
    }

    fn work(&self) -> Result<()> {
        self.driver.main_do_work().map_err(failed)?;
        Ok(())
    }
}

/// A client, invoked.
struct Client {
    aeron: Aeron,
    _context: AeronContext,
}

impl Client {
    /// The driver must be running meanwhile, or have created its files.
    fn connect(directory: &Path) -> Result<Self> {
        let context = AeronContext::new().map_err(failed)?;
        let directory = directory.to_string_lossy().into_owned().into_c_string();
        let set = || {
            context.set_dir(&directory)?;
            context.set_pre_touch_mapped_memory(true)?;
            context.set_use_conductor_agent_invoker(true)
        };
        set().map_err(failed)?;
        let aeron = Aeron::new(&context).map_err(failed)?;
        aeron.start().map_err(failed)?;
        Ok(Client {
            aeron,
            _context: context,
        })
    }

    fn work(&self) -> Result<()> {
        self.aeron.main_do_work().map_err(failed)?;
        Ok(())
    }

    fn publication(
        &self,
        stream: i32,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<AeronExclusivePublication> {
        let pending = self
            .aeron
            .async_add_exclusive_publication(AERON_IPC_STREAM, stream)
            .map_err(failed)?;
        let mut spin = Spin::new("a publication");
        loop {
            meanwhile()?;
            self.work()?;
            if let Some(publication) = pending.poll().map_err(failed)? {
                return Ok(publication);
            }
            spin.turn()?;
        }
    }

    fn subscription(
        &self,
        stream: i32,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<AeronSubscription> {
        let pending = self
            .aeron
            .async_add_subscription(AERON_IPC_STREAM, stream, Handlers::NONE, Handlers::NONE)
            .map_err(failed)?;
        let mut spin = Spin::new("a subscription");
        loop {
            meanwhile()?;
            self.work()?;
            if let Some(subscription) = pending.poll().map_err(failed)? {
                return Ok(subscription);
            }
            spin.turn()?;
        }
    }
}

fn image(
    subscription: &AeronSubscription,
    mut meanwhile: impl FnMut() -> Result<()>,
) -> Result<AeronImage> {
    let mut spin = Spin::new("an image");
    loop {
        meanwhile()?;
        if let Some(image) = subscription.image_at_index(0) {
            return Ok(image);
        }
        spin.turn()?;
    }
}

/// Sends message `number`; `blocked` is called while there is no room.
#[inline(always)]
fn send(
    publication: &AeronExclusivePublication,
    number: u64,
    mut blocked: impl FnMut() -> Result<()>,
) -> Result<()> {
    loop {
        match publication.try_claim_owned(MESSAGE_BYTES) {
            Ok(mut claim) => {
                let line = Line::new(number, 0);
                let words = [line.number, line.planned, line.complement, line.multiple];
                let (chunks, _) = claim.data().as_chunks_mut::<8>();
                for (chunk, word) in chunks.iter_mut().zip(words) {
                    *chunk = word.to_le_bytes();
                }
                claim.commit().map_err(failed)?;
                return Ok(());
            }
            Err(error) if error.is_retryable() => blocked()?,
            Err(error) => return Err(failed(error)),
        }
    }
}

#[inline(always)]
fn number(bytes: &[u8]) -> u64 {
    sum_words(bytes.get(..8).unwrap_or_default())
}

/// Runs `measure` with everything connected: the near side's publication and, for latency, image.
fn connected(
    plan: &Plan,
    role: &'static str,
    term_bytes: usize,
    both_ways: bool,
    measure: impl FnOnce(
        &Driver,
        &Client,
        &AeronExclusivePublication,
        Option<&AeronImage>,
        &mut Child,
    ) -> Result<(Measured, u64)>,
) -> Result<Measured> {
    let scratch = Scratch::new()?;
    let directory = scratch.path().join("aeron");
    let driver = Driver::start(&directory, term_bytes)?;
    driver.work()?;
    let client = Client::connect(&directory)?;
    let publication = client.publication(PING, || driver.work())?;
    let place = ChildPlace {
        role,
        core: plan.cores.far,
        busy: &[plan.cores.near, plan.cores.far],
        directory: scratch.path(),
    };
    let mut child = Child::spawn(&place, ())?;
    let subscription = if both_ways {
        Some(client.subscription(PONG, || driver.work())?)
    } else {
        None
    };
    child.wait_ready(|| {
        driver.work()?;
        client.work()
    })?;
    let images = subscription
        .as_ref()
        .map(|subscription| {
            image(subscription, || {
                driver.work()?;
                client.work()
            })
        })
        .transpose()?;
    pin(plan.cores.near)?;
    let (mut measured, expected) =
        measure(&driver, &client, &publication, images.as_ref(), &mut child)?;
    let report = child.finish()?;
    check_equal("messages taken", report.number("taken"), expected)?;
    if expected > 0 {
        check_equal(
            "sum of all words",
            report.number("sum"),
            Line::sum_of(expected),
        )?;
    }
    measured.disturbance = measured.disturbance.and(report.disturbance);
    drop((images, subscription, publication, client, driver));
    Ok(measured)
}

fn latency(plan: &Plan, term_bytes: usize) -> Result<Measured> {
    connected(
        plan,
        "aeron-answer",
        term_bytes,
        true,
        |driver, client, publication, image, _| {
            let image = image.ok_or_else(|| failed("no image"))?;
            let watch = Watch::begin();
            let trips = RoundTrips::measure(plan.warm_up, plan.duration, |number| {
                if number.is_multiple_of(INVOKE_EVERY) {
                    driver.work()?;
                    client.work()?;
                }
                send(publication, number, || driver.work())?;
                let mut spin = Spin::new("an answer from aeron");
                let mut seen = 0;
                while seen != number {
                    image
                        .poll_fn(|bytes, _| seen = self::number(bytes), FRAGMENTS)
                        .map_err(failed)?;
                    if seen != number {
                        spin.pause()?;
                    }
                }
                Ok(())
            })?;
            let disturbance = watch.end();
            send(publication, Line::STOP, || driver.work())?;
            Ok((Measured::round_trips(trips, disturbance), 0))
        },
    )
}

fn answer(host: &mut ChildHost) -> Result<serde_json::Value> {
    let client = Client::connect(&host.directory().join("aeron"))?;
    let subscription = client.subscription(PING, || Ok(()))?;
    let publication = client.publication(PONG, || Ok(()))?;
    let image = image(&subscription, || client.work())?;
    let mut spin = Spin::new("a subscriber");
    while !publication.is_connected() {
        client.work()?;
        spin.turn()?;
    }
    host.ready();
    let (mut seen, mut answered) = (0, 0u64);
    while seen != Line::STOP {
        let fragments = image
            .poll_fn(|bytes, _| seen = number(bytes), FRAGMENTS)
            .map_err(failed)?;
        if fragments > 0 && seen != Line::STOP {
            send(&publication, seen, || Ok(()))?;
            answered += 1;
            if answered.is_multiple_of(INVOKE_EVERY) {
                client.work()?;
            }
        } else {
            std::hint::spin_loop();
        }
    }
    host.done();
    Ok(serde_json::json!({ "taken": 0 }))
}

fn throughput(plan: &Plan, term_bytes: usize) -> Result<Measured> {
    connected(
        plan,
        "aeron-take",
        term_bytes,
        false,
        |driver, client, publication, _, child| {
            let clock = Clock::best();
            let watch = Watch::begin();
            let started = seconds();
            let end = clock.now() + clock.ticks(plan.duration);
            let mut sent = 0u64;
            while clock.now() < end {
                client.work()?;
                for _ in 0..INVOKE_EVERY {
                    sent += 1;
                    if sent.is_multiple_of(INVOKE_EVERY / 8) {
                        driver.work()?;
                    }
                    send(publication, sent, || driver.work())?;
                }
            }
            send(publication, Line::STOP, || driver.work())?;
            let mut spin = Spin::new("the last message to be taken");
            while !child.is_done() {
                driver.work()?;
                spin.turn()?;
            }
            let seconds = seconds() - started;
            Ok((Measured::rate(sent, seconds * 1e9, watch.end()), sent))
        },
    )
}

fn take(host: &mut ChildHost) -> Result<serde_json::Value> {
    let client = Client::connect(&host.directory().join("aeron"))?;
    let subscription = client.subscription(PING, || Ok(()))?;
    let image = image(&subscription, || client.work())?;
    host.ready();
    let (mut taken, mut sum, mut stopped, mut polls) = (0u64, 0u64, false, 0u64);
    while !stopped {
        image
            .poll_fn(
                |bytes, _| {
                    if number(bytes) == Line::STOP {
                        stopped = true;
                    } else {
                        taken += 1;
                        sum = sum.wrapping_add(sum_words(bytes));
                    }
                },
                FRAGMENTS,
            )
            .map_err(failed)?;
        polls += 1;
        if polls.is_multiple_of(16 * INVOKE_EVERY) {
            client.work()?;
        }
    }
    host.done();
    Ok(serde_json::json!({ "taken": taken, "sum": sum }))
}

fn run() -> Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || {
        MeasureError::Host(
            "usage: selvedge-bench-aeron latency|throughput NEAR FAR WARM_UP_MS DURATION_MS [TERM_KIB]"
                .to_owned(),
        )
    };
    let number = |index: usize| {
        arguments
            .get(index)
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or_else(usage)
    };
    let mut plan = Plan::new(CorePair::of(&[number(1)?, number(2)?])?);
    plan.warm_up = Duration::from_millis(number(3)? as u64);
    plan.duration = Duration::from_millis(number(4)? as u64);
    let term_bytes = number(5).unwrap_or(TERM_KIB) * 1024;
    let measured = match arguments.first().map(String::as_str) {
        Some("latency") => latency(&plan, term_bytes)?,
        Some("throughput") => throughput(&plan, term_bytes)?,
        _ => return Err(usage()),
    };
    serde_json::to_string(&HandedOver::from(&measured))
        .map_err(|error| MeasureError::Host(error.to_string()))
}

fn main() -> std::process::ExitCode {
    selvedge_measure::maybe_run_child_with(ROLES);
    cores_at_start();
    match run() {
        Ok(line) => {
            println!("{line}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

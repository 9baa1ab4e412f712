//! The limits of the machine: what no messaging between these two cores can beat.

use crate::batches::Batches;
use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::cores::{CorePair, pin};
use crate::disturbance::{Disturbance, Watch};
use crate::error::{Result, check_equal};
use crate::samples::RoundTrips;
use crate::scenario::{Kind, Measured, Plan, Scenario};
use crate::scenarios::messages::sum_words;
use crate::scratch::Scratch;
use selvedge_fabric::host::ticks::monotonic_ns;
use selvedge_fabric::memory::{Access, Mapping, PageKind, RegionOptions, create_region};
use selvedge_fabric::protocol::{AtomicU64, Ordering, Words};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

const BALL_FILE: &str = "ball";
const BALL_BYTES: usize = 4096;
/// The word that ends a game.
const STOP: u64 = u64::MAX;
/// Words of a cache line.
pub(super) const LINE: usize = 8;

const COPY_FILE: &str = "copy";
/// Bytes of the buffer that payloads are copied through: as many as an ingress payload ring has.
const COPY_BYTES: usize = 1 << 19;
/// Where the slots begin; before them the two positions, each on a line of its own.
const COPY_SLOTS_AT: usize = 4096;
/// Payloads between two looks at the clock.
const CLOCK_EVERY: u64 = 32;
const WRITTEN_AT: usize = 0;
const TAKEN_AT: usize = 32;

pub(super) fn shared(directory: &Path, name: &str, bytes: usize, create: bool) -> Result<Words> {
    let path = directory.join(name);
    let mapping = if create {
        let options = RegionOptions {
            pages: PageKind::Small,
            numa_node: None,
        };
        let file = create_region(&path, bytes as u64, options)?;
        Mapping::of_file(&file, &path, Access::Write)?
    } else {
        Mapping::open(&path, Access::Write)?
    };
    Ok(mapping.words(0, bytes)?)
}

/// The first line of the region as single words.
fn line(words: &Words) -> [&AtomicU64; LINE] {
    std::array::from_fn(|index| {
        // SAFETY: the region has a page of words.
        unsafe { words.at(index) }
    })
}

/// One atomic word bounced between the two cores: the limit of latency.
#[derive(Debug)]
pub struct RawWord {
    paused: bool,
}

impl RawWord {
    /// Both sides look again without a pause: what every ratio is to.
    pub fn unpaused() -> Self {
        RawWord { paused: false }
    }

    /// Both sides pause between two looks, as who waits for a message does.
    pub fn paused() -> Self {
        RawWord { paused: true }
    }
}

impl Scenario for RawWord {
    fn name(&self) -> &str {
        if self.paused { "raw_paused" } else { "raw" }
    }

    fn describe(&self) -> String {
        format!(
            "one atomic word bounced between two processes, {} a pause between two looks",
            if self.paused { "with" } else { "without" }
        )
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let paused = self.paused;
        bounce(plan, "raw-word", paused, |ball, sent| {
            throw(ball, sent, paused)
        })
    }
}

impl RawWord {
    /// Lets `play` bounce the word when it likes: each call of what it is given sends the word and
    /// comes back when the word has. With a pause between two looks, as the messages are waited for:
    /// it makes the word faster, too.
    pub fn at_will(
        cores: CorePair,
        play: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        with_ball(cores, "raw-word", true, |ball| {
            let mut sent = 1;
            play(&mut || {
                throw(ball, sent, true)?;
                sent += 2;
                Ok(())
            })
        })
        .map(|_| ())
    }
}

/// Sends the first word, an odd number, and waits until it comes back.
#[inline(always)]
fn throw(ball: &[&AtomicU64; LINE], sent: u64, paused: bool) -> Result<()> {
    ball[0].store(sent, Ordering::Release);
    let mut spin = Spin::new("the ball");
    while ball[0].load(Ordering::Acquire) != sent + 1 {
        if paused {
            spin.pause()?;
        } else {
            spin.turn()?;
        }
    }
    Ok(())
}

/// A whole cache line, every word written and read, bounced between the two cores.
#[derive(Debug, Default)]
pub struct RawLine;

impl Scenario for RawLine {
    fn name(&self) -> &str {
        "raw_line"
    }

    fn describe(&self) -> String {
        "a 64-byte line, every word written and read, bounced between two processes".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Latency
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let mut sum = 0u64;
        let measured = bounce(plan, "raw-line", (), |ball, sent| {
            write_line(ball, sent);
            let mut spin = Spin::new("the ball");
            while ball[0].load(Ordering::Acquire) != sent + 1 {
                spin.turn()?;
            }
            sum = sum.wrapping_add(read_line(ball));
            Ok(())
        });
        std::hint::black_box(sum);
        measured
    }
}

/// Everything but the first word, then the first word, which says that the line is complete.
#[inline(always)]
fn write_line(ball: &[&AtomicU64; LINE], value: u64) {
    for word in &ball[1..] {
        word.store(value, Ordering::Relaxed);
    }
    ball[0].store(value, Ordering::Release);
}

#[inline(always)]
fn read_line(ball: &[&AtomicU64; LINE]) -> u64 {
    ball[1..].iter().fold(0u64, |sum, word| {
        sum.wrapping_add(word.load(Ordering::Relaxed))
    })
}

/// Plays ball with a second process. `once` sends an odd number and waits for the next.
fn bounce(
    plan: &Plan,
    role: &'static str,
    settings: impl Serialize,
    mut once: impl FnMut(&[&AtomicU64; LINE], u64) -> Result<()>,
) -> Result<Measured> {
    with_ball(plan.cores, role, settings, |ball| {
        RoundTrips::measure(plan.warm_up, plan.duration, |number| {
            once(ball, 2 * number - 1)
        })
    })
    .map(|(trips, disturbance)| Measured::round_trips(trips, disturbance))
}

/// Lets `play` have a line that a second process answers on, and then ends the game.
fn with_ball<T>(
    cores: CorePair,
    role: &'static str,
    settings: impl Serialize,
    play: impl FnOnce(&[&AtomicU64; LINE]) -> Result<T>,
) -> Result<(T, Disturbance)> {
    let scratch = Scratch::new()?;
    let words = shared(scratch.path(), BALL_FILE, BALL_BYTES, true)?;
    let ball = line(&words);
    let place = ChildPlace {
        role,
        core: cores.far,
        busy: &[cores.near, cores.far],
        directory: scratch.path(),
    };
    let mut child = Child::spawn(&place, settings)?;
    child.wait_ready(|| Ok(()))?;
    pin(cores.near)?;
    let watch = Watch::begin();
    let played = play(&ball)?;
    let disturbance = watch.end();
    ball[0].store(STOP, Ordering::Release);
    let report = child.finish()?;
    Ok((played, disturbance.and(report.disturbance)))
}

pub(super) fn answer_word(host: &mut ChildHost) -> Result<serde_json::Value> {
    let paused: bool = host.settings()?;
    let words = shared(host.directory(), BALL_FILE, BALL_BYTES, false)?;
    let ball = line(&words);
    host.ready();
    let mut expected = 1;
    loop {
        let value = ball[0].load(Ordering::Acquire);
        if value == expected {
            ball[0].store(expected + 1, Ordering::Release);
            expected += 2;
        } else if value == STOP {
            return Ok(serde_json::Value::Null);
        } else if paused {
            std::hint::spin_loop();
        }
    }
}

pub(super) fn answer_line(host: &mut ChildHost) -> Result<serde_json::Value> {
    let words = shared(host.directory(), BALL_FILE, BALL_BYTES, false)?;
    let ball = line(&words);
    host.ready();
    let (mut expected, mut sum) = (1, 0u64);
    loop {
        let value = ball[0].load(Ordering::Acquire);
        if value == expected {
            sum = sum.wrapping_add(read_line(&ball));
            write_line(&ball, expected + 1);
            expected += 2;
        } else if value == STOP {
            return Ok(serde_json::json!({ "sum": sum }));
        }
    }
}

/// A plain copy loop between the two cores: one copies payloads into a shared buffer, the other
/// copies them out. The limit of bandwidth.
#[derive(Debug)]
pub struct CopyLimit {
    size: usize,
    name: String,
}

impl CopyLimit {
    /// With payloads of `size` bytes, a power of two.
    pub fn new(size: usize) -> Self {
        CopyLimit {
            size,
            name: format!("copy_{size}"),
        }
    }
}

impl Scenario for CopyLimit {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "{} bytes copied into a buffer of {} KiB and out of it by another process",
            self.size,
            COPY_BYTES / 1024
        )
    }

    fn kind(&self) -> Kind {
        Kind::Throughput
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let scratch = Scratch::new()?;
        let words = shared(scratch.path(), COPY_FILE, COPY_SLOTS_AT + COPY_BYTES, true)?;
        let place = ChildPlace {
            role: "copy",
            core: plan.cores.far,
            busy: &[plan.cores.near, plan.cores.far],
            directory: scratch.path(),
        };
        let mut child = Child::spawn(&place, (self.size, plan.duration))?;
        child.wait_ready(|| Ok(()))?;
        pin(plan.cores.near)?;
        let watch = Watch::begin();
        let (written, taken) = positions(&words);
        let slots = (COPY_BYTES / self.size) as u64;
        let mut source = vec![1u8; self.size];
        let started = monotonic_ns();
        let end = started + plan.duration.as_nanos() as u64;
        let (mut next, mut seen) = (0u64, 0u64);
        while !next.is_multiple_of(CLOCK_EVERY) || monotonic_ns() < end {
            let mut spin = Spin::new("room in the copy buffer");
            while next - seen == slots {
                seen = taken.load(Ordering::Acquire);
                spin.turn()?;
            }
            source[..8].copy_from_slice(&next.to_le_bytes());
            // SAFETY: the slot lies in the buffer, `self.size` is its size, and the other side
            // does not touch it until it is published.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    source.as_ptr(),
                    slot(&words, next & (slots - 1), self.size),
                    self.size,
                );
            }
            next += 1;
            written.store(next, Ordering::Release);
        }
        let mut spin = Spin::new("the last copy");
        while taken.load(Ordering::Acquire) != next {
            spin.turn()?;
        }
        let ns = (monotonic_ns() - started) as f64;
        let disturbance = watch.end();
        let report = child.finish()?;
        check_equal("copied payloads", report.number("taken"), next)?;
        let numbers = next * next.saturating_sub(1) / 2;
        check_equal(
            "sum of first and last words copied",
            report.number("sum"),
            numbers.wrapping_add(next.wrapping_mul(u64::from_le_bytes([1; 8]))),
        )?;
        let measured = Measured::rate(next, ns, disturbance.and(report.disturbance));
        Ok(measured.with_batches(report.value("batches")?))
    }
}

fn positions(words: &Words) -> (&AtomicU64, &AtomicU64) {
    // SAFETY: both indices are constants inside the first page of the region.
    unsafe { (words.at(WRITTEN_AT), words.at(TAKEN_AT)) }
}

fn slot(words: &Words, index: u64, size: usize) -> *mut u8 {
    // SAFETY: an index below the number of slots leads inside the region.
    unsafe { words.pointer((COPY_SLOTS_AT + index as usize * size) / 8) }
}

pub(super) fn take_copies(host: &mut ChildHost) -> Result<serde_json::Value> {
    let (size, duration): (usize, Duration) = host.settings()?;
    let words = shared(
        host.directory(),
        COPY_FILE,
        COPY_SLOTS_AT + COPY_BYTES,
        false,
    )?;
    let (written, taken) = positions(&words);
    let slots = (COPY_BYTES / size) as u64;
    let mut target = vec![0u8; size];
    let (mut next, mut sum) = (0u64, 0u64);
    let mut batches = Batches::new(size, duration)?;
    host.ready();
    while !host.stopped() {
        let available = written.load(Ordering::Acquire);
        while next < available {
            // SAFETY: the slot is published, and is not written again before it is taken.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    slot(&words, next & (slots - 1), size),
                    target.as_mut_ptr(),
                    size,
                );
            }
            std::hint::black_box(&mut target);
            sum = sum
                .wrapping_add(sum_words(&target[..8]))
                .wrapping_add(sum_words(&target[size - 8..]));
            next += 1;
            taken.store(next, Ordering::Release);
            batches.taken(next);
        }
    }
    Ok(serde_json::json!({ "taken": next, "sum": sum, "batches": batches.hand_over() }))
}

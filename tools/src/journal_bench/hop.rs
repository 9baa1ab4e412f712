//! The sequenced hop with a journal on the fabric and without: does trading feel it?
//!
//! In turn in every round of one run. Publisher and reader spin on one core, the sequencer on another;
//! the journal runs where it finds a core, so on a host with two it takes turns with them.

use super::fabric_rate::Filler;
use crate::error::{Result, ToolError};
use selvedge_fabric::agent::{Agent, Progress};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::{Fabric, FabricConfig, Start};
use selvedge_journal::{JournalAgent, JournalConfig};
use selvedge_measure::cores::{CorePair, cores_at_start, keep_off, pin, unpin};
use selvedge_sequencer::{Sequencer, SequencerConfig};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rounds, with and without.
const ROUNDS: usize = 7;

/// How long each of them is, after a quarter of that which does not count.
const DURATION: Duration = Duration::from_millis(200);

/// One hop, half of a round trip, in nanoseconds: medians over the rounds of their medians.
pub struct HopReport {
    /// Without a journal.
    pub alone_ns: f64,
    /// With one.
    pub with_journal_ns: f64,
    /// Whether the journal had a core that nobody spins on.
    pub spare_core: bool,
}

/// Looks for an answer between two looks at whether anybody is left to give it.
const LOOKS: u64 = 1 << 20;

/// Measures both. `None` where there are not two cores.
pub fn run(directory: &Path) -> Result<Option<HopReport>> {
    let Ok(cores) = CorePair::choose() else {
        return Ok(None);
    };
    let (mut alone, mut with_journal) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                alone.push(hop(cores, None)?);
            } else {
                with_journal.push(hop(cores, Some(directory))?);
            }
        }
    }
    Ok(Some(HopReport {
        alone_ns: median(&mut alone),
        with_journal_ns: median(&mut with_journal),
        spare_core: cores_at_start().len() > 2,
    }))
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// A thread that does an agent's work until it is told to stop.
struct Working {
    thread: JoinHandle<Result<()>>,
}

impl Working {
    fn start(name: &str, work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Self> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(ToolError::host("start a thread"))?;
        Ok(Working { thread })
    }

    fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    fn end(self, what: &str) -> Result<()> {
        self.thread
            .join()
            .map_err(|_| ToolError::host(what)(std::io::Error::other("it panicked")))?
    }
}

/// The median of one hop through a fabric of its own, journaled into `journal`.
fn hop(cores: CorePair, journal: Option<&Path>) -> Result<f64> {
    static DRAIN: AtomicBool = AtomicBool::new(false);
    DRAIN.store(false, Ordering::Relaxed);
    let place = super::fabric_place(journal.unwrap_or(Path::new(".")))?;
    let fabric = Fabric::create(&FabricConfig::new("bench").in_directory(place.path()))?;
    let sequenced = fabric.clone();
    let sequencer = Working::start("sequencer", move || {
        // The conductor's thread inherits where it may run.
        keep_off(cores_at_start(), &[cores.near, cores.far], cores.far)?;
        let mut sequencer = Sequencer::start(&sequenced, &SequencerConfig::default())?;
        pin(cores.far)?;
        while !sequencer.ended() {
            if sequencer.do_work()? == 0 {
                IdleStrategy::default().idle(0);
                if DRAIN.load(Ordering::Relaxed) {
                    sequencer.drain();
                }
            }
        }
        Ok(())
    })?;
    let mut journaling = None;
    if let Some(directory) = journal {
        let directory = directory.join("hop");
        let _ = std::fs::remove_dir_all(&directory);
        let journaled = fabric.clone();
        journaling = Some(Working::start("journal", move || {
            keep_off(cores_at_start(), &[cores.near, cores.far], cores.far)?;
            let config = JournalConfig::default();
            let mut agent = JournalAgent::new(&journaled, &directory, &config)?;
            let mut idle_cycles = 0;
            loop {
                match agent.do_work().map_err(ToolError::role("journal"))? {
                    Progress::Finished => return Ok(()),
                    Progress::Worked => idle_cycles = 0,
                    Progress::Idle => {
                        IdleStrategy::Park.idle(idle_cycles);
                        idle_cycles += 1;
                    }
                }
            }
        })?);
    }
    let all_work = || {
        !sequencer.has_ended()
            && journaling
                .as_ref()
                .is_none_or(|journal| !journal.has_ended())
    };
    let measured = round_trips(&fabric, cores, all_work);
    DRAIN.store(true, Ordering::Relaxed);
    unpin()?;
    let ended = sequencer.end("run the sequencer");
    let journaled = journaling.map_or(Ok(()), |journal| journal.end("run the journal"));
    let hop = measured?;
    ended.and(journaled)?;
    drop(fabric);
    Fabric::remove_in(place.path(), "bench", true)?;
    Ok(hop)
}

/// Publishes and waits for one's own message, again and again: the median, by half. An error of
/// who no longer works is told by its thread.
fn round_trips(fabric: &Fabric, cores: CorePair, all_work: impl Fn() -> bool) -> Result<f64> {
    let mut producer = fabric.producer("bench").message::<Filler>().attach()?;
    let mut consumer = fabric.consumer("bench").start(Start::Latest).attach()?;
    pin(cores.near)?;
    let mut trips = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1_000_000_000, 3)
        .map_err(|error| ToolError::host("make a histogram")(std::io::Error::other(error)))?;
    let mut message = Filler {
        number: 0,
        rest: [0; 24],
    };
    let started = Instant::now();
    while started.elapsed() < DURATION + DURATION / 4 {
        message.number += 1;
        let sent = Instant::now();
        producer.publish(&message)?;
        let (mut seen, mut looks) = (0, 0_u64);
        while seen != message.number {
            let frames = consumer.poll(64, |frame| {
                if let Some(message) = frame.get::<Filler>() {
                    seen = message.number;
                }
            })?;
            if frames == 0 {
                IdleStrategy::default().idle(0);
                looks += 1;
                if looks.is_multiple_of(LOOKS) && !all_work() {
                    return Ok(0.0);
                }
            }
        }
        if started.elapsed() > DURATION / 4 {
            trips.saturating_record(sent.elapsed().as_nanos() as u64);
        }
    }
    Ok(trips.value_at_quantile(0.5) as f64 / 2.0)
}

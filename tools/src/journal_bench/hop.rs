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
use selvedge_measure::child::Spin;
use selvedge_measure::cores::{CorePair, cores_at_start, keep_off, pin, unpin};
use selvedge_measure::samples::{RoundTrips, median};
use selvedge_sequencer::{Sequencer, SequencerConfig};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

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

/// Measures both. `None` where there are not two cores.
pub fn run(directory: &Path) -> Result<Option<HopReport>> {
    let Ok(cores) = CorePair::choose() else {
        return Ok(None);
    };
    let (mut alone, mut with_journal) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for turn in 0..2 {
            let journaled = (round + turn) % 2 == 1;
            let hops = if journaled {
                &mut with_journal
            } else {
                &mut alone
            };
            hops.push(hop(cores, directory, journaled)?);
        }
    }
    Ok(Some(HopReport {
        alone_ns: median(&alone),
        with_journal_ns: median(&with_journal),
        spare_core: cores_at_start().len() > 2,
    }))
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

    fn end(self, what: &str) -> Result<()> {
        self.thread
            .join()
            .map_err(|_| ToolError::host(what)(std::io::Error::other("it panicked")))?
    }
}

/// The median of one hop through a fabric of its own, which is journaled into `directory` or not.
fn hop(cores: CorePair, directory: &Path, journaled: bool) -> Result<f64> {
    let place = super::fabric_place(directory)?;
    let fabric = Fabric::create(&FabricConfig::new("bench").in_directory(place.path()))?;
    let drain = Arc::new(AtomicBool::new(false));
    let sequencer = Working::start("sequencer", {
        let (fabric, drain) = (fabric.clone(), Arc::clone(&drain));
        move || sequence(&fabric, cores, &drain)
    })?;
    let journal = if journaled {
        let (fabric, journal) = (fabric.clone(), directory.join("hop"));
        // That of the round before.
        let _ = std::fs::remove_dir_all(&journal);
        let record = move || record(&fabric, cores, &journal);
        Some(Working::start("journal", record)?)
    } else {
        None
    };
    let measured = round_trips(&fabric, cores);
    drain.store(true, Ordering::Relaxed);
    let ended = sequencer.end("run the sequencer");
    let recorded = journal.map_or(Ok(()), |journal| journal.end("run the journal"));
    unpin()?;
    // Who ended early is why nobody answered.
    ended.and(recorded)?;
    let hop = measured?;
    drop(fabric);
    Fabric::remove_in(place.path(), "bench", true)?;
    Ok(hop)
}

fn sequence(fabric: &Fabric, cores: CorePair, drain: &AtomicBool) -> Result<()> {
    // The conductor's thread inherits where it may run.
    keep_off(cores_at_start(), &[cores.near, cores.far], cores.far)?;
    let mut sequencer = Sequencer::start(fabric, &SequencerConfig::default())?;
    pin(cores.far)?;
    while !sequencer.ended() {
        if sequencer.do_work()? == 0 {
            IdleStrategy::default().idle(0);
            if drain.load(Ordering::Relaxed) {
                sequencer.drain();
            }
        }
    }
    Ok(())
}

fn record(fabric: &Fabric, cores: CorePair, directory: &Path) -> Result<()> {
    keep_off(cores_at_start(), &[cores.near, cores.far], cores.far)?;
    let mut agent = JournalAgent::new(fabric, directory, &JournalConfig::default())?;
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
}

/// Publishes and waits for one's own message, again and again: the median, by half.
fn round_trips(fabric: &Fabric, cores: CorePair) -> Result<f64> {
    let mut producer = fabric.producer("bench").message::<Filler>().attach()?;
    let mut consumer = fabric.consumer("bench").start(Start::Latest).attach()?;
    pin(cores.near)?;
    let mut message = Filler {
        number: 0,
        rest: [0; 24],
    };
    let trips = RoundTrips::measure(DURATION / 4, DURATION, |number| {
        message.number = number;
        producer.publish(&message)?;
        let mut spin = Spin::new("the message to come back from the stream");
        let mut seen = 0;
        while seen != number {
            let frames = consumer.poll(64, |frame| {
                if let Some(message) = frame.get::<Filler>() {
                    seen = message.number;
                }
            })?;
            if frames == 0 {
                spin.pause()?;
            }
        }
        Ok(())
    })?;
    Ok(trips.hop().p50)
}

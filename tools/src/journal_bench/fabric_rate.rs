//! A whole fabric at a rate, with a journal: how often does it wait for the disk?

use crate::error::{Result, ToolError};
use selvedge_fabric::agent::{Agent, Progress};
use selvedge_fabric::{Fabric, FabricConfig};
use selvedge_journal::{JournalAgent, JournalConfig};
use selvedge_sequencer::{Sequencer, SequencerConfig};
use std::path::Path;
use std::time::{Duration, Instant};

selvedge_fabric::message! {
    /// A message that fills a slot of 64 bytes.
    pub struct Filler: type 0x0E77, name "bench.filler", version 1 {
        /// Its number.
        pub number: u64;
        /// Nothing.
        pub rest: [u8; 24];
    }
}

/// Messages between two looks at the clock.
const BURST: u64 = 256;

/// What came of it.
pub struct RateReport {
    /// Messages published.
    pub published: u64,
    /// Frames in the journal.
    pub journaled: u64,
    /// Messages a second.
    pub per_second: f64,
    /// How often the stream waited for the disk.
    pub held_back: u64,
}

/// Publishes `rate` messages a second for `seconds`: producer and sequencer in turn on one
/// thread, the journal on another.
pub fn run(directory: &Path, rate: u64, seconds: u64) -> Result<RateReport> {
    let place = super::fabric_place(directory)?;
    let mut config = FabricConfig::new("bench").in_directory(place.path());
    config.pages = selvedge_fabric::memory::Pages::Small;
    // Deep enough to bridge a thread's wait for a core.
    config.stream_capacity = 1 << 16;
    let fabric = Fabric::create(&config)?;
    let mut sequencer = Sequencer::start(&fabric, &SequencerConfig::default())?;
    let journal_config = JournalConfig {
        segment_bytes: 1 << 30,
        depth: 4,
        // As in the measurement of bandwidth: what comes during a slow sync must find room.
        buffers: super::STAGING_BYTES / JournalConfig::default().block_bytes,
        ..JournalConfig::default()
    };
    let mut agent = JournalAgent::new(&fabric, &directory.join("rate"), &journal_config)?;
    let mut pending = fabric.producer("bench").message::<Filler>().begin()?;
    let mut producer = loop {
        sequencer.do_work()?;
        agent.do_work().map_err(ToolError::role("journal"))?;
        if let Some(producer) = pending.poll()? {
            break producer;
        }
    };
    let journal = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || -> Result<(u64, u64)> {
            loop {
                match agent.do_work().map_err(ToolError::role("journal"))? {
                    Progress::Finished => return Ok((agent.frames(), agent.held_back())),
                    Progress::Worked => {}
                    Progress::Idle => std::thread::yield_now(),
                }
            }
        })
        .map_err(ToolError::host("start a thread"))?;
    let started = Instant::now();
    let end = Duration::from_secs(seconds);
    let mut published = 0;
    let mut message = Filler {
        number: 0,
        rest: [0; 24],
    };
    while started.elapsed() < end {
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        let burst = due.saturating_sub(published).min(BURST);
        for _ in 0..burst {
            message.number = published;
            if producer.try_publish(&message).is_err() {
                break;
            }
            published += 1;
        }
        sequencer.do_work()?;
    }
    let per_second = published as f64 / started.elapsed().as_secs_f64();
    drop(producer);
    sequencer.drain();
    while !sequencer.ended() {
        sequencer.do_work()?;
    }
    let (journaled, held_back) = journal
        .join()
        .map_err(|_| ToolError::host("run the journal")(std::io::Error::other("it panicked")))??;
    drop(sequencer);
    drop(fabric);
    Fabric::remove_in(place.path(), "bench", true)?;
    Ok(RateReport {
        published,
        journaled,
        per_second,
        held_back,
    })
}

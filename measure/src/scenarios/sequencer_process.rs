//! The sequencer on the other core, in a process of its own, as shipped.

use crate::child::{Child, ChildHost, ChildPlace, ChildReport};
use crate::cores::{CorePair, keep_off};
use crate::error::Result;
use crate::scratch::{Scratch, attach};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::{Fabric, FabricConfig};
use selvedge_sequencer::{Sequencer, SequencerConfig};

/// Duty cycles between two looks at whether to stop.
const CYCLES: usize = 256;

/// A fabric with its sequencer running on another core.
#[derive(Debug)]
pub struct SequencerProcess {
    child: Child,
    fabric: Fabric,
    // Last: the fabric's files go when nobody uses them any more.
    scratch: Scratch,
}

impl SequencerProcess {
    /// Creates a fabric with the shipped defaults and starts its sequencer on the far core.
    pub fn start(cores: CorePair) -> Result<Self> {
        Self::start_recording(cores, true)
    }

    /// The same with or without latency recorded.
    pub fn start_recording(cores: CorePair, recorded: bool) -> Result<Self> {
        Self::start_with(cores.far, &[cores.near, cores.far], |config| {
            config.latency = recorded;
        })
    }

    /// The same with a changed configuration, on `core`; `busy` are the cores where others spin.
    pub fn start_with(
        core: usize,
        busy: &[usize],
        change: impl FnOnce(&mut FabricConfig),
    ) -> Result<Self> {
        let scratch = Scratch::new()?;
        let fabric = scratch.fabric(change)?;
        let place = ChildPlace {
            role: "sequencer",
            core,
            busy,
            directory: scratch.path(),
        };
        let mut child = Child::spawn(&place, ())?;
        child.wait_ready(|| Ok(()))?;
        Ok(SequencerProcess {
            child,
            fabric,
            scratch,
        })
    }

    /// The fabric.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The directory that the fabric lies in.
    pub fn directory(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// An error if the sequencer has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        self.child.check_alive()
    }

    /// Stops it; what it counted.
    pub fn finish(self) -> Result<ChildReport> {
        let SequencerProcess {
            child,
            fabric,
            scratch,
        } = self;
        let report = child.finish();
        drop((fabric, scratch));
        report
    }
}

pub(super) fn run(host: &mut ChildHost) -> Result<serde_json::Value> {
    let fabric = attach(host.directory())?;
    // The conductor's thread inherits where it may run: off the cores that spin if there are
    // others, else on the sequencer's own, as in a process pinned to one core.
    keep_off(host.cores(), host.busy_cores(), host.core())?;
    let mut sequencer = Sequencer::start(&fabric, &SequencerConfig::default())?;
    host.pin()?;
    host.ready();
    while !host.stopped() {
        for _ in 0..CYCLES {
            if sequencer.do_work()? == 0 {
                IdleStrategy::default().idle(0);
            }
        }
    }
    // Before the conductor's thread ends, and its account of itself with it.
    host.done();
    let counters = sequencer.counters();
    let latency = sequencer.publish_to_sequenced();
    Ok(serde_json::json!({
        "messages": counters.messages,
        "held_back": counters.held_back,
        "cut_off": counters.cut_off,
        "cycles": counters.cycles,
        "publish_to_sequenced_p50": latency.value_at_quantile(0.5),
        "publish_to_sequenced_p99": latency.value_at_quantile(0.99),
    }))
}

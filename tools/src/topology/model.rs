//! What a topology file says.

use super::section::At;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::memory::Pages;
use std::path::PathBuf;
use std::time::Duration;

/// A whole fabric: its memory, its agents, who takes part.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The fabric's name.
    pub name: String,
    /// The directory of all fabrics, where it is not the host's default.
    pub directory: Option<PathBuf>,
    /// Bytes of a slot.
    pub slot_bytes: u64,
    /// Slots of the stream.
    pub stream_slots: u64,
    /// Bytes of the stream's payload ring.
    pub stream_payload: u64,
    /// Slots of an ingress ring.
    pub ingress_slots: u64,
    /// Bytes of an ingress payload ring.
    pub ingress_payload: u64,
    /// Where the sizes stand, for messages.
    pub stream_slots_offset: usize,
    /// The pages of the rings.
    pub pages: At<Pages>,
    /// The NUMA node of the memory.
    pub numa_node: Option<At<u64>>,
    /// The sequencer.
    pub sequencer: AgentPlan,
    /// The standby sequencer.
    pub standby: Option<AgentPlan>,
    /// The journal.
    pub journal: Option<JournalPlan>,
    /// Producers that are expected.
    pub producers: Vec<PeerPlan>,
    /// Consumers that are expected.
    pub consumers: Vec<PeerPlan>,
    /// Whether latency is recorded at all.
    pub records_latency: bool,
    /// What latency is acceptable.
    pub budget: Budget,
}

/// Where an agent runs and how it waits.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// `sequencer`, `standby`, `journal`, `producer feed`, …
    pub role: String,
    /// Its core, if it is pinned.
    pub core: Option<At<u64>>,
    /// How it waits.
    pub idle: IdleStrategy,
    /// Where it stands in the file.
    pub offset: usize,
}

impl AgentPlan {
    /// Whether it keeps its core busy when there is nothing to do, and does not make way.
    pub fn spins(&self) -> bool {
        matches!(
            self.idle,
            IdleStrategy::Busy | IdleStrategy::Pause | IdleStrategy::Batch
        )
    }
}

/// The journal.
#[derive(Clone, Debug)]
pub struct JournalPlan {
    /// Where it runs.
    pub agent: AgentPlan,
    /// Its directory.
    pub directory: At<PathBuf>,
    /// When it is on the disk.
    pub durability: Durability,
    /// Segments end at multiples of this, counted from midnight UTC; by size alone if none.
    pub roll: Option<Duration>,
    /// Bytes that should stay free on its disk.
    pub keep_free: u64,
}

/// When what the journal has written survives a loss of power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// After every block.
    Block,
    /// Every so often.
    Interval(Duration),
    /// When a segment or the journal is closed.
    Close,
}

/// A producer or consumer that is expected.
#[derive(Clone, Debug)]
pub struct PeerPlan {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub agent: AgentPlan,
    /// Reads in place and holds the stream back; of consumers alone.
    pub gating: bool,
    /// How long it may be away, silent or behind before somebody should look.
    pub patience: Option<Duration>,
}

/// What latency is acceptable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Budget {
    /// 99th percentile from publishing to sequencing.
    pub publish_to_sequenced_p99: Option<Duration>,
    /// 99th percentile from sequencing to the end of the handler.
    pub sequenced_to_consumed_p99: Option<Duration>,
}

impl Topology {
    /// Every agent with a place: the fabric's own, then producers and consumers.
    pub fn agents(&self) -> Vec<&AgentPlan> {
        let mut agents = vec![&self.sequencer];
        agents.extend(&self.standby);
        agents.extend(self.journal.iter().map(|journal| &journal.agent));
        agents.extend(self.producers.iter().map(|peer| &peer.agent));
        agents.extend(self.consumers.iter().map(|peer| &peer.agent));
        agents
    }

    /// Bytes of the stream ring's slots.
    pub fn stream_bytes(&self) -> u64 {
        self.slot_bytes * self.stream_slots
    }

    /// Bytes of ring files that the fabric and its expected producers need.
    pub fn ring_bytes(&self) -> u64 {
        const BANKS: u64 = 3;
        let stream = self.stream_bytes() + self.stream_payload;
        let ingress = 4096 + self.ingress_slots * self.slot_bytes + self.ingress_payload;
        BANKS * stream + self.producers.len() as u64 * ingress
    }
}

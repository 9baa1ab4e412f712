//! A fabric at one moment, as data: what `status --json`, `top` and the exporter show.

use super::alarms::Alarm;
use super::latency::LatencyState;
use serde::Serialize;

/// A fabric at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct FabricState {
    /// Its name.
    pub fabric: String,
    /// Its directory.
    pub directory: String,
    /// When it was looked at, UTC nanoseconds.
    pub taken_ns: u64,
    /// Seconds since the look before, 0 for the first: what rates are taken over.
    pub interval_s: f64,
    /// Pages of its rings.
    pub pages: String,
    /// Slots of the stream ring.
    pub stream_capacity: u64,
    /// The oldest sequence in the rings.
    pub oldest_sequence: u64,
    /// The sequence published next.
    pub next_sequence: u64,
    /// Frames a second.
    pub rate: f64,
    /// Message types registered.
    pub message_types: usize,
    /// The sequencer, if there ever was one.
    pub sequencer: Option<SequencerState>,
    /// Producers, by number; those not admitted last.
    pub sources: Vec<SourceState>,
    /// Consumers, by name.
    pub consumers: Vec<ConsumerState>,
    /// The journal's disk, where the fabric was started from a topology file with one.
    pub journal: Option<JournalState>,
    /// What somebody should look at.
    pub alarms: Vec<Alarm>,
    /// What the fabric did not get.
    pub notes: Vec<String>,
}

/// The sequencer.
#[derive(Clone, Debug, Serialize)]
pub struct SequencerState {
    /// Its epoch.
    pub epoch: u64,
    /// Its process.
    pub pid: u32,
    /// `running`, `draining`, `stopped`, `frozen` (alive, but its heart does not beat) or `dead`.
    pub state: &'static str,
    /// Moves while it lives.
    pub heartbeat: u64,
}

/// A producer.
#[derive(Clone, Debug, Serialize)]
pub struct SourceState {
    /// Its number; 0 for one that is not admitted.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// `live`, `frozen` (stopped), `left`, `dead` or `waiting` (to be admitted).
    pub state: &'static str,
    /// Messages sequenced in its life.
    pub messages: u64,
    /// Messages a second.
    pub rate: f64,
    /// Messages that wait in its ring.
    pub waiting: u64,
    /// Slots of its ring.
    pub capacity: u64,
    /// Share of its ring that is in use, per cent.
    pub fill_percent: f64,
    /// Seconds since it was last seen to move; null while it has not been seen to.
    pub idle_s: Option<f64>,
    /// From publishing to sequencing, since the last reset.
    pub latency: Option<LatencyState>,
}

/// A consumer.
#[derive(Clone, Debug, Serialize)]
pub struct ConsumerState {
    /// Its name.
    pub name: String,
    /// `gating`, `copying` or `holding`.
    pub kind: &'static str,
    /// Its process.
    pub pid: u32,
    /// `live`, `stalled` (behind, and it has not moved for 150 ms), `frozen` (not for 2 s, or
    /// stopped), `left` or `dead`.
    pub state: &'static str,
    /// The sequence it reads next.
    pub position: u64,
    /// Frames it has still to read.
    pub lag: u64,
    /// How much of the stream ring it holds (gating) or is behind (copying), per cent.
    pub lag_percent: f64,
    /// Frames a second.
    pub rate: f64,
    /// Seconds since it was last seen to move; null while it has not been seen to.
    pub idle_s: Option<f64>,
    /// From sequencing to the end of its handler, since the last reset.
    pub latency: Option<LatencyState>,
}

/// The journal's disk.
#[derive(Clone, Debug, Serialize)]
pub struct JournalState {
    /// The journal's directory.
    pub directory: String,
    /// Bytes free there.
    pub free_bytes: u64,
    /// Bytes that should stay free.
    pub keep_free_bytes: u64,
}

//! A fabric at one moment, as data: what `status --json`, `top` and the exporter show.

use super::alarms::Alarm;
use super::latency::LatencyState;
use selvedge_fabric::shared::error_log::LoggedError;
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
    /// The journal, where there ever was one or one is planned.
    pub journal: Option<JournalState>,
    /// What somebody should look at.
    pub alarms: Vec<Alarm>,
    /// What went wrong in the fabric's life, each distinct error once, the last one first.
    pub errors: Vec<ErrorState>,
    /// Distinct errors that made way for others in the list of an agent.
    pub displaced_errors: u64,
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
    /// Duty cycles of this epoch, those that found work, and passes over a ring that had to stop
    /// because a gating consumer left no room in the stream.
    pub duty_cycles: u64,
    /// See `duty_cycles`.
    pub busy_duty_cycles: u64,
    /// See `duty_cycles`.
    pub held_back: u64,
    /// Share of duty cycles since the look before that found work, per cent; null where there was
    /// none.
    pub busy_percent: Option<f64>,
    /// Share of duty cycles since the look before that were held back, per cent.
    pub held_back_percent: Option<f64>,
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
    /// How often its ring was looked at since the watch began, and how often it was full: then its
    /// producer can send nothing.
    pub samples: u64,
    /// See `samples`.
    pub full_samples: u64,
    /// Share of the last looks at which its ring was full, per cent.
    pub back_pressure_percent: f64,
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
    /// `gating`, `copying`, `holding`, or `following`: copying, and from the journal what the ring
    /// has lost.
    pub kind: &'static str,
    /// Its process.
    pub pid: u32,
    /// `live`, `catch-up` (from the journal), `stalled` (behind, and it has not moved for 150 ms),
    /// `frozen` (not for 2 s, or stopped), `left` or `dead`.
    pub state: &'static str,
    /// Where one that follows reads: `live`, `staging` or `segments`; null for others.
    pub reads_from: Option<&'static str>,
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

impl ConsumerState {
    /// Whether the stream waits for it.
    pub fn gates(&self) -> bool {
        matches!(self.kind, "gating" | "holding")
    }
}

/// The journal.
#[derive(Clone, Debug, Serialize)]
pub struct JournalState {
    /// `recording`, `stopped` (by its disk; it tries again), `ended`, `dead`, or `absent`: planned,
    /// and never there.
    pub state: &'static str,
    /// Its process.
    pub pid: u32,
    /// The last sequence handed to the kernel.
    pub recorded: u64,
    /// The last sequence on stable storage.
    pub durable: u64,
    /// Frames that are not recorded yet.
    pub recorded_lag: u64,
    /// Frames that are not durable yet.
    pub durable_lag: u64,
    /// For how long the oldest frame that is not recorded has waited, seconds; null where that
    /// cannot be told.
    pub recorded_lag_s: Option<f64>,
    /// The same for the oldest that is not durable.
    pub durable_lag_s: Option<f64>,
    /// What is the matter with it.
    pub alarm: JournalAlarm,
    /// How often the fabric had to wait for it.
    pub held_back: u64,
    /// Gaps that it declared.
    pub gaps: u64,
    /// Its directory, where that is known.
    pub directory: Option<String>,
    /// Bytes free there.
    pub free_bytes: Option<u64>,
    /// Bytes that should stay free; 0 where nobody said.
    pub keep_free_bytes: u64,
}

/// What is the matter with the journal.
#[derive(Clone, Debug, Serialize)]
pub struct JournalAlarm {
    /// `clear`, `space-low`, `no-space`, `input-output`, `read-only`, `clock-bound` or `other`.
    pub state: &'static str,
    /// Whether it does not write.
    pub stopped: bool,
    /// Since when, UTC nanoseconds.
    pub since_ns: Option<u64>,
    /// The operating system's number of the error; 0 for none.
    pub errno: u64,
    /// How often an alarm was raised.
    pub count: u64,
}

impl JournalAlarm {
    /// Nothing is the matter, and nothing was.
    pub const CLEAR: Self = JournalAlarm {
        state: "clear",
        stopped: false,
        since_ns: None,
        errno: 0,
        count: 0,
    };
}

/// A distinct error.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorState {
    /// Who met it: `sequencer`, `journal`, `supervisor`.
    pub agent: String,
    /// What is wrong.
    pub what: String,
    /// With whom or what.
    pub subject: String,
    /// Details of the last time.
    pub detail: String,
    /// How often.
    pub count: u64,
    /// When first, UTC nanoseconds.
    pub first_ns: u64,
    /// When last, UTC nanoseconds.
    pub last_ns: u64,
}

impl From<LoggedError> for ErrorState {
    fn from(error: LoggedError) -> Self {
        ErrorState {
            agent: error.agent,
            what: error.what,
            subject: error.subject,
            detail: error.detail,
            count: error.count,
            first_ns: error.first_ns,
            last_ns: error.last_ns,
        }
    }
}

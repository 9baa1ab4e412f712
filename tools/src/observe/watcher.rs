//! Looks at a fabric again and again, and remembers enough to tell rates and standstills.

use super::alarms::alarms;
use super::duty::DutyWatch;
use super::journal::JournalWatch;
use super::latency::{LatencyState, since_reset};
use super::recent::{Recent, RecentLatency};
use super::ring_fill::RingFill;
use super::samples::Samples;
use super::state::{ConsumerState, ErrorState, FabricState, SequencerState, SourceState};
use crate::error::Result;
use crate::locate::Location;
use crate::supervise::kept_topology;
use crate::topology::{self, Topology};
use selvedge_fabric::Fabric;
use selvedge_fabric::host::ticks::utc_ns;
use selvedge_fabric::latency::{LatencyFile, LatencySnapshot, LatencySubject};
use selvedge_fabric::memory::Access;
use selvedge_fabric::shared::bank::{DutyCycles, SequencerStatus, SourceEntry};
use selvedge_fabric::shared::control::ControlRecord;
use selvedge_fabric::shared::cursor::{ConsumerKind, CursorFile};
use selvedge_fabric::shared::error_log::{displaced_errors, logged_errors};
use selvedge_fabric::shared::paths::split_source_file;
use selvedge_fabric::shared::registration::RegistrationFile;
use selvedge_journal::{FollowerPlace, followers};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::{Duration, Instant};

/// A consumer that is behind and has not moved for so long is called stalled: its handler takes
/// long, or a disk.
const STALLED_AFTER: Duration = Duration::from_millis(150);

/// One that has not moved for so long is called frozen.
const CONSUMER_FROZEN_AFTER: Duration = Duration::from_secs(2);

/// A sequencer whose heart has not beaten for so long is called frozen. One that parks when it is
/// idle beats about once a second.
const SEQUENCER_FROZEN_AFTER: Duration = Duration::from_secs(3);

/// Between two looks at whether rings are full, while a watcher waits for its next whole look.
pub const SAMPLE_EVERY: Duration = Duration::from_millis(20);

/// The most names of one directory that are looked at.
const MAX_NAMES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub struct Watcher {
    fabric: Fabric,
    topology: Option<Topology>,
    last_look: Option<Instant>,
    moves: HashMap<String, Movement>,
    rings: HashMap<u64, Ring>,
    journal: JournalWatch,
    recent: RecentLatency,
    duty: DutyWatch,
}

/// A producer's ring.
#[derive(Debug)]
struct Ring {
    source: u16,
    capacity: u64,
    /// `None` where it cannot be mapped.
    fill: Option<RingFill>,
    samples: Samples,
}

/// How a position moved.
#[derive(Clone, Copy, Debug)]
struct Movement {
    position: u64,
    moved_at: Option<Instant>,
    first_seen: Instant,
}

/// What a position did since the last look.
struct Moved {
    rate: f64,
    idle: Option<f64>,
    still_for: Duration,
}

impl Watcher {
    /// Watches the fabric at `location`.
    pub fn new(location: &Location) -> Result<Self> {
        Ok(Self::of(location.attach()?))
    }

    /// Watches `fabric`.
    pub fn of(fabric: Fabric) -> Self {
        Watcher {
            topology: topology::load(&kept_topology(fabric.paths().root())).ok(),
            fabric,
            last_look: None,
            moves: HashMap::new(),
            rings: HashMap::new(),
            journal: JournalWatch::default(),
            recent: RecentLatency::default(),
            duty: DutyWatch::default(),
        }
    }

    /// Looks only at whether the rings known are full: two reads each.
    pub fn sample(&mut self) {
        let epoch = self.fabric.epoch().load();
        let Some(bank) = self.fabric.bank(epoch) else {
            return;
        };
        for ring in self.rings.values_mut() {
            let consumed = bank
                .consumed(ring.source as usize)
                .and_then(|consumed| consumed.load(epoch));
            if let (Some(fill), Some(consumed)) = (&ring.fill, consumed) {
                ring.samples.add(fill.full(consumed));
            }
        }
    }

    /// Whether the fabric is still the one that is under its name.
    pub fn is_current(&self) -> bool {
        ControlRecord::read(&self.fabric.paths().control())
            .is_ok_and(|control| control.fabric_id == self.fabric.control().fabric_id)
    }

    /// Every latency histogram, since its writer began: for those who take differences themselves.
    pub fn latencies(&self) -> Vec<(LatencySubject, LatencySnapshot)> {
        LatencyFile::all(&self.fabric)
    }

    /// How far fabric time is ahead of the host's clock.
    pub fn clock_offset_ns(&self) -> i64 {
        self.fabric.now_ns() as i64 - utc_ns() as i64
    }

    /// Looks.
    pub fn look(&mut self) -> FabricState {
        let now = Instant::now();
        let interval = self
            .last_look
            .map_or(0.0, |last| now.duration_since(last).as_secs_f64());
        self.last_look = Some(now);
        let next_sequence = self.fabric.next_sequence();
        let sequencer = self.sequencer(now, interval);
        let sources = self.sources(now, interval);
        let consumers = self.consumers(now, interval, next_sequence);
        let rate = self.moved("stream", next_sequence, now, interval).rate;
        let plan = self
            .topology
            .as_ref()
            .and_then(|plan| plan.journal.as_ref());
        let journal = self.journal.look(&self.fabric, next_sequence, plan);
        let memory = self.fabric.memory();
        let mut state = FabricState {
            fabric: self.fabric.name().to_owned(),
            directory: self.fabric.paths().root().display().to_string(),
            taken_ns: utc_ns(),
            interval_s: interval,
            pages: memory.pages.to_string(),
            stream_capacity: self.fabric.control().stream_capacity,
            oldest_sequence: self.fabric.oldest_sequence(),
            next_sequence,
            rate,
            message_types: self.fabric.schemas().len(),
            sequencer,
            sources,
            consumers,
            journal,
            alarms: Vec::new(),
            errors: logged_errors(&self.fabric)
                .into_iter()
                .map(ErrorState::from)
                .collect(),
            displaced_errors: displaced_errors(&self.fabric),
            notes: memory.notes,
        };
        self.add_latencies(now, &mut state);
        state.alarms = alarms(&state, self.topology.as_ref());
        state
    }

    fn add_latencies(&mut self, now: Instant, state: &mut FabricState) {
        let all = LatencyFile::all(&self.fabric);
        let there: Vec<u64> = all.iter().map(|(_, one)| one.identity()).collect();
        self.recent.retain(&there);
        let recent: Vec<Recent> = all
            .iter()
            .map(|(_, snapshot)| self.recent.look(now, snapshot))
            .collect();
        let since = since_reset(&self.fabric, all);
        for ((subject, snapshot), recent) in since.into_iter().zip(recent) {
            let latency = LatencyState::of(&snapshot).map(|latency| latency.judged_by(recent));
            match subject {
                LatencySubject::Source { name, .. } => {
                    if let Some(source) = state.sources.iter_mut().find(|one| one.name == name) {
                        source.latency = latency;
                    }
                }
                LatencySubject::Consumer { name } => {
                    if let Some(one) = state.consumers.iter_mut().find(|one| one.name == name) {
                        one.latency = latency;
                    }
                }
            }
        }
    }

    fn moved(&mut self, what: &str, position: u64, now: Instant, interval: f64) -> Moved {
        let known = self.moves.get(what).copied();
        let movement = match known {
            None => Movement {
                position,
                moved_at: None,
                first_seen: now,
            },
            Some(before) if before.position != position => Movement {
                position,
                moved_at: Some(now),
                ..before
            },
            Some(before) => before,
        };
        self.moves.insert(what.to_owned(), movement);
        let rate = match known {
            Some(before) if interval > 0.0 => {
                position.saturating_sub(before.position) as f64 / interval
            }
            _ => 0.0,
        };
        Moved {
            rate,
            idle: movement
                .moved_at
                .map(|at| now.duration_since(at).as_secs_f64()),
            still_for: now.duration_since(movement.moved_at.unwrap_or(movement.first_seen)),
        }
    }

    fn sequencer(&mut self, now: Instant, interval: f64) -> Option<SequencerState> {
        let view = self.fabric.sequencer()?;
        let (heartbeat, duty) = self
            .fabric
            .bank(self.fabric.epoch().load())
            .map_or((0, DutyCycles::default()), |bank| {
                (bank.heartbeat(), bank.duty_cycles())
            });
        let shares = self.duty.look(view.epoch, duty);
        let key = format!("sequencer {}", view.epoch);
        let moved = self.moved(&key, heartbeat, now, interval);
        let state = match view.status {
            SequencerStatus::Stopped => "stopped",
            _ if !view.alive => "dead",
            _ if stopped_by_signal(view.process.pid)
                || moved.still_for >= SEQUENCER_FROZEN_AFTER =>
            {
                "frozen"
            }
            SequencerStatus::Draining => "draining",
            _ => "running",
        };
        Some(SequencerState {
            epoch: view.epoch,
            pid: view.process.pid,
            state,
            heartbeat,
            duty_cycles: duty.cycles,
            busy_duty_cycles: duty.busy,
            held_back: duty.held_back,
            busy_percent: shares.map(|shares| shares.busy),
            held_back_percent: shares.map(|shares| shares.held_back),
        })
    }

    fn sources(&mut self, now: Instant, interval: f64) -> Vec<SourceState> {
        let admitted = self.fabric.sources();
        let epoch = self.fabric.epoch().load();
        let mut states = Vec::new();
        let mut mapped = Vec::new();
        for (id, entry) in &admitted {
            let consumed = self
                .fabric
                .bank(epoch)
                .and_then(|bank| bank.consumed(*id as usize)?.load(epoch))
                .unwrap_or(entry.next_source_sequence.saturating_sub(1));
            let (waiting, capacity, samples) = self.fill(*id, entry, consumed);
            mapped.push(entry.nonce);
            let moved = self.moved(&format!("source {}", entry.name), consumed, now, interval);
            states.push(SourceState {
                id: *id,
                name: entry.name.clone(),
                pid: entry.process.pid,
                state: match (
                    entry.attached && !self.detached(entry),
                    entry.process.is_alive(),
                ) {
                    (false, _) => "left",
                    (true, true) if stopped_by_signal(entry.process.pid) => "frozen",
                    (true, true) => "live",
                    (true, false) => "dead",
                },
                messages: consumed,
                rate: moved.rate,
                waiting,
                capacity,
                fill_percent: percent(waiting, capacity),
                samples: samples.looks,
                full_samples: samples.full,
                back_pressure_percent: samples.percent(),
                idle_s: moved.idle,
                latency: None,
            });
        }
        self.rings.retain(|nonce, _| mapped.contains(nonce));
        states.extend(self.waiting_for_admission(&admitted));
        states
    }

    /// Whether the producer itself says that it has left: a sequencer that has stopped does not
    /// say so any more.
    fn detached(&self, entry: &SourceEntry) -> bool {
        let path = self.fabric.paths().source(&entry.name, entry.nonce);
        RegistrationFile::open(&path, Access::Read)
            .is_ok_and(|file| file.holder().1 == entry.nonce && file.detached())
    }

    /// Messages that wait in the ring, its slots, and how often it was full; zeros where it cannot
    /// be seen.
    fn fill(&mut self, id: u16, entry: &SourceEntry, consumed: u64) -> (u64, u64, Samples) {
        if !entry.attached {
            return (0, 0, Samples::default());
        }
        let path = self.fabric.paths().source(&entry.name, entry.nonce);
        let fabric = &self.fabric;
        let ring = match self.rings.entry(entry.nonce) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let Some(registration) = RegistrationFile::open(&path, Access::Read)
                    .ok()
                    .and_then(|file| file.read().ok())
                    .filter(|registration| registration.nonce == entry.nonce)
                else {
                    return (0, 0, Samples::default());
                };
                unknown.insert(Ring {
                    source: id,
                    capacity: registration.capacity,
                    fill: RingFill::open(fabric, &entry.name, &registration),
                    samples: Samples::default(),
                })
            }
        };
        let Some(fill) = &ring.fill else {
            return (0, ring.capacity, ring.samples);
        };
        ring.samples.add(fill.full(consumed));
        (fill.waiting(consumed), ring.capacity, ring.samples)
    }

    /// Producers that have registered and are not in the registry.
    fn waiting_for_admission(&self, admitted: &[(u16, SourceEntry)]) -> Vec<SourceState> {
        let mut states = Vec::new();
        for file_name in names_in(&self.fabric.paths().sources()) {
            let path = self.fabric.paths().sources().join(&file_name);
            let Some((name, _)) = split_source_file(&file_name) else {
                continue;
            };
            let Ok(file) = RegistrationFile::open(&path, Access::Read) else {
                continue;
            };
            let (process, nonce) = file.holder();
            let known = admitted.iter().any(|(_, entry)| entry.nonce == nonce);
            if known || file.detached() || !process.is_alive() {
                continue;
            }
            states.push(SourceState {
                id: 0,
                name: name.to_owned(),
                pid: process.pid,
                state: "waiting",
                messages: 0,
                rate: 0.0,
                waiting: 0,
                capacity: 0,
                fill_percent: 0.0,
                samples: 0,
                full_samples: 0,
                back_pressure_percent: 0.0,
                idle_s: None,
                latency: None,
            });
        }
        states
    }

    fn consumers(&mut self, now: Instant, interval: f64, next: u64) -> Vec<ConsumerState> {
        let mut states = Vec::new();
        for name in names_in(&self.fabric.paths().consumers()) {
            let Ok(file) = CursorFile::open(&self.fabric.paths().consumer(&name), Access::Read)
            else {
                continue;
            };
            let Ok(registration) = file.read() else {
                continue;
            };
            let position = file.position();
            let lag = match position {
                0 => 0,
                position => next.saturating_sub(position),
            };
            let moved = self.moved(&format!("consumer {name}"), position, now, interval);
            let state = match (file.detached(), registration.process.is_alive()) {
                (true, _) => "left",
                (false, false) => "dead",
                (false, true) if stopped_by_signal(registration.process.pid) => "frozen",
                (false, true) if lag > 0 && moved.still_for >= CONSUMER_FROZEN_AFTER => "frozen",
                (false, true) if lag > 0 && moved.still_for >= STALLED_AFTER => "stalled",
                (false, true) => "live",
            };
            states.push(ConsumerState {
                name,
                kind: match registration.kind {
                    ConsumerKind::Gating => "gating",
                    ConsumerKind::Copying => "copying",
                    ConsumerKind::Holding => "holding",
                },
                pid: registration.process.pid,
                state,
                reads_from: None,
                position,
                lag,
                lag_percent: percent(lag, self.fabric.control().stream_capacity),
                rate: moved.rate,
                idle_s: moved.idle,
                latency: None,
            });
        }
        self.add_followers(&mut states, now, interval, next);
        states
    }

    /// Followers are observers while they read the ring; while they read the journal, only their
    /// own file tells.
    fn add_followers(
        &mut self,
        states: &mut Vec<ConsumerState>,
        now: Instant,
        interval: f64,
        next: u64,
    ) {
        for follower in followers(&self.fabric) {
            let key = format!("follower {}", follower.name);
            let moved = self.moved(&key, follower.position, now, interval);
            let lag = match follower.position {
                0 => 0,
                position => next.saturating_sub(position),
            };
            let pid = follower.process.pid;
            let state = match (follower.place, follower.process.is_alive()) {
                (None, _) => "left",
                (Some(_), false) => "dead",
                (Some(_), true) if stopped_by_signal(pid) => "frozen",
                (Some(_), true) if lag > 0 && moved.still_for >= CONSUMER_FROZEN_AFTER => "frozen",
                (Some(FollowerPlace::Live), true) => "live",
                (Some(_), true) => "catch-up",
            };
            let state = ConsumerState {
                kind: "following",
                pid,
                state,
                reads_from: follower.place.map(|place| match place {
                    FollowerPlace::Segments => "segments",
                    FollowerPlace::Staging => "staging",
                    FollowerPlace::Live => "live",
                }),
                position: follower.position,
                lag,
                lag_percent: percent(lag, self.fabric.control().stream_capacity),
                rate: moved.rate,
                idle_s: moved.idle,
                latency: None,
                name: follower.name,
            };
            match states.iter_mut().find(|known| known.name == state.name) {
                Some(known) => *known = state,
                None => states.push(state),
            }
        }
        states.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

/// Looks at each fabric after `pause`, in which only whether rings are full is looked at, every
/// 20 ms.
pub fn look_after(watchers: &mut [Watcher], pause: Duration) -> Vec<FabricState> {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return watchers.iter_mut().map(Watcher::look).collect();
        }
        std::thread::sleep(left.min(SAMPLE_EVERY));
        for watcher in &mut *watchers {
            watcher.sample();
        }
    }
}

/// Whether the process was stopped (SIGSTOP, a debugger): `/proc/PID/stat`, field 3; proc(5).
fn stopped_by_signal(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            let (_, fields) = stat.rsplit_once(')')?;
            Some(fields.trim_start().starts_with(['T', 't']))
        })
        .unwrap_or(false)
}

/// The visible names in `directory`, sorted, at most [`MAX_NAMES`].
fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .take(MAX_NAMES)
        .collect();
    names.sort();
    names
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

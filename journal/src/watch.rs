//! Watching from beside the stream: the host's clock, who attaches and leaves, what operators do.
//!
//! A thread of its own, because it reads directories and asks the host: the agent only takes
//! what it has found.

use crate::config::system_clock;
use crate::error::JournalError;
use crate::format::{Action, Activity, CLOCK_BREACH, ClockRecord};
use crate::host_clock::sample;
use crate::operator_action::{WaitingAction, recorded_id, waiting};
use crate::placed_record::records_of;
use crate::record::Record;
use crate::segment::{SegmentReader, list_segments};
use crate::storage::Storage;
use crossbeam_channel::{Receiver, Sender, bounded};
use selvedge_fabric::Fabric;
use selvedge_fabric::host::process::ProcessIdentity;
use selvedge_fabric::memory::Access;
use selvedge_fabric::shared::cursor::CursorFile;
use selvedge_fabric::shared::registration::RegistrationFile;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Records that may wait for the agent; the rest waits in the directories.
const QUEUE: usize = 256;

/// How often the directories are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Rounds from one look at the clock to the next, and from one record of it to the next.
const CLOCK_LOOK: u64 = 4;
const CLOCK_RECORD: u64 = 240;

/// The most segments that are looked through for an action that waits.
const MOST_SEGMENTS: usize = 64;

/// The most actions that are remembered as staying: as many files as are looked at.
const MOST_STAYING: usize = 16_384;

/// A change of the error bound by this factor is recorded at once.
const CLOCK_CHANGE: u64 = 4;

/// The watcher; it ends when this is dropped.
pub(crate) struct Watch {
    records: Receiver<Record>,
    _stop: Sender<()>,
}

impl Watch {
    /// Starts watching `fabric`; a clock whose error may be beyond `bound_ns` is a breach (0: no
    /// bound). `None` where the host gives no thread: the journal works without.
    ///
    /// Actions that wait in the `actions` directories are found too, and the journal in `storage`
    /// asked which of them it has.
    pub(crate) fn start(
        fabric: &Fabric,
        bound_ns: u64,
        storage: Arc<dyn Storage>,
        actions: Vec<PathBuf>,
    ) -> Option<Self> {
        let (send, records) = bounded(QUEUE);
        let (stop, stopped) = bounded(0);
        let state = State {
            fabric: fabric.clone(),
            bound_ns,
            records: send,
            consumers: BTreeMap::new(),
            nonces: None,
            sources: BTreeMap::new(),
            sequencer: None,
            last_clock: None,
            round: 0,
            storage,
            actions,
            handed_on: BTreeSet::new(),
            staying: BTreeSet::new(),
        };
        std::thread::Builder::new()
            .name("journal-watch".to_owned())
            .spawn(move || state.run(&stopped))
            .ok()?;
        Some(Watch {
            records,
            _stop: stop,
        })
    }

    /// What was found since the last time.
    pub(crate) fn take(&self) -> Option<Record> {
        self.records.try_recv().ok()
    }
}

/// Who holds a name, and by which uid.
type Holder = (ProcessIdentity, u32);

struct State {
    fabric: Fabric,
    bound_ns: u64,
    records: Sender<Record>,
    consumers: BTreeMap<String, Holder>,
    /// The incarnation that each consumer's file is of; `None` before the first look.
    nonces: Option<BTreeMap<String, u64>>,
    sources: BTreeMap<String, Holder>,
    sequencer: Option<(u64, ProcessIdentity)>,
    last_clock: Option<ClockRecord>,
    round: u64,
    storage: Arc<dyn Storage>,
    actions: Vec<PathBuf>,
    /// Actions that were given to the agent and are not seen in the journal yet.
    handed_on: BTreeSet<u64>,
    /// Actions that are recorded and whose files cannot be taken away: a directory is none.
    staying: BTreeSet<u64>,
}

impl State {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            self.round();
            let waited = stopped.recv_timeout(EVERY);
            if waited != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn round(&mut self) {
        if self.round.is_multiple_of(CLOCK_LOOK) {
            self.clock();
        }
        self.operator_actions();
        self.round += 1;
        let paths = self.fabric.paths();
        let cursors = cursors(&paths.consumers());
        let consumers = cursors
            .iter()
            .filter(|(_, cursor)| cursor.held)
            .map(|(name, cursor)| (name.clone(), cursor.holder))
            .collect();
        let sources = holders(&paths.sources(), |path| {
            let file = RegistrationFile::open(path, Access::Read).ok()?;
            let holder = file.holder().0;
            (!file.detached() && holder.is_alive()).then_some(holder)
        });
        let mut entries = Vec::new();
        differences(
            &self.consumers,
            &consumers,
            [Action::ConsumerAttached, Action::ConsumerDetached],
            &mut entries,
        );
        // Somebody came and left between two looks: the file of a consumer stays behind.
        for (name, cursor) in cursors.iter().filter(|(_, cursor)| !cursor.held) {
            let known = self.nonces.as_ref();
            if known.is_some_and(|known| known.get(name) != Some(&cursor.nonce)) {
                let (process, uid) = cursor.holder;
                for action in [Action::ConsumerAttached, Action::ConsumerDetached] {
                    entries.push(activity(action, process, uid, name.clone()));
                }
            }
        }
        let nonces = cursors
            .iter()
            .map(|(name, cursor)| (name.clone(), cursor.nonce))
            .collect();
        differences(
            &self.sources,
            &sources,
            [Action::ProducerAttached, Action::ProducerDetached],
            &mut entries,
        );
        let sequencer = self
            .fabric
            .sequencer()
            .map(|view| (view.epoch, view.process));
        if sequencer != self.sequencer
            && let Some((epoch, process)) = sequencer
        {
            let uid = uid_of(process.pid);
            let detail = format!("epoch {epoch}");
            entries.push(activity(Action::SequencerStarted, process, uid, detail));
        }
        // What the agent has no room for is found again in the next round.
        if entries.is_empty() || self.records.try_send(Record::Activity(entries)).is_ok() {
            (self.consumers, self.sources, self.sequencer) = (consumers, sources, sequencer);
            self.nonces = Some(nonces);
        }
    }

    /// Hands on what operators do; takes away what the journal has.
    fn operator_actions(&mut self) {
        let found = waiting(&self.actions, &self.staying);
        if found.is_empty() {
            self.handed_on.clear();
            return;
        }
        let Ok(recorded) = recorded_actions(&*self.storage, &found) else {
            return;
        };
        for action in found {
            if recorded.contains(&action.id) {
                self.handed_on.remove(&action.id);
                // What cannot be taken away stays, and must not keep out what comes after it.
                if std::fs::remove_file(&action.path).is_err() && self.staying.len() < MOST_STAYING
                {
                    self.staying.insert(action.id);
                }
            } else if !self.handed_on.contains(&action.id) {
                let record = Record::Activity(vec![action.activity]);
                if self.records.try_send(record).is_err() {
                    return;
                }
                self.handed_on.insert(action.id);
            }
        }
    }

    fn clock(&mut self) {
        let record = sample(system_clock(), self.bound_ns, self.fabric.calibration());
        let breach = |record: &ClockRecord| record.flags & CLOCK_BREACH != 0;
        let due = match &self.last_clock {
            None => true,
            Some(last) => {
                last.flags != record.flags
                    || last.state != record.state
                    || last.source != record.source
                    || record.maximum_error_ns / CLOCK_CHANGE > last.maximum_error_ns
                    || self.round.is_multiple_of(CLOCK_RECORD)
            }
        };
        if !due {
            return;
        }
        let newly = breach(&record) && !self.last_clock.as_ref().is_some_and(breach);
        if self.records.try_send(Record::Clock(record)).is_ok() {
            self.last_clock = Some(record);
        }
        if newly {
            let detail = format!(
                "error bound {} ns, allowed {} ns, source {}",
                record.maximum_error_ns,
                record.bound_ns,
                record.source_text()
            );
            let entry = own_activity(Action::ClockBreach, detail);
            let _ = self.records.try_send(Record::Activity(vec![entry]));
        }
    }
}

/// Which of the actions that wait the journal has records of. Segments are looked through from the
/// last one back to where the oldest of them can be.
pub(crate) fn recorded_actions(
    storage: &dyn Storage,
    waiting: &[WaitingAction],
) -> Result<BTreeSet<u64>, JournalError> {
    let mut recorded = BTreeSet::new();
    let Some(oldest) = waiting.iter().map(|action| action.since).min() else {
        return Ok(recorded);
    };
    for name in list_segments(storage)?.iter().rev().take(MOST_SEGMENTS) {
        let _ = records_of(storage, *name, 0, &mut |placed| {
            if let Record::Activity(entries) = placed.record {
                recorded.extend(entries.iter().filter_map(recorded_id));
            }
            ControlFlow::Continue(())
        })?;
        if SegmentReader::open(storage, *name, false)?.header.created < oldest {
            break;
        }
    }
    Ok(recorded)
}

/// What a consumer's file says.
struct Cursor {
    holder: Holder,
    nonce: u64,
    held: bool,
}

fn cursors(directory: &Path) -> BTreeMap<String, Cursor> {
    std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let file = (!name.starts_with('.'))
                .then(|| CursorFile::open(&entry.path(), Access::Read).ok())??;
            let (process, nonce) = file.holder();
            let cursor = Cursor {
                holder: (process, entry.metadata().ok()?.uid()),
                nonce,
                held: file.held(),
            };
            Some((name, cursor))
        })
        .collect()
}

fn holders(
    directory: &Path,
    holder: impl Fn(&Path) -> Option<ProcessIdentity>,
) -> BTreeMap<String, Holder> {
    std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let process = holder(&entry.path()).filter(|_| !name.starts_with('.'))?;
            Some((name, (process, entry.metadata().ok()?.uid())))
        })
        .collect()
}

fn differences(
    before: &BTreeMap<String, Holder>,
    now: &BTreeMap<String, Holder>,
    [came, left]: [Action; 2],
    entries: &mut Vec<Activity>,
) {
    for (name, &(process, uid)) in before {
        if now.get(name) != Some(&(process, uid)) {
            entries.push(activity(left, process, uid, name.clone()));
        }
    }
    for (name, &(process, uid)) in now {
        if before.get(name) != Some(&(process, uid)) {
            entries.push(activity(came, process, uid, name.clone()));
        }
    }
}

fn activity(action: Action, process: ProcessIdentity, uid: u32, detail: String) -> Activity {
    Activity {
        at: system_clock(),
        action,
        pid: process.pid,
        uid,
        executable: executable_of(process.pid),
        detail,
    }
}

/// Something that this process does.
pub(crate) fn own_activity(action: Action, detail: String) -> Activity {
    let uid = nix::unistd::geteuid().as_raw();
    activity(action, ProcessIdentity::current(), uid, detail)
}

/// The executable of a process; empty where it has gone or may not be asked.
fn executable_of(pid: u32) -> String {
    std::fs::read_link(format!("/proc/{pid}/exe"))
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn uid_of(pid: u32) -> u32 {
    std::fs::metadata(format!("/proc/{pid}")).map_or(u32::MAX, |data| data.uid())
}

//! The conductor: everything about participants that takes system calls.
//!
//! It looks for new registrations, checks and maps them, watches the participants' processes, and
//! slews the clock; the sequencing thread gets finished pieces through a queue and gives back what
//! is to be unmapped. So the path never waits for the operating system.

use crate::messages::{Announcement, Arrival, Command, Event};
use crate::prepared::Rings;
use crate::source::{Source, SourceParts};
use crate::takeover::Recovered;
use selvedge_fabric::Fabric;
use selvedge_fabric::clock::Calibration;
use selvedge_fabric::crash_point;
use selvedge_fabric::frame::system::{
    FIRST_SYSTEM_TYPE, LEFT_CUT_OFF, LEFT_DETACHED, LEFT_DIED, SourceJoined, TYPE_REGISTERED,
};
use selvedge_fabric::host::process::{ProcessIdentity, ProcessWatch};
use selvedge_fabric::host::ticks::utc_ns;
use selvedge_fabric::latency::{LatencyRecorder, LatencySubject};
use selvedge_fabric::memory::Mapping;
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_fabric::protocol::epoch::EpochWord;
use selvedge_fabric::protocol::ingress::{IngressReader, RingShape};
use selvedge_fabric::shared::bank::{Bank, ConsumerEntry, MAX_CONSUMERS, MAX_SOURCES, SourceEntry};
use selvedge_fabric::shared::control::PAYLOAD_SHARE;
use selvedge_fabric::shared::cursor::{
    ConsumerKind, ConsumerRegistration, CursorFile, StartRequest,
};
use selvedge_fabric::shared::error_log::ErrorLog;
use selvedge_fabric::shared::names::{check_name, name_to_words};
use selvedge_fabric::shared::paths::{source_ring, split_source_file};
use selvedge_fabric::shared::registration::{Registration, RegistrationFile};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use zerocopy::IntoBytes;

/// How often directories are looked through even if they seem unchanged.
const SCAN_AT_LEAST: Duration = Duration::from_millis(250);

/// How long after a change a directory is looked through again: its time of change is coarse.
const SCAN_AFTER_CHANGE: Duration = Duration::from_millis(50);

/// How often processes are asked whether they live.
const WATCH_EVERY: Duration = Duration::from_millis(5);

/// How long a gating consumer may hold the stream before that is reported.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// How often the clock is slewed.
const CALIBRATE_EVERY: Duration = Duration::from_secs(1);

/// An admitted source.
struct KnownSource {
    nonce: u64,
    file: RegistrationFile,
    path: PathBuf,
    /// `None`: its process was dead when it was admitted.
    watch: Option<ProcessWatch>,
    ring: Arc<Mapping>,
    ring_path: PathBuf,
    leaving: bool,
}

/// An admitted gating consumer.
struct KnownConsumer {
    name: String,
    nonce: u64,
    file: CursorFile,
    /// `None`: its process is dead, and it is essential.
    watch: Option<ProcessWatch>,
    essential: bool,
    patience: Option<Duration>,
    position: u64,
    moved_at: Instant,
    reported: bool,
    /// Whether it holds the stream: one with patience loses that when it stands still for longer,
    /// and gets it back when it moves.
    holds: bool,
}

impl KnownConsumer {
    fn new(
        name: &str,
        registration: &ConsumerRegistration,
        file: CursorFile,
        watch: Option<ProcessWatch>,
    ) -> Self {
        KnownConsumer {
            name: name.to_owned(),
            nonce: registration.nonce,
            position: file.position(),
            file,
            watch,
            essential: registration.essential,
            patience: (registration.kind == ConsumerKind::Holding)
                .then(|| Duration::from_nanos(registration.patience_ns)),
            moved_at: Instant::now(),
            reported: false,
            holds: true,
        }
    }

    /// Nobody waits for it: how long it stands still is counted from now on.
    fn is_not_waited_for(&mut self) {
        self.position = self.file.position();
        self.moved_at = Instant::now();
        self.reported = false;
    }

    /// Whether it has begun to read.
    fn has_started(&self) -> bool {
        self.file.cursor().is_some_and(|cursor| cursor.load() != 0)
    }

    /// What makes it hold nothing.
    fn removal(&self, place: usize) -> Command {
        Command::RemoveConsumer {
            place,
            nonce: self.nonce,
        }
    }

    /// What gives its hold back to one that has lost it, if it has moved since: from where it stands,
    /// or from the oldest frame there is.
    fn regains_hold(&mut self, place: usize) -> Option<Command> {
        if self.file.position() == self.position {
            return None;
        }
        let cursor = self.file.cursor()?;
        self.is_not_waited_for();
        self.holds = true;
        Some(Command::AddConsumer {
            place,
            entry: Box::new(ConsumerEntry {
                nonce: self.nonce,
                name: self.name.clone(),
                granted_from: 0,
                process: self.file.holder().0,
            }),
            cursor,
            start: StartRequest::Oldest,
            replaces: None,
        })
    }

    /// Whether it has stood still for `span` although there is something to read.
    fn stands_still(&mut self, published: u64, span: Duration) -> bool {
        let position = self.file.position();
        if position != self.position || position >= published {
            self.position = position;
            self.moved_at = Instant::now();
        }
        self.moved_at.elapsed() >= span
    }
}

/// See the module.
pub(crate) struct Conductor {
    fabric: Fabric,
    bank: Bank,
    ids: HashMap<String, usize>,
    /// Numbers of sources that are admitted now.
    active_ids: HashSet<usize>,
    last: Vec<u64>,
    schemas: HashMap<u16, MessageSchema>,
    sources: Vec<KnownSource>,
    consumers: Vec<Option<KnownConsumer>>,
    refused: HashSet<u64>,
    errors: ErrorLog,
    raised: u64,
    stream_capacity: u64,
    rings: Rings,
    word: EpochWord,
    sources_directory: DirectoryWatch,
    consumers_directory: DirectoryWatch,
    commands: rtrb::Producer<Command>,
    events: rtrb::Consumer<Event>,
    backlog: VecDeque<Command>,
    watched_at: Instant,
    calibrated_at: Instant,
    calibration: Calibration,
    rate_base: (u64, u64),
    slew: bool,
    anonymous: bool,
    scan_always: bool,
}

/// What the conductor starts from.
pub(crate) struct ConductorParts<'a> {
    pub(crate) fabric: Fabric,
    pub(crate) bank: Bank,
    pub(crate) word: EpochWord,
    pub(crate) recovered: &'a Recovered,
    pub(crate) consumers: &'a [(usize, ConsumerEntry, CursorFile)],
    pub(crate) rings: Rings,
    pub(crate) commands: rtrb::Producer<Command>,
    pub(crate) events: rtrb::Consumer<Event>,
    pub(crate) calibration: Calibration,
    pub(crate) slew: bool,
    pub(crate) anonymous: bool,
    /// Looks through the directories in every round: nothing depends on the time of day then.
    pub(crate) scan_always: bool,
}

impl Conductor {
    pub(crate) fn new(parts: ConductorParts<'_>) -> Self {
        let fabric = parts.fabric;
        let mut consumers: Vec<Option<KnownConsumer>> = Vec::new();
        consumers.resize_with(MAX_CONSUMERS, || None);
        for (place, entry, file) in parts.consumers {
            // The very file that the takeover holds for: another incarnation may have taken the
            // name since. That one is found and admitted like any newcomer, and the hold of the
            // one before ends then.
            if let Ok(registration) = file.read() {
                let watch = ProcessWatch::new(entry.process);
                if watch.is_some() || registration.essential {
                    consumers[*place] = Some(KnownConsumer::new(
                        &entry.name,
                        &registration,
                        file.clone(),
                        watch,
                    ));
                }
            }
        }
        let mut conductor = Conductor {
            ids: parts
                .recovered
                .names
                .iter()
                .enumerate()
                .filter_map(|(id, name)| Some((name.clone()?, id)))
                .collect(),
            active_ids: HashSet::new(),
            last: parts.recovered.last.clone(),
            schemas: parts
                .recovered
                .schemas
                .iter()
                .map(|(_, schema)| (schema.message_type, schema.clone()))
                .collect(),
            sources: Vec::new(),
            consumers,
            refused: HashSet::new(),
            errors: ErrorLog::of_sequencer(&fabric, parts.bank.index()),
            raised: 0,
            stream_capacity: fabric.control().stream_capacity,
            rings: parts.rings,
            word: parts.word,
            sources_directory: DirectoryWatch::new(fabric.paths().sources()),
            consumers_directory: DirectoryWatch::new(fabric.paths().consumers()),
            commands: parts.commands,
            events: parts.events,
            backlog: VecDeque::new(),
            watched_at: Instant::now(),
            calibrated_at: Instant::now(),
            calibration: parts.calibration,
            rate_base: (fabric.ticks(), utc_ns()),
            slew: parts.slew,
            anonymous: parts.anonymous,
            scan_always: parts.scan_always,
            bank: parts.bank,
            fabric,
        };
        // Consumers that the takeover kept but whose processes have died since.
        for (place, entry, _) in parts.consumers {
            if conductor.consumers[*place].is_none() {
                conductor.backlog.push_back(Command::RemoveConsumer {
                    place: *place,
                    nonce: entry.nonce,
                });
            }
        }
        conductor
    }

    /// One round. Returns how much there was to do.
    pub(crate) fn do_work(&mut self) -> usize {
        let mut work = self.collect_events();
        if self.backlog.is_empty() {
            if self.scan_always || self.sources_directory.may_have_changed() {
                work += self.look_for_sources();
            }
            if self.scan_always || self.consumers_directory.may_have_changed() {
                work += self.look_for_consumers();
            }
            work += self.look_for_leavers();
            if self.slew && self.calibrated_at.elapsed() >= CALIBRATE_EVERY {
                self.calibrate();
            }
        }
        self.send_backlog();
        work
    }

    fn send_backlog(&mut self) {
        while let Some(command) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(command)) = self.commands.push(command) {
                self.backlog.push_front(command);
                break;
            }
        }
    }

    fn collect_events(&mut self) -> usize {
        let mut work = 0;
        while let Ok(event) = self.events.pop() {
            work += 1;
            match event {
                Event::SourceGone { source, reason } => self.forget_source(&source, reason),
                Event::ConsumerRefused { place, nonce } => {
                    if let Some(known) = self.consumers[place].take() {
                        let reason = self.bank.refusal(nonce).unwrap_or_default();
                        self.errors.note("refused", &known.name, &reason);
                    }
                    self.refused.insert(nonce);
                }
            }
        }
        work
    }

    /// Removes the files of a drained source, so that its name is free again.
    fn forget_source(&mut self, source: &Source, reason: u16) {
        self.last[source.id as usize] = source.reader.next() - 1;
        self.active_ids.remove(&(source.id as usize));
        let Some(index) = self
            .sources
            .iter()
            .position(|known| known.nonce == source.nonce)
        else {
            return;
        };
        let known = self.sources.swap_remove(index);
        self.note_end(&known, reason);
        if reason == LEFT_CUT_OFF {
            // Its process lives on and may not know: the file stays, so that the name stays
            // taken until it leaves; it is not admitted again.
            self.refused.insert(known.nonce);
            return;
        }
        self.remove_source_files(&known.path, &known.ring_path);
    }

    /// A source that did not leave in order is an error that somebody may look for.
    fn note_end(&mut self, known: &KnownSource, reason: u16) {
        let (process, _) = known.file.holder();
        let what = match reason {
            LEFT_CUT_OFF => "cut off",
            LEFT_DIED => "died",
            _ => return,
        };
        let detail = match reason {
            LEFT_CUT_OFF => format!(
                "process {}: it broke the protocol of its ring, or its files were cut short",
                process.pid
            ),
            _ => format!("process {}, without leaving", process.pid),
        };
        self.errors.note(what, &name_of(&known.path), &detail);
    }

    /// Removes a drained source's files, so that its name is free again.
    ///
    /// Not if this sequencer has been replaced: its frames may not have counted, and the source's
    /// messages are to be taken again. The frames of the source are published before the epoch is
    /// looked at, so if the epoch is still this one's, its successor counts them.
    fn remove_source_files(&self, path: &Path, ring_path: &Path) {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if self.fabric.epoch().load() != self.word {
            return;
        }
        crash_point!("leaving.published");
        let _ = std::fs::remove_file(ring_path);
        crash_point!("leaving.ring_removed");
        let _ = std::fs::remove_file(path);
        crash_point!("leaving.removed");
    }

    fn refuse(&mut self, name: &str, nonce: u64, reason: String) {
        if self.refused.insert(nonce) {
            self.errors.note("refused", name, &reason);
            self.backlog.push_back(Command::Refuse { nonce, reason });
        }
    }

    fn look_for_sources(&mut self) -> usize {
        let mut work = 0;
        for file_name in self.sources_directory.names() {
            let Some((name, nonce)) = split_source_file(&file_name) else {
                continue;
            };
            if self.sources.iter().any(|known| known.nonce == nonce) {
                continue;
            }
            let path = self.fabric.paths().sources().join(&file_name);
            let Ok(file) = RegistrationFile::open_untrusted(&path) else {
                continue;
            };
            if self.refused.contains(&nonce) {
                // Refused and gone: the name is free again.
                if file.detached() || !file.holder().0.is_alive() {
                    let ring = source_ring(&self.fabric.ring_directory(), name, nonce);
                    self.remove_source_files(&path, &ring);
                }
                continue;
            }
            work += 1;
            if let Err(reason) = self.admit_source(name, nonce, path, file) {
                self.refuse(name, nonce, reason);
            }
        }
        work
    }

    /// Checks a registration and hands its ring to the sequencing thread. A registration whose
    /// process is dead already is admitted too: what it committed is to be sequenced.
    fn admit_source(
        &mut self,
        name: &str,
        nonce: u64,
        path: PathBuf,
        file: RegistrationFile,
    ) -> Result<(), String> {
        check_name("source", name).map_err(|error| error.to_string())?;
        let registration = file.read()?;
        if registration.nonce != nonce {
            return Err("its registration's name and content disagree".to_owned());
        }
        if let Some(id) = self.ids.get(name)
            && self.active_ids.contains(id)
        {
            return Err(format!(
                "another process sends as `{name}`: a source has one producer at a time"
            ));
        }
        let id = match self.ids.get(name) {
            Some(&id) => id,
            None => (1..MAX_SOURCES)
                .find(|id| !self.ids.values().any(|taken| taken == id))
                .ok_or_else(|| {
                    format!(
                        "the fabric has known {} sources, its limit: reuse the name of one that left",
                        MAX_SOURCES - 1
                    )
                })?,
        };
        let new_schemas = self.check_schemas(&registration.schemas)?;
        if self.last.len() <= id {
            self.last.resize(id + 1, 0);
        }
        let last = self.last[id];
        let ring_path = source_ring(&self.fabric.ring_directory(), name, registration.nonce);
        let ring = self
            .rings
            .take(
                registration.nonce,
                &ring_path,
                registration.ring_bytes(u64::from(self.fabric.control().slot_bytes)),
            )
            .map_err(|error| error.to_string())?;
        let mut source = self.map_ring(&registration, &ring, id, last)?;
        let measured = LatencySubject::Source {
            name: name.to_owned(),
            bank: self.bank.index(),
        };
        if self.fabric.control().records_latency() {
            source.latency = LatencyRecorder::create(&self.fabric, &measured).ok();
        }
        let entry = SourceEntry {
            nonce: registration.nonce,
            name: name.to_owned(),
            next_source_sequence: last + 1,
            joined_at: 0,
            process: registration.process,
            attached: true,
        };
        let mut announcements: Vec<Announcement> = new_schemas
            .iter()
            .map(|schema| {
                let mut payload = Vec::new();
                schema.encode(&mut payload);
                Announcement {
                    message_type: TYPE_REGISTERED,
                    payload,
                }
            })
            .collect();
        let limit = self.fabric.control().message_limit();
        if let Some(large) = announcements.iter().find(|a| a.payload.len() > limit) {
            return Err(format!(
                "the field table of one of its message types takes {} bytes, more than a message may have ({limit}): create the fabric with a larger payload ring",
                large.payload.len()
            ));
        }
        announcements.push(Announcement {
            message_type: SourceJoined::TYPE,
            payload: self
                .joined(name, id, last, registration.process, file.uid())
                .as_bytes()
                .to_vec(),
        });
        for schema in &new_schemas {
            self.schemas.insert(schema.message_type, schema.clone());
        }
        self.ids.insert(name.to_owned(), id);
        self.active_ids.insert(id);
        let watch = ProcessWatch::new(registration.process);
        let leaving = watch.is_none();
        self.sources.push(KnownSource {
            nonce,
            file,
            path,
            watch,
            ring,
            ring_path,
            leaving,
        });
        self.backlog.push_back(Command::AddSource(Box::new(Arrival {
            source,
            entry,
            new_schemas,
            announcements,
        })));
        if leaving {
            self.backlog.push_back(Command::SourceLeft {
                nonce: registration.nonce,
                reason: LEFT_DIED,
            });
        }
        Ok(())
    }

    fn joined(
        &self,
        name: &str,
        id: usize,
        last: u64,
        process: ProcessIdentity,
        uid: u32,
    ) -> SourceJoined {
        let mut bytes = [0; 48];
        for (chunk, word) in bytes
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(name_to_words(name))
        {
            *chunk = word.to_le_bytes();
        }
        let (pid, uid) = if self.anonymous {
            (0, 0)
        } else {
            (process.pid, uid)
        };
        SourceJoined {
            last_source_sequence: last,
            source: id as u16,
            name_length: name.len() as u16,
            pid,
            uid,
            reserved: 0,
            name: bytes,
        }
    }

    fn map_ring(
        &mut self,
        registration: &Registration,
        ring: &Arc<Mapping>,
        id: usize,
        last: u64,
    ) -> Result<Source, String> {
        let control = self.fabric.control();
        let slots_offset = registration.slots_offset as usize;
        let slot_bytes = registration.capacity as usize * control.slot_bytes as usize;
        let slots = ring
            .words(slots_offset, slot_bytes)
            .map_err(|error| error.to_string())?;
        let payload = ring
            .words(
                slots_offset + slot_bytes,
                registration.payload_bytes as usize,
            )
            .map_err(|error| error.to_string())?;
        let reader = RingShape::new(registration.capacity, control.slot_words())
            .and_then(|shape| IngressReader::new(slots, shape, last + 1))
            .ok_or("its ring has an impossible shape")?;
        let share = (registration.payload_bytes / PAYLOAD_SHARE) as usize;
        let parts = SourceParts {
            reader,
            payload,
            inline_bytes: control.inline_bytes(),
            message_limit: control
                .message_limit()
                .min(share)
                .max(control.inline_bytes()),
            id: id as u16,
            consumed: self
                .bank
                .consumed(id)
                .ok_or("it has an impossible number")?
                .clone(),
            nonce: registration.nonce,
        };
        Source::new(parts, &registration.schemas).ok_or_else(|| {
            "it registers no message type, so there is nothing it could send".to_owned()
        })
    }

    /// The schemas that are new to the fabric, or why one cannot be.
    fn check_schemas(&self, schemas: &[MessageSchema]) -> Result<Vec<MessageSchema>, String> {
        let mut new: Vec<MessageSchema> = Vec::new();
        for schema in schemas {
            if schema.message_type == 0 || schema.message_type >= FIRST_SYSTEM_TYPE {
                return Err(format!(
                    "message type {:#06x} (`{}`) is not an application's: use 1 to {:#06x}",
                    schema.message_type,
                    schema.name,
                    FIRST_SYSTEM_TYPE - 1
                ));
            }
            let known = self.schemas.get(&schema.message_type).or_else(|| {
                new.iter()
                    .find(|known| known.message_type == schema.message_type)
            });
            match known {
                Some(known) if known == schema => {}
                Some(known) => {
                    return Err(format!(
                        "message type {:#06x}: {}",
                        schema.message_type,
                        schema.difference(known)
                    ));
                }
                None => new.push(schema.clone()),
            }
        }
        Ok(new)
    }

    fn look_for_consumers(&mut self) -> usize {
        let mut work = 0;
        for name in self.consumers_directory.names() {
            let path = self.fabric.paths().consumer(&name);
            let Ok(file) = CursorFile::open_untrusted(&path) else {
                continue;
            };
            let (_, nonce) = file.holder();
            let known = self
                .consumers
                .iter()
                .flatten()
                .any(|known| known.nonce == nonce);
            if known || self.refused.contains(&nonce) || !file.held() {
                continue;
            }
            match self.admit_consumer(&name, file) {
                Ok(admitted) => work += usize::from(admitted),
                Err(reason) => self.refuse(&name, nonce, reason),
            }
        }
        work
    }

    fn admit_consumer(&mut self, name: &str, file: CursorFile) -> Result<bool, String> {
        check_name("consumer", name).map_err(|error| error.to_string())?;
        let registration = file.read()?;
        if registration.kind == ConsumerKind::Copying {
            return Ok(false);
        }
        let cursor = file.cursor().ok_or("its file has no cursor")?;
        let Some(watch) = ProcessWatch::new(registration.process) else {
            return Ok(false);
        };
        let place = self
            .consumers
            .iter()
            .position(Option::is_none)
            .ok_or_else(|| {
                format!("the fabric has {MAX_CONSUMERS} gating consumers, its limit: attach as an observer")
            })?;
        // The hold of a dead consumer of this name ends when the new one's begins, not before.
        let replaces = self
            .consumers
            .iter()
            .enumerate()
            .find_map(|(place, known)| {
                let known = known.as_ref().filter(|known| known.name == name)?;
                Some((place, known.nonce))
            });
        if let Some((place, _)) = replaces {
            self.consumers[place] = None;
        }
        self.consumers[place] = Some(KnownConsumer::new(name, &registration, file, Some(watch)));
        self.backlog.push_back(Command::AddConsumer {
            place,
            entry: Box::new(ConsumerEntry {
                nonce: registration.nonce,
                name: name.to_owned(),
                granted_from: 0,
                process: registration.process,
            }),
            cursor,
            start: registration.start,
            replaces,
        });
        Ok(true)
    }

    /// Participants that have left or died. Leaving is a word in memory; death is asked for less
    /// often.
    fn look_for_leavers(&mut self) -> usize {
        let watch = self.scan_always || self.watched_at.elapsed() >= WATCH_EVERY;
        if watch {
            self.watched_at = Instant::now();
        }
        let mut work = 0;
        let mut alarms: Vec<(&str, String, String)> = Vec::new();
        let mut died: Vec<(String, String)> = Vec::new();
        for known in &mut self.sources {
            if known.leaving {
                continue;
            }
            let reason = if known.ring.is_broken() || known.file.is_broken() {
                let text = format!(
                    "source {} was cut off: its files were cut short under their mapping",
                    known.path.display()
                );
                alarms.push(("cut short", name_of(&known.path), text));
                LEFT_CUT_OFF
            } else if known.file.detached() {
                LEFT_DETACHED
            } else if watch && known.watch.as_ref().is_none_or(ProcessWatch::is_dead) {
                LEFT_DIED
            } else {
                continue;
            };
            known.leaving = true;
            work += 1;
            self.backlog.push_back(Command::SourceLeft {
                nonce: known.nonce,
                reason,
            });
        }
        let published = self.bank.published();
        let full = self.stream_capacity - self.stream_capacity / 8;
        for (place, slot) in self.consumers.iter_mut().enumerate() {
            let Some(known) = slot else {
                continue;
            };
            let mut gone = known.file.detached() || known.file.is_broken();
            if known.file.is_broken() {
                let text = format!(
                    "consumer `{}` was cut off: its file was cut short under its mapping",
                    known.name
                );
                alarms.push(("cut short", known.name.clone(), text));
            }
            if watch && known.watch.as_ref().is_some_and(ProcessWatch::is_dead) {
                known.watch = None;
                if !gone {
                    let process = known.file.holder().0;
                    let detail = format!("process {}, without leaving", process.pid);
                    died.push((known.name.clone(), detail));
                }
            }
            gone |= known.watch.is_none() && !known.essential;
            if watch && !gone {
                if !known.holds {
                    self.backlog.extend(known.regains_hold(place));
                } else if published.saturating_sub(known.file.position()) < full {
                    known.is_not_waited_for();
                } else if let Some(patience) = known.patience {
                    // The stream waits for this one, or is about to.
                    if known.stands_still(published, patience) {
                        // Before it has begun to read it cannot move: it comes back as a newcomer.
                        gone = !known.has_started();
                        if !gone {
                            known.holds = false;
                            self.backlog.push_back(known.removal(place));
                        }
                    }
                } else if known.stands_still(published, REPORT_AFTER) && !known.reported {
                    known.reported = true;
                    alarms.push(("holds the stream", known.name.clone(), holding_alarm(known)));
                }
            }
            if gone && let Some(known) = slot.take() {
                work += 1;
                self.backlog.push_back(known.removal(place));
            }
        }
        for (name, detail) in died {
            self.errors.note("died", &name, &detail);
        }
        for (what, subject, text) in alarms {
            self.raise(&text);
            self.errors.note(what, &subject, &text);
        }
        work
    }

    /// Puts an alarm where every tool can read it.
    fn raise(&mut self, text: &str) {
        self.bank.raise_alarm(self.raised, utc_ns(), text);
        self.raised += 1;
    }

    fn calibrate(&mut self) {
        self.calibrated_at = Instant::now();
        let (ticks, utc) = (self.fabric.ticks(), utc_ns());
        let (base_ticks, base_utc) = self.rate_base;
        // The rate over the whole time since the start: the longer, the better known.
        let (ticks_passed, ns_passed) = (
            ticks.saturating_sub(base_ticks),
            utc.saturating_sub(base_utc),
        );
        let nominal = self.fabric.control().ticks_per_second;
        let measured =
            (u128::from(ticks_passed) * 1_000_000_000 / u128::from(ns_passed.max(1))) as u64;
        // A host clock that was set makes the measurement void.
        let rate = if measured.abs_diff(nominal) > nominal / 1_000 {
            self.rate_base = (ticks, utc);
            let detail = format!(
                "{measured} ticks a second against {nominal}: the time stamps follow slowly"
            );
            self.errors.note("host clock was set", "", &detail);
            nominal
        } else {
            measured
        };
        self.calibration =
            self.calibration
                .slewed(ticks, utc, rate, CALIBRATE_EVERY.as_nanos() as u64);
        self.backlog.push_back(Command::Calibrate(self.calibration));
    }
}

/// The name of the source whose registration this is.
fn name_of(path: &Path) -> String {
    path.file_name()
        .and_then(|file| split_source_file(file.to_str()?))
        .map_or_else(String::new, |(name, _)| name.to_owned())
}

/// What to say of a consumer that holds the stream.
fn holding_alarm(known: &KnownConsumer) -> String {
    let (process, _) = known.file.holder();
    let position = known.file.position();
    if known.watch.is_some() {
        format!(
            "consumer `{}` (process {pid}) stands at {position} and holds the stream: let it read, or end it with `kill -9 {pid}`",
            known.name,
            pid = process.pid
        )
    } else {
        format!(
            "essential consumer `{}` is dead and holds the stream at {position}: start it again, or give its hold up with `selvedge remove FABRIC --consumer {}`",
            known.name, known.name
        )
    }
}

/// A directory that is read only when it may have changed.
struct DirectoryWatch {
    path: PathBuf,
    changed: Option<SystemTime>,
    scanned_at: Option<Instant>,
    scan_again_until: Instant,
}

impl DirectoryWatch {
    fn new(path: PathBuf) -> Self {
        DirectoryWatch {
            path,
            changed: None,
            scanned_at: None,
            scan_again_until: Instant::now(),
        }
    }

    fn may_have_changed(&mut self) -> bool {
        let changed = std::fs::metadata(&self.path)
            .and_then(|metadata| metadata.modified())
            .ok();
        let now = Instant::now();
        if changed != self.changed {
            self.changed = changed;
            self.scan_again_until = now + SCAN_AFTER_CHANGE;
        }
        let due = now <= self.scan_again_until
            || self
                .scanned_at
                .is_none_or(|scanned| now - scanned >= SCAN_AT_LEAST);
        if due {
            self.scanned_at = Some(now);
        }
        due
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        // In the same order on every run.
        names.sort();
        names
    }
}

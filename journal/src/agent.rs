//! The journal as an agent of the fabric: reads the stream as a gating consumer and appends it.

mod actions;
mod outage;

use crate::error::io_error;
use crate::format::{Action, CLOCK_BREACH};
use crate::operator_action::{WaitingAction, of_fabric, of_journal};
use crate::segment::list_segments;
use crate::storage::{DirectoryStorage, Storage};
use crate::view::shared_directory;
use crate::watch::{Watch, own_activity, recorded_actions};
use crate::{
    AlarmState, Append, Dictionary, JournalConfig, JournalEnd, JournalError, JournalIdentity,
    JournalPositions, JournalWriter, Record, Result, WhenStopped, WriteMode,
};
use actions::OperatorActions;
use outage::{Dropping, Outage};
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_fabric::frame::system::EndOfStream;
use selvedge_fabric::message::Message;
use selvedge_fabric::shared::bank::SequencerStatus;
use selvedge_fabric::shared::error_log::ErrorLog;
use selvedge_fabric::{Consumer, Fabric, Observer, PendingConsumer, Start};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The name under which the journal reads the stream.
pub const JOURNAL_CONSUMER: &str = "journal";

/// The name under which it reads what an ended stream still holds.
const REST_CONSUMER: &str = "journal-rest";

/// Frames taken in one step.
const RUN: usize = 256;

/// How long frames may wait in a block that is not full.
const FLUSH_AFTER: Duration = Duration::from_millis(1);

/// How long the disk may take nothing, because it is slow or fails, before frames are left out,
/// where that is allowed at all.
const STALL: Duration = Duration::from_millis(250);

/// How long a last record waits for a writer for which too many wait: a disk that takes longer has
/// been an alarm for long.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Writes the stream of a fabric into a journal.
///
/// Frames are copied once, into staging, and the ring is released at once. When the disk does
/// not keep up or fails, the agent stops reading, the stream fills, and producers wait: nothing
/// is lost, unless [`WhenStopped::DeclareGap`] asks for the other thing. The sequencer keeps the
/// ring for a journal that died, and its successor takes from staging what it had taken.
pub struct JournalAgent {
    writer: Option<JournalWriter>,
    positions: JournalPositions,
    reading: Reading,
    message_limit: usize,
    when_stopped: WhenStopped,
    clock: fn() -> u64,
    /// Until the sequencer has let the journal in.
    opening: Option<Opening>,
    watch: Option<Watch>,
    /// A record for which there was no room yet.
    unrecorded: Option<Record>,
    actions: OperatorActions,
    outage: Option<Outage>,
    errors: ErrorLog,
    dropping: Option<Dropping>,
    not_taken_since: Option<Instant>,
    ended: bool,
    unflushed_since: Option<Instant>,
    frames: u64,
    waited: u64,
    held_back: u64,
    end: Option<JournalEnd>,
}

/// What a journal is opened with.
struct Opening {
    fabric: Fabric,
    storage: Arc<dyn Storage>,
    identity: JournalIdentity,
    dictionary: Dictionary,
    config: JournalConfig,
    actions: Vec<PathBuf>,
}

impl Opening {
    fn open(&self, start_sequence: u64) -> Result<JournalWriter> {
        JournalWriter::open_in(
            Arc::clone(&self.storage),
            &self.identity,
            start_sequence,
            &self.dictionary,
            &self.config,
        )
    }
}

enum Reading {
    Pending(PendingConsumer),
    Attached(Box<Consumer>),
    /// The stream has ended in order, without the journal: nobody lets anybody in any more.
    Rest(Box<Observer>),
}

impl JournalAgent {
    /// An agent that writes the stream of `fabric` into `directory`: from its oldest frame on for
    /// a new journal, from where it ends for one that is there.
    ///
    /// Staging and positions lie in `journal/` in the fabric's directory, unless `config` says
    /// otherwise.
    ///
    /// # Errors
    ///
    /// Those of [`JournalWriter::open`], and of attaching a consumer.
    pub fn new(fabric: &Fabric, directory: &Path, config: &JournalConfig) -> Result<Self> {
        let name = directory.display().to_string();
        let storage = DirectoryStorage::create(directory).map_err(io_error("create", &name))?;
        let actions = vec![of_fabric(fabric), of_journal(directory)];
        let agent = Self::begin(fabric, Arc::new(storage), config, actions)?;
        // Whoever looks at the fabric may stand in another directory than this process.
        let whole = directory
            .canonicalize()
            .unwrap_or_else(|_| directory.to_owned());
        agent
            .positions
            .set_disk(whole.as_os_str(), config.reserve_bytes);
        Ok(agent)
    }

    /// As [`Self::new`], in any storage.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn new_in(
        fabric: &Fabric,
        storage: Arc<dyn Storage>,
        config: &JournalConfig,
    ) -> Result<Self> {
        Self::begin(fabric, storage, config, vec![of_fabric(fabric)])
    }

    fn begin(
        fabric: &Fabric,
        storage: Arc<dyn Storage>,
        config: &JournalConfig,
        actions: Vec<PathBuf>,
    ) -> Result<Self> {
        let control = fabric.control();
        let identity = JournalIdentity::new(
            fabric.name(),
            u128::from_be_bytes(control.fabric_id),
            control.life,
        )?;
        let mut dictionary = Dictionary::default();
        for schema in fabric.schemas() {
            dictionary.add_schema(schema);
        }
        for (source, entry) in fabric.sources() {
            dictionary.add_source(source, &entry.name);
        }
        let shared = config
            .shared
            .clone()
            .unwrap_or_else(|| shared_directory(fabric));
        let config = JournalConfig {
            shared: Some(shared.clone()),
            ..config.clone()
        };
        let opening = Opening {
            fabric: fabric.clone(),
            storage,
            identity,
            dictionary,
            config,
            actions: actions.clone(),
        };
        // A journal that is there says where to go on. A new one begins where the sequencer lets
        // it in: until then the ring moves on.
        let (mut writer, mut rest, mut start) = (None, None, Start::Oldest);
        if !list_segments(&*opening.storage)?.is_empty() {
            let oldest = fabric.oldest_sequence();
            let opened = opening.open(oldest)?;
            let next = opened.next_sequence();
            // Behind what one left out that was killed before it could declare it.
            let gone = opening.config.when_stopped == WhenStopped::DeclareGap && next < oldest;
            let from = if gone { oldest } else { next };
            rest = rest_of_ended_stream(fabric, from)?;
            if !gone {
                start = Start::Sequence(next);
            }
            writer = Some(opened);
        }
        let reading = match rest {
            Some(observer) => Reading::Rest(Box::new(observer)),
            None => Reading::Pending(
                fabric
                    .consumer(JOURNAL_CONSUMER)
                    .start(start)
                    .essential()
                    .begin()
                    .map_err(JournalError::Fabric)?,
            ),
        };
        let positions = match &writer {
            Some(writer) => writer.positions(),
            None => JournalPositions::shared(
                &shared.join(crate::POSITIONS_FILE),
                opening.identity.fabric_id,
            )?,
        };
        let mut agent = JournalAgent {
            positions,
            writer,
            reading,
            message_limit: control.message_limit(),
            when_stopped: opening.config.when_stopped,
            clock: opening.config.clock,
            actions: OperatorActions::new(Arc::clone(&opening.storage), actions),
            opening: Some(opening),
            watch: None,
            unrecorded: None,
            outage: None,
            errors: ErrorLog::new(fabric, JOURNAL_CONSUMER),
            dropping: None,
            not_taken_since: None,
            ended: false,
            unflushed_since: None,
            frames: 0,
            waited: 0,
            held_back: 0,
            end: None,
        };
        if let Reading::Rest(rest) = &agent.reading {
            let position = rest.position();
            agent.begin_writing(position)?;
        }
        Ok(agent)
    }

    /// The sequencer has let the journal in: the ring is held from here on.
    fn admitted(&mut self, consumer: Consumer) -> Result<()> {
        self.begin_writing(consumer.position())?;
        self.reading = Reading::Attached(Box::new(consumer));
        Ok(())
    }

    /// Opens the journal, unless it is open, and notes in it that it is written again.
    fn begin_writing(&mut self, position: u64) -> Result<()> {
        let Some(opening) = self.opening.take() else {
            return Ok(());
        };
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => opening.open(position)?,
        };
        // Stepped by a test or a replay, a journal must come out the same every time.
        if opening.config.mode == WriteMode::HelperThread {
            let detail = format!(
                "directory {}, {:?}, {:?}, segments of {} bytes, rolled every {:?}, reserve {} bytes, clock bound {} ns, {}, {} frames taken from staging",
                opening.storage.describe(),
                opening.config.sync,
                opening.config.when_stopped,
                opening.config.segment_bytes,
                opening.config.roll_every,
                opening.config.reserve_bytes,
                opening.config.clock_bound_ns,
                match &opening.config.signer {
                    Some(signer) => format!("signed by {}", signer.public_key()),
                    None => "not signed".to_owned(),
                },
                writer.taken_from_staging()
            );
            let entry = own_activity(Action::WriterStarted, detail);
            writer.record(&Record::Activity(vec![entry]))?;
            self.watch = Watch::start(
                &opening.fabric,
                opening.config.clock_bound_ns,
                opening.storage,
                opening.actions,
            );
        }
        if position > writer.next_sequence() {
            self.dropping = Some(Dropping {
                last: position - 1,
                began: (self.clock)(),
                reason: AlarmState::Other,
            });
        }
        self.positions = writer.positions();
        self.writer = Some(writer);
        Ok(())
    }

    /// How far the journal is recorded and durable.
    pub fn positions(&self) -> JournalPositions {
        self.positions.clone()
    }

    /// Frames written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What a person should know about how the journal is written: once, after the start.
    pub fn note(&self) -> Option<String> {
        self.writer.as_ref().and_then(JournalWriter::note)
    }

    /// Steps in which the disk did not keep up and the stream had to wait.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// How often the stream had to wait for the disk, however long each time.
    pub fn held_back(&self) -> u64 {
        self.held_back
    }

    /// Where the journal ended, once the agent has finished.
    pub fn end(&self) -> Option<&JournalEnd> {
        self.end.as_ref()
    }

    /// Whether a frame may be read now: the disk works, a gap is declared, and there is room.
    fn may_read(&mut self) -> Result<bool> {
        let Some(writer) = &mut self.writer else {
            return Ok(false);
        };
        let gap = self.dropping.as_ref().filter(|gap| gap.last > 0);
        match room_behind(writer, gap, self.message_limit) {
            Ok(true) => {
                if let Some(gap) = gap {
                    let detail = format!("frames up to {} are not recorded", gap.last);
                    self.errors.note("gap", gap.reason.name(), &detail);
                }
                self.dropping = None;
                self.not_taken_since = None;
                if self.outage.take().is_some() && self.positions.alarm().state.stopped() {
                    let now = (self.clock)();
                    self.positions.set_alarm(AlarmState::Clear, None, now);
                }
                Ok(true)
            }
            Ok(false) => {
                self.waited += 1;
                if self.not_taken_since.is_none() {
                    self.not_taken_since = Some(Instant::now());
                    self.held_back += 1;
                    self.positions.set_held_back(self.held_back);
                    self.errors.note(
                        "held the fabric back",
                        "disk",
                        "no room for the next frame until the disk has taken some: it does not keep up",
                    );
                }
                Ok(false)
            }
            Err(error) => {
                self.not_taken_since.get_or_insert_with(Instant::now);
                let now = (self.clock)();
                Outage::met(
                    &mut self.outage,
                    error,
                    writer,
                    &self.positions,
                    &mut self.errors,
                    now,
                )?;
                Ok(false)
            }
        }
    }

    /// Takes frames. How many.
    fn read(&mut self) -> Result<usize> {
        // Room for the longest message is looked for before each frame, so that a frame once
        // read is always taken.
        if !self.may_read()? {
            let stalled = self
                .not_taken_since
                .is_some_and(|since| since.elapsed() >= STALL);
            if self.when_stopped == WhenStopped::DeclareGap && stalled {
                return self.leave_out();
            }
            return Ok(0);
        }
        if matches!(self.reading, Reading::Rest(_)) {
            return self.read_rest();
        }
        let (Reading::Attached(consumer), Some(writer)) = (&mut self.reading, &mut self.writer)
        else {
            return Ok(0);
        };
        let (limit, mut failed, mut ended) = (self.message_limit, None, false);
        let read = consumer
            .poll_while(RUN, |frame| {
                let header = *frame.header();
                let stored = header.with_flags(selvedge_fabric::frame::Flags::NONE);
                match writer.append(&stored, frame.payload()) {
                    Ok(Append::Done) => {}
                    Ok(Append::WouldBlock) => {
                        failed = Some(JournalError::PromiseBroken {
                            sequence: header.sequence(),
                        });
                    }
                    Err(error) => failed = Some(error),
                }
                ended = header.source() == 0 && header.message_type() == EndOfStream::TYPE;
                // An error of the disk is found again, and dealt with, before the next frame.
                let room = writer.has_room(limit).unwrap_or(false);
                match failed.is_none() && room && !ended {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })
            .map_err(JournalError::Fabric)?;
        self.ended |= ended;
        self.frames += read as u64;
        match failed {
            Some(error) => Err(error),
            None => Ok(read),
        }
    }

    /// Takes frames of a stream that has ended, up to its last one.
    fn read_rest(&mut self) -> Result<usize> {
        let (Reading::Rest(observer), Some(writer)) = (&mut self.reading, &mut self.writer) else {
            return Ok(0);
        };
        let mut read = 0;
        // One by one: an observer does not stop in the middle, and room is looked for before each.
        while read < RUN && writer.has_room(self.message_limit).unwrap_or(false) {
            let (mut failed, mut last) = (None, false);
            let got = observer
                .poll(1, |frame| {
                    let stored = frame
                        .header()
                        .with_flags(selvedge_fabric::frame::Flags::NONE);
                    match writer.append(&stored, frame.payload()) {
                        Ok(Append::Done) => {}
                        Ok(Append::WouldBlock) => {
                            failed = Some(JournalError::PromiseBroken {
                                sequence: stored.sequence(),
                            });
                        }
                        Err(error) => failed = Some(error),
                    }
                    last = stored.source() == 0 && stored.message_type() == EndOfStream::TYPE;
                })
                .map_err(JournalError::Fabric)?;
            if let Some(error) = failed {
                return Err(error);
            }
            read += got;
            // The next sequencer's frames are not read like this.
            self.ended =
                last || (got == 0 && observer.position() >= observer.fabric().next_sequence());
            if self.ended || got == 0 {
                break;
            }
        }
        self.frames += read as u64;
        Ok(read)
    }

    /// Reads frames and leaves them out: the disk does not take them and the fabric must go on.
    fn leave_out(&mut self) -> Result<usize> {
        let Reading::Attached(consumer) = &mut self.reading else {
            return Ok(0);
        };
        let alarm = self.positions.alarm();
        let dropping = self.dropping.get_or_insert_with(|| Dropping {
            last: 0,
            began: (self.clock)(),
            reason: if alarm.state.stopped() {
                alarm.state
            } else {
                AlarmState::Other
            },
        });
        let mut ended = false;
        let read = consumer
            .poll_while(RUN, |frame| {
                let header = frame.header();
                dropping.last = header.sequence();
                ended = header.source() == 0 && header.message_type() == EndOfStream::TYPE;
                match ended {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })
            .map_err(JournalError::Fabric)?;
        self.ended |= ended;
        Ok(read)
    }

    fn take_records(&mut self) -> Result<()> {
        let (Some(watch), Some(writer)) = (&self.watch, &mut self.writer) else {
            return Ok(());
        };
        if self.outage.is_some() || self.dropping.is_some() {
            return Ok(());
        }
        let waited = self.unrecorded.take();
        let is_new = waited.is_none();
        if let Some(record) = waited.or_else(|| watch.take()) {
            // Once, however often it is given to the writer.
            if let Record::Clock(clock) = &record
                && is_new
            {
                self.positions.note_clock(clock, (self.clock)());
                if clock.flags & CLOCK_BREACH != 0 {
                    let detail = format!("error bound {} ns", clock.maximum_error_ns);
                    self.errors.note("clock beyond its bound", "", &detail);
                }
            }
            match writer.record(&record) {
                Ok(true) => self.actions.note(&record),
                // Too many wait, or the disk fails, which is dealt with where frames are read.
                Ok(false) | Err(JournalError::Stopped { .. }) => self.unrecorded = Some(record),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Progress> {
        // What waits for the disk, and a gap not yet declared, come first.
        if !self.may_read()? {
            return Ok(Progress::Idle);
        }
        let Some(mut writer) = self.writer.take() else {
            return Ok(Progress::Finished);
        };
        let mut last_actions = Vec::new();
        if let Some(watch) = self.watch.take() {
            while let Some(record) = self.unrecorded.take().or_else(|| watch.take()) {
                if record_soon(&mut writer, &record)? {
                    self.actions.note(&record);
                }
            }
            // What was done since the watcher looked: ending the fabric, for one.
            last_actions = self.record_last_actions(&mut writer)?;
            let entry = own_activity(Action::WriterFinished, "the stream has ended".to_owned());
            record_soon(&mut writer, &Record::Activity(vec![entry]))?;
        }
        self.end = Some(writer.finish()?);
        // What the writer was given counts for nothing here, only what the journal now has.
        let recorded = recorded_actions(&*self.actions.storage, &last_actions).unwrap_or_default();
        for action in last_actions {
            if recorded.contains(&action.id) {
                // One that stays is known to the next journal as recorded.
                let _ = std::fs::remove_file(action.path);
            }
        }
        Ok(Progress::Finished)
    }

    /// Records the actions that still wait. All that are recorded now, or may be.
    fn record_last_actions(&mut self, writer: &mut JournalWriter) -> Result<Vec<WaitingAction>> {
        let mut given: Vec<WaitingAction> = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let found = self.actions.waiting(&seen);
            // Where the journal cannot be read they wait for the next one: the end matters more.
            let recorded = match recorded_actions(&*self.actions.storage, &found) {
                Ok(recorded) if !found.is_empty() => recorded,
                _ => return Ok(given),
            };
            for action in found {
                if !recorded.contains(&action.id) && !self.actions.has_taken(action.id) {
                    let record = Record::Activity(vec![action.activity.clone()]);
                    if !record_soon(writer, &record)? {
                        return Ok(given);
                    }
                }
                seen.insert(action.id);
                given.push(action);
            }
        }
    }

    fn step(&mut self) -> Result<Progress> {
        if let Reading::Pending(pending) = &mut self.reading {
            return match pending.poll().map_err(JournalError::Fabric)? {
                Some(consumer) => self.admitted(consumer).map(|()| Progress::Worked),
                None => Ok(Progress::Idle),
            };
        }
        if self.ended {
            return self.finish();
        }
        let read = self.read()?;
        if self.ended {
            return self.finish();
        }
        if read > 0 {
            self.unflushed_since.get_or_insert_with(Instant::now);
            return Ok(Progress::Worked);
        }
        self.take_records()?;
        if let Some(since) = self.unflushed_since
            && since.elapsed() >= FLUSH_AFTER
            && self.outage.is_none()
            && let Some(writer) = &mut self.writer
        {
            match writer.flush() {
                Ok(()) => self.unflushed_since = None,
                Err(error) => {
                    let now = (self.clock)();
                    Outage::met(
                        &mut self.outage,
                        error,
                        writer,
                        &self.positions,
                        &mut self.errors,
                        now,
                    )?;
                }
            }
        }
        Ok(Progress::Idle)
    }
}

/// Whether a frame may follow now, behind `gap`, which is declared first.
///
/// What is in the block that is being filled is handed over before room is looked for: declaring
/// the gap would hand it over anyway, and the room with it.
fn room_behind(writer: &mut JournalWriter, gap: Option<&Dropping>, limit: usize) -> Result<bool> {
    let Some(gap) = gap else {
        return writer.has_room(limit);
    };
    writer.flush()?;
    Ok(writer.has_room(limit)? && writer.declare_gap(gap.last, gap.began, gap.reason)?)
}

/// Gives a record to a writer that has nothing else to do, and waits a little where too many wait;
/// false where they still do.
fn record_soon(writer: &mut JournalWriter, record: &Record) -> Result<bool> {
    let until = Instant::now() + LAST_WAIT;
    loop {
        if writer.record(record)? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads what a stream that has ended in order still holds from `next` on; `None` where it goes on,
/// where nothing is left, and where the next sequencer has to be waited for.
///
/// The journal that died holds the ring under its own name until it is back in the next epoch: this
/// reads under another.
fn rest_of_ended_stream(fabric: &Fabric, next: u64) -> Result<Option<Observer>> {
    let ended = fabric
        .sequencer()
        .is_some_and(|view| view.status == SequencerStatus::Stopped);
    if !ended || !(fabric.oldest_sequence()..fabric.next_sequence()).contains(&next) {
        return Ok(None);
    }
    fabric
        .observer(REST_CONSUMER)
        .start(Start::Sequence(next))
        .attach()
        .map(Some)
        .map_err(JournalError::Fabric)
}

impl Agent for JournalAgent {
    fn name(&self) -> &str {
        JOURNAL_CONSUMER
    }

    fn do_work(&mut self) -> std::result::Result<Progress, AgentError> {
        Ok(self.step()?)
    }
}

//! The helper thread: keeps blocks in order while others work on them.
//!
//! Blocks are examined by worker threads, several at once: that is most of hashing them. Then they
//! are closed here one after the other (each needs the hash of the one before), and written by
//! workers, several at once, and synced by a worker too, while further blocks are examined, closed
//! and written. A block keeps its slot of staging until it is durable, and a record is kept until
//! then, too, so that after any error the journal is simply opened again at what the disk holds,
//! and written on from what was kept: one way of recovering for a crash (of frames: records are
//! kept in this process), a full disk and a failed sync.

use super::events::{Event, WriteOutcome};
use super::finish_sink;
use super::helper::Shared;
use super::workers::{Job, Jobs};
use crate::block::BlockBuffer;
use crate::config::SyncPolicy;
use crate::error::{JournalError, io_error};
use crate::format::BlockKind;
use crate::positions::AlarmState;
use crate::recovery::JournalEnd;
use crate::sink::Sink;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest that what is not durable goes unlooked at. Nobody depends on it to be woken; a sync
/// starts earlier where the appender has taken the last slot and does not fill it at once.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The same for a segment that may have to end by time: the clock may be set.
const ROLL_LOOK: Duration = Duration::from_millis(250);

/// Records that wait to become durable, written or not: all are kept until then. At this many none
/// is taken any more, and at half of it a sync is due whatever the policy.
pub(super) const MAX_RECORDS: usize = 64;

/// Gaps that wait for their place. At this many none is declared any more.
pub(super) const MAX_GAPS: usize = 32;

/// A block that has its place and may not be durable.
struct Entry {
    /// Its place in the order of all blocks, from 0.
    ticket: u64,
    number: u64,
    last_sequence: u64,
    written: bool,
    kept: Kept,
}

/// What a block is written again from.
enum Kept {
    /// A slot of staging; `None` while a worker has it.
    Frames(Option<BlockBuffer>),
    Record(BlockKind, Vec<u8>),
}

/// What a sync makes durable.
#[derive(Clone, Copy)]
struct SyncUnderWay {
    /// Blocks with a number below this.
    blocks: u64,
    /// Frames up to this sequence.
    sequence: u64,
}

/// A block of frames that has no place yet.
struct Staged {
    /// Its place in the order in which blocks came, for whoever examines it.
    number: u64,
    /// `None` while a worker has it.
    block: Option<BlockBuffer>,
    examined: bool,
}

/// Something for the disk, in the order in which it must come.
enum Work {
    Block(Staged),
    Record(BlockKind, Vec<u8>),
    Gap {
        last_sequence: u64,
        began: u64,
        reason: AlarmState,
    },
}

pub(super) struct Pipeline {
    sink: Sink,
    queue: Receiver<Event>,
    jobs: Jobs,
    give_back: Sender<BlockBuffer>,
    shared: Arc<Shared>,
    /// What has come and is not yet placed.
    work: VecDeque<Work>,
    /// What is placed and not yet durable, in order.
    entries: VecDeque<Entry>,
    next_ticket: u64,
    next_number: u64,
    examining: usize,
    writing: usize,
    sync: Option<SyncUnderWay>,
    sync_wanted: bool,
    last_sync: Instant,
    preparing: bool,
    /// The next segment's file could not be made ahead: not tried again in this segment.
    not_prepared: bool,
    slots: usize,
    ending: Option<Ending>,
    failed: Option<JournalError>,
    /// A worker has panicked, and its block with it.
    worker_lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Finish,
    Close,
}

impl Pipeline {
    pub(super) fn new(
        sink: Sink,
        queue: Receiver<Event>,
        jobs: Jobs,
        give_back: Sender<BlockBuffer>,
        shared: Arc<Shared>,
    ) -> Self {
        let slots = give_back.len();
        Pipeline {
            sink,
            queue,
            jobs,
            give_back,
            shared,
            work: VecDeque::with_capacity(2 * slots),
            entries: VecDeque::with_capacity(slots + MAX_RECORDS),
            next_ticket: 0,
            next_number: 0,
            examining: 0,
            writing: 0,
            sync: None,
            sync_wanted: false,
            last_sync: Instant::now(),
            preparing: false,
            not_prepared: false,
            slots,
            ending: None,
            failed: None,
            worker_lost: false,
        }
    }

    /// Runs until told to end. The end of the journal when it was finished.
    pub(super) fn run(mut self) -> Result<Option<JournalEnd>, JournalError> {
        loop {
            let stepped = self.step();
            if self.worker_lost {
                // Nothing can be settled any more. The appender finds nobody here.
                return Err(JournalError::HelperGone);
            }
            if let Err(error) = stepped {
                self.failed.get_or_insert(error);
            }
            if self.failed.is_some() && !self.recover() {
                return match self.worker_lost {
                    true => Err(JournalError::HelperGone),
                    false => Ok(None),
                };
            }
            if self.work.is_empty() && self.failed.is_none() {
                match self.ending {
                    Some(Ending::Finish) => {
                        if let Err(error) = self.settle(true) {
                            if self.worker_lost {
                                return Err(error);
                            }
                            self.failed = Some(error);
                            continue;
                        }
                        return finish_sink(self.sink).map(Some);
                    }
                    Some(Ending::Close)
                        if self.entries.iter().all(|entry| entry.written)
                            && self.sync.is_none() =>
                    {
                        return Ok(None);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Places what may be placed and starts what may be started, waits for something to come, and
    /// takes it.
    fn step(&mut self) -> Result<(), JournalError> {
        self.advance()?;
        let event = match self.wait_limit() {
            None => self
                .queue
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => self.queue.recv_timeout(wait),
        };
        match event {
            Ok(event) => self.take(event)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.ending = Some(Ending::Close),
        }
        while let Ok(event) = self.queue.try_recv() {
            self.take(event)?;
        }
        Ok(())
    }

    /// Places what may be placed and starts what may be started. Afterwards, if the appender has
    /// no slot left and none is free, something is under way that will give one back.
    fn advance(&mut self) -> Result<(), JournalError> {
        self.place_work()?;
        self.start_sync()
    }

    /// Whether a worker has something to do for a block or for a sync.
    fn under_way(&self) -> bool {
        self.examining > 0 || self.writing > 0 || self.sync.is_some()
    }

    /// How long nothing needs to be done if nothing comes.
    fn wait_limit(&self) -> Option<Duration> {
        if self.ending.is_some() && !self.under_way() {
            return Some(Duration::ZERO);
        }
        // The appender takes slots without telling.
        let look_again = (!self.entries.is_empty()).then_some(LOOK_AGAIN);
        match self.sink.config().sync {
            SyncPolicy::EveryInterval(interval) if self.sync.is_none() && self.has_unsynced() => {
                let due = interval.saturating_sub(self.last_sync.elapsed());
                Some(due.min(LOOK_AGAIN))
            }
            _ => look_again.or_else(|| Some(self.sink.until_overdue()?.min(ROLL_LOOK))),
        }
    }

    fn take(&mut self, event: Event) -> Result<(), JournalError> {
        match event {
            Event::Block(block) => {
                let number = self.next_number;
                self.next_number += 1;
                self.examining += 1;
                self.work.push_back(Work::Block(Staged {
                    number,
                    block: None,
                    examined: false,
                }));
                self.jobs.send(Job::Examine { number, block })?;
            }
            Event::Record(kind, payload) => self.work.push_back(Work::Record(kind, payload)),
            Event::Gap {
                last_sequence,
                began,
                reason,
            } => self.work.push_back(Work::Gap {
                last_sequence,
                began,
                reason,
            }),
            Event::Sync => {
                self.shared.sync_queued.store(false, Ordering::Release);
                self.sync_wanted = true;
            }
            Event::Finish => self.ending = Some(Ending::Finish),
            Event::Close => {
                self.ending.get_or_insert(Ending::Close);
            }
            Event::Examined { number, block } => self.examined(number, block),
            Event::WorkerLost => {
                self.worker_lost = true;
                return Err(JournalError::HelperGone);
            }
            Event::Written {
                ticket,
                block,
                result,
            } => return self.written(ticket, block, result),
            Event::Synced(result) => return self.synced(result),
            Event::Prepared(result) => {
                self.preparing = false;
                match result {
                    Ok(file) => self.sink.take_next_file(file),
                    Err(_) => {
                        // Not an error yet: the open segment still has room.
                        self.not_prepared = true;
                        self.sink.check_reserve();
                    }
                }
            }
        }
        Ok(())
    }

    fn examined(&mut self, number: u64, block: BlockBuffer) {
        self.examining -= 1;
        for work in &mut self.work {
            if let Work::Block(staged) = work
                && staged.number == number
            {
                staged.block = Some(block);
                staged.examined = true;
                return;
            }
        }
    }

    /// Closes what has been examined and hands it to the workers.
    fn place_work(&mut self) -> Result<(), JournalError> {
        while self.failed.is_none() {
            match self.work.front_mut() {
                Some(Work::Block(Staged {
                    block: Some(block),
                    examined: true,
                    ..
                })) => {
                    if self.sink.is_full(block) {
                        self.settle(true)?;
                        self.sink.seal()?;
                        self.not_prepared = false;
                        continue;
                    }
                    let placed = self.sink.place_frames(block)?;
                    let Some(Work::Block(Staged {
                        block: Some(block), ..
                    })) = self.work.pop_front()
                    else {
                        return Ok(());
                    };
                    let (number, last) = (placed.header.block_number, placed.header.last_sequence);
                    let ticket = self.enter(number, last, false, Kept::Frames(None));
                    self.writing += 1;
                    self.jobs.send(Job::Write {
                        ticket,
                        block,
                        alignment: placed.alignment,
                        file: placed.file,
                        offset: placed.offset,
                    })?;
                    self.prepare_next()?;
                }
                // It comes when it is examined.
                Some(Work::Block(_)) => return Ok(()),
                Some(Work::Record(..)) => self.place_record()?,
                Some(&mut Work::Gap {
                    last_sequence,
                    began,
                    reason,
                }) => {
                    self.settle(true)?;
                    self.sink.put_gap(last_sequence, began, reason)?;
                    self.work.pop_front();
                    // Release: pairs with the acquire in `Helper::gap`.
                    self.shared.gaps.fetch_sub(1, Ordering::Release);
                }
                None if self.sink.until_overdue().is_some_and(|rest| rest.is_zero()) => {
                    self.settle(true)?;
                    self.sink.seal()?;
                    self.not_prepared = false;
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes the record that is next. It is entered whatever comes of that: an error does not tell
    /// whether the disk has it.
    fn place_record(&mut self) -> Result<(), JournalError> {
        self.sink.begin_block()?;
        let Some(Work::Record(kind, payload)) = self.work.pop_front() else {
            return Ok(());
        };
        let number = self.sink.next_block();
        let last_sequence = self.sink.next_sequence().saturating_sub(1);
        let put = self.sink.put_record(kind, &payload);
        let kept = Kept::Record(kind, payload);
        self.enter(number, last_sequence, put.is_ok(), kept);
        put
    }

    /// Takes note of a block that has its place. Its ticket.
    fn enter(&mut self, number: u64, last_sequence: u64, written: bool, kept: Kept) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.entries.push_back(Entry {
            ticket,
            number,
            last_sequence,
            written,
            kept,
        });
        ticket
    }

    fn prepare_next(&mut self) -> Result<(), JournalError> {
        if self.preparing || self.not_prepared {
            return Ok(());
        }
        if let Some((storage, bytes)) = self.sink.wants_next_file() {
            self.preparing = true;
            self.jobs.send(Job::Prepare { storage, bytes })?;
        }
        Ok(())
    }

    fn written(
        &mut self,
        ticket: u64,
        block: BlockBuffer,
        result: WriteOutcome,
    ) -> Result<(), JournalError> {
        self.writing -= 1;
        let first = self.entries.front().map_or(ticket, |entry| entry.ticket);
        if let Some(entry) = self.entries.get_mut((ticket - first) as usize) {
            entry.kept = Kept::Frames(Some(block));
            entry.written = matches!(result, WriteOutcome::Done);
        }
        if let WriteOutcome::Failed(source) = result {
            return Err(io_error("write to", "the open segment")(source));
        }
        if self.failed.is_none()
            && let Some(last) = self.written_prefix().last()
        {
            let recorded = last.last_sequence;
            self.sink.positions().set_recorded(recorded);
        }
        Ok(())
    }

    /// The blocks that are written, and every one before them.
    fn written_prefix(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take_while(|entry| entry.written)
    }

    /// Blocks with a number below this are written: of frames, and the others between them.
    fn written_blocks(&self) -> u64 {
        let unwritten = self.entries.iter().find(|entry| !entry.written);
        unwritten.map_or_else(|| self.sink.next_block(), |entry| entry.number)
    }

    fn has_unsynced(&self) -> bool {
        self.entries.front().is_some_and(|entry| entry.written)
    }

    /// Starts a sync if one is due and none is under way; what is written meanwhile waits for the
    /// next one, all together.
    fn start_sync(&mut self) -> Result<(), JournalError> {
        if self.sync.is_some() || !self.has_unsynced() {
            self.sync_wanted &= self.sync.is_some() || self.writing > 0 || !self.work.is_empty();
            return Ok(());
        }
        let (mut blocks, mut records, mut bytes) = (0, 0, 0);
        for entry in self.written_prefix() {
            match &entry.kept {
                Kept::Frames(block) => {
                    blocks += 1;
                    bytes += block.as_ref().map_or(0, BlockBuffer::payload_bytes) as u64;
                }
                Kept::Record(..) => records += 1,
            }
        }
        let due = match self.sink.config().sync {
            SyncPolicy::EveryBlock => true,
            SyncPolicy::EveryBytes(limit) => bytes >= limit,
            SyncPolicy::EveryInterval(interval) => self.last_sync.elapsed() >= interval,
            SyncPolicy::OnlyAtClose => false,
        };
        // A block keeps its slot until it is durable: with few left that cannot wait.
        let pressed =
            blocks * 2 >= self.slots || self.give_back.is_empty() || records * 2 >= MAX_RECORDS;
        if !(due || pressed || self.sync_wanted) {
            return Ok(());
        }
        let Some(file) = self.sink.open_file() else {
            return Ok(());
        };
        self.sync = Some(SyncUnderWay {
            blocks: self.written_blocks(),
            sequence: self
                .written_prefix()
                .last()
                .map_or(0, |last| last.last_sequence),
        });
        self.sync_wanted &= self.writing > 0 || !self.work.is_empty();
        self.last_sync = Instant::now();
        self.jobs.send(Job::Sync { file })
    }

    fn synced(&mut self, result: io::Result<()>) -> Result<(), JournalError> {
        let made = self.sync.take();
        if let Err(source) = result {
            // The kernel may have dropped what was written: it counts no more.
            self.sink.note_failed_sync();
            return Err(io_error("sync", "the open segment")(source));
        }
        if let Some(made) = made
            && self.failed.is_none()
        {
            self.sink.note_durable(made.blocks, made.sequence);
            self.release(made.blocks);
        }
        Ok(())
    }

    /// Lets go of blocks with a number below `blocks`, which are durable.
    fn release(&mut self, blocks: u64) {
        while let Some(entry) = self.entries.front()
            && entry.number < blocks
            && entry.written
            && let Some(entry) = self.entries.pop_front()
        {
            self.let_go(entry.kept);
        }
    }

    /// Gives back the slot of a block that is durable, and makes room for another record.
    fn let_go(&self, kept: Kept) {
        match kept {
            Kept::Frames(Some(mut block)) => {
                block.clear();
                // Cannot be full: as many places as slots. The writer may be gone.
                let _ = self.give_back.try_send(block);
            }
            Kept::Frames(None) => {}
            Kept::Record(..) => {
                // Release: pairs with the acquire in `Helper::record`.
                self.shared.records.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Waits until no write and no sync is under way; with `durable`, makes all of it durable.
    fn settle(&mut self, durable: bool) -> Result<(), JournalError> {
        let mut first_error = None;
        while self.writing > 0 || self.sync.is_some() || self.preparing {
            let Ok(event) = self.queue.recv() else {
                return Err(JournalError::HelperGone);
            };
            if let Err(error) = self.take(event) {
                if self.worker_lost {
                    return Err(error);
                }
                first_error.get_or_insert(error);
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        if durable && !self.entries.is_empty() {
            self.sink.sync()?;
            self.last_sync = Instant::now();
            self.release(u64::MAX);
        }
        Ok(())
    }

    /// After an error: raises the alarm, waits to be told to go on, opens the journal again and
    /// puts what is not on disk back in front. False: the writer is closing, and it failed, or a
    /// worker is lost, and nothing can be settled any more.
    fn recover(&mut self) -> bool {
        let Some(error) = self.failed.take() else {
            return true;
        };
        self.failed = Some(JournalError::HelperGone);
        let _ = self.settle(false);
        self.failed = None;
        if self.worker_lost {
            // A block went with it: to write on behind that would leave a hole.
            return false;
        }
        let shared = Arc::clone(&self.shared);
        let (mut error, mut held) = (Some(error), u64::MAX);
        let went_on = shared.control.insist(|| {
            let outcome = match error.take() {
                Some(error) => Err(error),
                None => self.reopen(&mut held),
            };
            if let Err(error) = &outcome {
                let errno = error.host_error().and_then(io::Error::raw_os_error);
                let now = (self.sink.config().clock)();
                self.sink.positions().set_alarm(error.alarm(), errno, now);
            }
            outcome
        });
        if went_on {
            let now = (self.sink.config().clock)();
            self.sink
                .positions()
                .set_alarm(AlarmState::Clear, None, now);
            self.sink.check_reserve();
        }
        went_on
    }

    /// Opens the journal again, and puts what the disk does not hold back in front. `held` is what
    /// [`Sink::reopen`] found it to hold when this was tried before.
    fn reopen(&mut self, held: &mut u64) -> Result<(), JournalError> {
        self.sink.reopen(held)?;
        self.jobs.try_writes_again();
        self.not_prepared = false;
        // What the disk holds is durable now; the rest comes again, before what came since. Numbers
        // tell, of records too: only what was placed here can follow on what was durable.
        while let Some(entry) = self.entries.pop_back() {
            match entry.kept {
                kept if entry.number < *held => self.let_go(kept),
                Kept::Frames(None) => {}
                Kept::Frames(block) => {
                    let number = self.next_number;
                    self.next_number += 1;
                    self.work.push_front(Work::Block(Staged {
                        number,
                        block,
                        examined: true,
                    }));
                }
                Kept::Record(kind, payload) => {
                    self.work.push_front(Work::Record(kind, payload));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{JournalConfig, WriteMode};
    use crate::dictionary::Dictionary;
    use crate::identity::JournalIdentity;
    use crate::positions::JournalPositions;
    use crate::staging::SlotMemory;
    use crate::storage::MemoryStorage;
    use crate::writer::workers::done;
    use crossbeam_channel::bounded;
    use selvedge_fabric::frame::{Flags, FrameHeader};
    use std::sync::atomic::AtomicBool;

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    fn finished(job: Job) -> Event {
        done(job, &AtomicBool::new(false))
    }

    /// What the appender and the workers hold of a pipeline.
    struct Ends {
        events: Sender<Event>,
        free: Receiver<BlockBuffer>,
        work: Receiver<Job>,
    }

    fn pipeline(sync: SyncPolicy, slots: usize) -> (Pipeline, Ends) {
        let config = JournalConfig {
            block_bytes: 4096,
            block_alignment: 64,
            // Never full: sealing waits for the workers, which are not threads here.
            segment_bytes: 4 << 20,
            buffers: slots,
            sync,
            mode: WriteMode::HelperThread,
            clock: || 1,
            ..JournalConfig::default()
        };
        let sink = Sink::open(
            Arc::new(MemoryStorage::new()),
            &JournalIdentity::new("test", 1, 1).unwrap(),
            1,
            &Dictionary::default(),
            &config,
            JournalPositions::private(0),
        )
        .unwrap();
        let (events, queue) = bounded(2 * slots + 8);
        let (give_back, free) = bounded(slots);
        for _ in 0..slots {
            let slot = BlockBuffer::in_slot(SlotMemory::own(4096));
            assert!(give_back.try_send(slot).is_ok());
        }
        // One queue for all of it: the test does what the threads do, in an order of its own.
        let (jobs, work) = bounded(slots + 8);
        let jobs = Jobs {
            examine: jobs.clone(),
            write: jobs.clone(),
            other: jobs,
            write_failed: Arc::default(),
        };
        let shared = Arc::new(Shared::default());
        let pipeline = Pipeline::new(sink, queue, jobs, give_back, shared);
        let ends = Ends { events, free, work };
        (pipeline, ends)
    }

    fn push(block: &mut BlockBuffer, sequence: u64) {
        let descriptor = FrameHeader::descriptor_word(7, 1, 64, Flags::NONE);
        let header = FrameHeader::new(1, sequence, sequence, 3, sequence, descriptor);
        block.push_frame(&header, &[5; 64]);
    }

    fn record_waits(pipeline: &Pipeline) -> bool {
        let mut entries = pipeline.entries.iter();
        entries.any(|entry| matches!(entry.kept, Kept::Record(..)))
    }

    /// A sync covers a record only where every block before it is written.
    #[test]
    fn a_record_behind_a_block_that_is_being_written_is_not_called_durable() {
        let (mut pipeline, ends) = pipeline(SyncPolicy::EveryBlock, 8);
        for sequence in 1..=2 {
            let mut block = ends.free.recv().unwrap();
            push(&mut block, sequence);
            pipeline.take(Event::Block(block)).unwrap();
        }
        let record = Event::Record(BlockKind::Activity, Vec::new());
        pipeline.take(record).unwrap();
        pipeline.advance().unwrap();
        for _ in 0..2 {
            pipeline.take(finished(ends.work.recv().unwrap())).unwrap();
        }
        pipeline.advance().unwrap();
        let (first, second) = (ends.work.recv().unwrap(), ends.work.recv().unwrap());
        assert!(record_waits(&pipeline) && !pipeline.has_unsynced());
        for write in [first, second] {
            assert!(record_waits(&pipeline));
            pipeline.take(finished(write)).unwrap();
            pipeline.advance().unwrap();
            let sync = ends.work.try_recv().unwrap();
            assert!(matches!(sync, Job::Sync { .. }));
            pipeline.take(finished(sync)).unwrap();
        }
        assert!(!record_waits(&pipeline));
        assert_eq!(pipeline.sink.positions().durable(), 2);
        // Alone it makes a sync due, and once.
        let record = Event::Record(BlockKind::Activity, Vec::new());
        pipeline.take(record).unwrap();
        pipeline.advance().unwrap();
        pipeline
            .take(finished(ends.work.try_recv().unwrap()))
            .unwrap();
        pipeline.advance().unwrap();
        assert!(ends.work.is_empty() && !record_waits(&pipeline));
        assert_eq!(pipeline.sink.positions().durable(), 2);
    }

    /// Frames that do not follow on those before, for whatever reason, are an error: never a hole.
    #[test]
    fn a_block_behind_a_hole_is_not_placed() {
        let (mut pipeline, ends) = pipeline(SyncPolicy::EveryBlock, 2);
        let mut block = ends.free.recv().unwrap();
        push(&mut block, 2);
        pipeline.take(Event::Block(block)).unwrap();
        pipeline.take(finished(ends.work.recv().unwrap())).unwrap();
        let error = pipeline.advance().unwrap_err();
        let (expected, found) = match error {
            JournalError::OutOfSequence { expected, found } => (expected, found),
            other => panic!("{other}"),
        };
        assert_eq!((expected, found), (1, 2));
    }

    /// Appender, workers and helper take turns in an order drawn by `seed`. Whenever the helper
    /// has nothing left to take and the appender has no slot, something must be under way: else
    /// nobody would ever wake anybody again. How often the appender had no slot.
    fn nobody_waits_for_nobody(seed: u64) -> u32 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let slots = 2 + random.below(8) as usize;
        let sync = match seed % 4 {
            0 => SyncPolicy::OnlyAtClose,
            1 => SyncPolicy::EveryBytes(6_000),
            2 => SyncPolicy::EveryInterval(Duration::from_secs(3_600)),
            _ => SyncPolicy::EveryBlock,
        };
        let (mut pipeline, Ends { events, free, work }) = pipeline(sync, slots);
        let (mut held, mut under_way) = (None::<BlockBuffer>, Vec::new());
        let (mut sequence, mut waited) = (0, 0);
        for _ in 0..3_000 {
            match random.below(4) {
                0 => match &mut held {
                    None => held = free.try_recv().ok(),
                    Some(block) => {
                        sequence += 1;
                        push(block, sequence);
                        if !block.fits(96) || random.below(3) > 0 {
                            let block = held.take().unwrap();
                            assert!(events.try_send(Event::Block(block)).is_ok());
                        }
                    }
                },
                1 => under_way.extend(work.try_recv()),
                2 if !under_way.is_empty() => {
                    let at = random.below(under_way.len() as u64) as usize;
                    let event = finished(under_way.swap_remove(at));
                    assert!(events.try_send(event).is_ok());
                }
                _ => {
                    while let Ok(event) = pipeline.queue.try_recv() {
                        pipeline.take(event).unwrap();
                    }
                    pipeline.advance().unwrap();
                    if held.is_none() && free.is_empty() {
                        waited += 1;
                        assert!(pipeline.under_way(), "seed {seed}: all wait");
                    }
                }
            }
        }
        assert!(sequence > 100, "seed {seed}: {sequence}");
        waited
    }

    #[test]
    fn whoever_waits_for_a_slot_is_woken_in_whatever_order_things_happen() {
        let waited: u32 = (0..500).map(nobody_waits_for_nobody).sum();
        assert!(waited > 1_000, "{waited}");
    }
}

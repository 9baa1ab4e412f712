//! The appender's end of the helper thread: queues to it and back.

use super::control::Control;
use super::events::Event;
use super::pipeline::{MAX_GAPS, MAX_RECORDS, Pipeline};
use super::workers;
use crate::block::BlockBuffer;
use crate::error::{JournalError, io_error};
use crate::format::BlockKind;
use crate::positions::AlarmState;
use crate::recovery::JournalEnd;
use crate::sink::Sink;
use crate::staging::SlotMemory;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Orders and answers that may wait beside blocks, records and gaps: a few, each once.
const SPARE_EVENTS: usize = 32;

/// The most blocks examined at once: more cores than this a journal does not take.
const MAX_EXAMINING: usize = 4;

/// The appender's end.
pub(super) struct Helper {
    // Bounded, with room for every block there is, for as many records and gaps as are taken, and
    // for the rare rest: sending never waits, and fails only where the helper has ended.
    events: Sender<Event>,
    free: Receiver<BlockBuffer>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Option<JournalEnd>, JournalError>>>,
}

/// What both ends see.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) control: Control,
    pub(super) sync_queued: AtomicBool,
    /// Records that were taken and are not durable. The appender's end alone adds.
    pub(super) records: AtomicUsize,
    /// Gaps that were taken and have no place. The appender's end alone adds.
    pub(super) gaps: AtomicUsize,
}

impl Helper {
    /// Starts the threads and gives them the sink and the slots of staging.
    pub(super) fn start(sink: Sink, slots: Vec<SlotMemory>) -> Result<Self, JournalError> {
        let count = slots.len();
        let depth = sink.config().depth;
        let (events, queue) = bounded(2 * count + MAX_RECORDS + MAX_GAPS + SPARE_EVENTS);
        let (give_back, free) = bounded(count);
        for slot in slots {
            // Cannot fail: the queue holds them all and its other end is here.
            let _ = give_back.try_send(BlockBuffer::in_slot(slot));
        }
        let examine = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_EXAMINING);
        let counts = workers::Counts {
            examine,
            write: depth,
        };
        let (jobs, workers) = workers::start(&counts, count, &events)?;
        let shared = Arc::new(Shared::default());
        let pipeline = Pipeline::new(sink, queue, jobs, give_back, Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("journal-write".to_owned())
            .spawn(move || {
                let ended = pipeline.run();
                // The pipeline held the other end of their queue.
                for worker in workers {
                    let _ = worker.join();
                }
                ended
            })
            .map_err(io_error("start a thread for", "the journal"))?;
        Ok(Helper {
            events,
            free,
            shared,
            thread: Some(thread),
        })
    }

    #[inline]
    pub(super) fn check(&self) -> Result<(), JournalError> {
        self.shared.control.check()
    }

    #[inline]
    pub(super) fn in_trouble(&self) -> bool {
        self.shared.control.in_trouble()
    }

    /// A block that is not in use; `None` when all wait for the disk.
    pub(super) fn free_block(&mut self) -> Result<Option<BlockBuffer>, JournalError> {
        match self.free.try_recv() {
            Ok(block) => Ok(Some(block)),
            Err(TryRecvError::Empty) => Ok(None),
            // Nobody is left to give one back: to call that waiting would be for ever.
            Err(TryRecvError::Disconnected) => Err(JournalError::HelperGone),
        }
    }

    fn send(&self, event: Event) -> Result<(), JournalError> {
        self.events
            .try_send(event)
            .map_err(|_| JournalError::HelperGone)
    }

    pub(super) fn write(&mut self, block: BlockBuffer) -> Result<(), JournalError> {
        self.send(Event::Block(block))
    }

    /// Queues a record; false when too many wait already.
    pub(super) fn record(&self, kind: BlockKind, payload: Vec<u8>) -> bool {
        // Acquire: pairs with the release in `Pipeline::let_go`: its place in the queue is free.
        if self.shared.records.load(Ordering::Acquire) >= MAX_RECORDS {
            return false;
        }
        self.shared.records.fetch_add(1, Ordering::Relaxed);
        self.send(Event::Record(kind, payload)).is_ok()
    }

    /// Queues a gap; false when too many wait already.
    pub(super) fn gap(
        &self,
        last_sequence: u64,
        began: u64,
        reason: AlarmState,
    ) -> Result<bool, JournalError> {
        // Acquire: pairs with the release in `Pipeline::place_work`: its place in the queue is free.
        if self.shared.gaps.load(Ordering::Acquire) >= MAX_GAPS {
            return Ok(false);
        }
        self.shared.gaps.fetch_add(1, Ordering::Relaxed);
        self.send(Event::Gap {
            last_sequence,
            began,
            reason,
        })?;
        Ok(true)
    }

    pub(super) fn sync(&self) -> Result<(), JournalError> {
        if self.shared.sync_queued.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.send(Event::Sync)
    }

    pub(super) fn retry(&self) {
        self.shared.control.retry();
    }

    pub(super) fn finish(mut self) -> Result<JournalEnd, JournalError> {
        self.send(Event::Finish)?;
        self.close()?.ok_or(JournalError::HelperGone)
    }

    fn close(&mut self) -> Result<Option<JournalEnd>, JournalError> {
        self.shared.control.close();
        // Waits where the queue is full, so that it is not lost: the helper empties the queue, or
        // has ended, and then this is an error.
        let _ = self.events.send(Event::Close);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => {
                self.shared.control.check()?;
                ended
            }
            _ => Err(JournalError::HelperGone),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.close();
        }
    }
}

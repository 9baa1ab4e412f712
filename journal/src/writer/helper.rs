//! The thread that hashes, writes and syncs blocks, and the queues to it and back.

use super::control::Control;
use super::finish_sink;
use crate::block::BlockBuffer;
use crate::config::JournalConfig;
use crate::error::{JournalError, io_error};
use crate::recovery::JournalEnd;
use crate::sink::Sink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

enum Job {
    Write(BlockBuffer),
    Sync,
    Finish,
}

/// The writer's end.
pub(super) struct Helper {
    // Bounded, with room for every block there is, one sync and the finish: sending never waits.
    jobs: Option<SyncSender<Job>>,
    free: Receiver<BlockBuffer>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Option<JournalEnd>, JournalError>>>,
}

#[derive(Default)]
struct Shared {
    control: Control,
    sync_queued: AtomicBool,
}

impl Helper {
    /// Starts the thread and gives it the sink.
    pub(super) fn start(sink: Sink, config: &JournalConfig) -> Result<Self, JournalError> {
        let (jobs, queue) = sync_channel(config.buffers + 2);
        let (give_back, free) = sync_channel(config.buffers);
        for _ in 0..config.buffers {
            // Cannot fail: the queue holds them all and its other end is here.
            let _ = give_back.try_send(BlockBuffer::new(config.block_bytes));
        }
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("journal-write".to_owned())
            .spawn(move || run(sink, &queue, &give_back, &theirs))
            .map_err(io_error("start a thread for", "the journal"))?;
        Ok(Helper {
            jobs: Some(jobs),
            free,
            shared,
            thread: Some(thread),
        })
    }

    #[inline]
    pub(super) fn check(&self) -> Result<(), JournalError> {
        self.shared.control.check()
    }

    /// A block that is not in use; `None` when all wait for the disk.
    pub(super) fn free_block(&mut self) -> Option<BlockBuffer> {
        self.free.try_recv().ok()
    }

    fn send(&self, job: Job) -> Result<(), JournalError> {
        self.jobs
            .as_ref()
            .and_then(|jobs| jobs.try_send(job).ok())
            .ok_or(JournalError::HelperGone)
    }

    pub(super) fn write(&mut self, block: BlockBuffer) -> Result<(), JournalError> {
        self.send(Job::Write(block))
    }

    pub(super) fn sync(&self) -> Result<(), JournalError> {
        if self.shared.sync_queued.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.send(Job::Sync)
    }

    pub(super) fn retry(&self) {
        self.shared.control.retry();
    }

    pub(super) fn finish(mut self) -> Result<JournalEnd, JournalError> {
        self.send(Job::Finish)?;
        self.close()?.ok_or(JournalError::HelperGone)
    }

    fn close(&mut self) -> Result<Option<JournalEnd>, JournalError> {
        self.shared.control.close();
        self.jobs = None;
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

/// The thread: ends when told to finish, or when the writer is gone and the queue empty.
fn run(
    mut sink: Sink,
    queue: &Receiver<Job>,
    give_back: &SyncSender<BlockBuffer>,
    shared: &Shared,
) -> Result<Option<JournalEnd>, JournalError> {
    let control = &shared.control;
    loop {
        let job = match sink.next_sync() {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => queue.recv_timeout(wait),
        };
        let went_on = match job {
            Ok(Job::Write(mut block)) => {
                let written = control.insist(|| sink.write_frames(&mut block));
                block.clear();
                // Cannot be full: as many places as blocks. The writer may be gone.
                let _ = give_back.try_send(block);
                written && control.insist(|| sink.sync_if_due())
            }
            Ok(Job::Sync) => {
                shared.sync_queued.store(false, Ordering::Release);
                control.insist(|| sink.sync())
            }
            Ok(Job::Finish) => return finish_sink(sink).map(Some),
            Err(RecvTimeoutError::Timeout) => control.insist(|| sink.sync_if_due()),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        };
        if !went_on {
            return Ok(None);
        }
    }
}

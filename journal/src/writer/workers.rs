//! The threads that wait for the disk and examine blocks, so that nobody else does.

use super::events::{Event, WriteOutcome};
use crate::block::BlockBuffer;
use crate::error::{JournalError, io_error};
use crate::format::TEMPORARY_NAME;
use crate::storage::{Storage, StorageFile, write_all};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A sync and a new segment's file, at most one of each at a time.
const OTHERS: usize = 2;

/// Something that takes time.
pub(super) enum Job {
    /// Compute what does not depend on a block's place.
    Examine { number: u64, block: BlockBuffer },
    /// Write a closed block.
    Write {
        ticket: u64,
        block: BlockBuffer,
        alignment: usize,
        file: Arc<dyn StorageFile>,
        offset: u64,
    },
    /// Make everything written to the file durable.
    Sync { file: Arc<dyn StorageFile> },
    /// Make and reserve the next segment's file.
    Prepare {
        storage: Arc<dyn Storage>,
        bytes: u64,
    },
}

/// The queues of the workers, one a kind of work. Each has a place for whatever there can be of
/// its kind: how much is done at once is how many threads take from it. So a thread that gets a core
/// finds as much as it can do, and waits for nobody in between: where cores are few and busy, each
/// such wait takes milliseconds.
pub(super) struct Jobs {
    pub(super) examine: Sender<Job>,
    pub(super) write: Sender<Job>,
    /// Syncs and new files.
    pub(super) other: Sender<Job>,
    /// A write has failed: those that wait behind it are not tried.
    pub(super) write_failed: Arc<AtomicBool>,
}

impl Jobs {
    /// Puts it into the queue of its kind.
    pub(super) fn send(&self, job: Job) -> Result<(), JournalError> {
        let queue = match job {
            Job::Examine { .. } => &self.examine,
            Job::Write { .. } => &self.write,
            Job::Sync { .. } | Job::Prepare { .. } => &self.other,
        };
        queue.try_send(job).map_err(|_| JournalError::HelperGone)
    }

    /// Lets writes be tried again. None may be under way.
    pub(super) fn try_writes_again(&self) {
        self.write_failed.store(false, Ordering::Relaxed);
    }
}

/// How many threads take from each of the queues.
pub(super) struct Counts {
    pub(super) examine: usize,
    pub(super) write: usize,
}

/// Starts the threads, and makes queues for so many blocks. Each thread ends when the senders are
/// dropped.
pub(super) fn start(
    counts: &Counts,
    blocks: usize,
    events: &Sender<Event>,
) -> Result<(Jobs, Vec<JoinHandle<()>>), JournalError> {
    let mut threads = Vec::new();
    let write_failed = Arc::new(AtomicBool::new(false));
    let mut queue = |name: &str, count: usize, places: usize| -> Result<_, JournalError> {
        let (sender, jobs) = bounded(places);
        for number in 0..count {
            let (jobs, events) = (jobs.clone(), events.clone());
            let write_failed = Arc::clone(&write_failed);
            let thread = thread::Builder::new()
                .name(format!("journal-{name}-{number}"))
                .spawn(move || work(&jobs, &events, &write_failed))
                .map_err(io_error("start a thread for", "the journal"))?;
            threads.push(thread);
        }
        Ok(sender)
    };
    let jobs = Jobs {
        examine: queue("hash", counts.examine, blocks)?,
        write: queue("disk", counts.write, blocks)?,
        other: queue("sync", OTHERS, OTHERS)?,
        write_failed: Arc::clone(&write_failed),
    };
    Ok((jobs, threads))
}

/// Tells of a worker's end when that is a panic: whoever waits for it would wait for ever.
struct TellPanic<'a>(&'a Sender<Event>);

impl Drop for TellPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nobody waits where the other end is gone.
            let _ = self.0.send(Event::WorkerLost);
        }
    }
}

fn work(jobs: &Receiver<Job>, events: &Sender<Event>, write_failed: &AtomicBool) {
    let _tell = TellPanic(events);
    for job in jobs {
        if events.send(done(job, write_failed)).is_err() {
            return;
        }
    }
}

/// Does it, and says what came of it.
pub(super) fn done(job: Job, write_failed: &AtomicBool) -> Event {
    match job {
        Job::Examine { number, mut block } => {
            block.examine();
            Event::Examined { number, block }
        }
        Job::Write {
            ticket,
            block,
            alignment,
            file,
            offset,
        } => {
            let result = if write_failed.load(Ordering::Relaxed) {
                WriteOutcome::NotTried
            } else {
                match write_all(&*file, block.closed_bytes(alignment), offset) {
                    Ok(()) => WriteOutcome::Done,
                    Err(error) => {
                        write_failed.store(true, Ordering::Relaxed);
                        WriteOutcome::Failed(error)
                    }
                }
            };
            Event::Written {
                ticket,
                block,
                result,
            }
        }
        Job::Sync { file } => Event::Synced(file.sync()),
        Job::Prepare { storage, bytes } => Event::Prepared(storage.create(TEMPORARY_NAME, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockPlace;
    use crate::format::BlockKind;
    use crate::storage::{Faults, MemoryStorage};

    /// Of several writes under way at once, those behind one that failed do not touch the file: it
    /// is cut where that one was to be.
    #[test]
    fn writes_behind_one_that_failed_wait_until_they_are_tried_again() {
        let storage = MemoryStorage::new();
        let file: Arc<dyn StorageFile> = storage.create("file", 4096).unwrap().into();
        let (sender, _) = bounded(0);
        let jobs = Jobs {
            examine: sender.clone(),
            write: sender.clone(),
            other: sender,
            write_failed: Arc::default(),
        };
        let write = |ticket: u64| {
            let mut block = BlockBuffer::new(512);
            block.set_payload(&[7; 64], 1, 0);
            let offset = ticket * 512;
            block.close(&BlockPlace {
                kind: BlockKind::Activity,
                block_number: ticket,
                segment_number: 1,
                offset,
                durable_blocks: 0,
                previous_hash: [0; 32],
                alignment: 512,
            });
            let job = Job::Write {
                ticket,
                block,
                alignment: 512,
                file: Arc::clone(&file),
                offset,
            };
            match done(job, &jobs.write_failed) {
                Event::Written { ticket, result, .. } => (ticket, result),
                _ => panic!("a write is answered as one"),
            }
        };
        storage.set_faults(Faults {
            writes_left: Some(0),
            ..Faults::default()
        });
        assert!(matches!(write(0), (0, WriteOutcome::Failed(_))));
        // The disk would take them now.
        storage.set_faults(Faults::default());
        for ticket in 1..3 {
            let (told, result) = write(ticket);
            assert!(told == ticket && matches!(result, WriteOutcome::NotTried));
        }
        assert_eq!(storage.content("file").unwrap(), [0; 4096]);
        jobs.try_writes_again();
        for ticket in 0..3 {
            let (told, result) = write(ticket);
            assert!(told == ticket && matches!(result, WriteOutcome::Done));
        }
        let content = storage.content("file").unwrap();
        let begun = content.chunks(512).take_while(|block| block[0] != 0);
        assert_eq!(begun.count(), 3);
    }
}

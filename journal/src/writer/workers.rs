//! The threads that wait for the disk and examine blocks, so that nobody else does.

use super::events::Event;
use crate::block::BlockBuffer;
use crate::error::{JournalError, io_error};
use crate::format::TEMPORARY_NAME;
use crate::storage::{Storage, StorageFile, write_all};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

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

/// Starts `count` threads; each ends when the other end of `jobs` is dropped.
pub(super) fn start(
    count: usize,
    jobs: &Receiver<Job>,
    events: &Sender<Event>,
) -> Result<Vec<JoinHandle<()>>, JournalError> {
    (0..count)
        .map(|number| {
            let (jobs, events) = (jobs.clone(), events.clone());
            thread::Builder::new()
                .name(format!("journal-disk-{number}"))
                .spawn(move || work(&jobs, &events))
                .map_err(io_error("start a thread for", "the journal"))
        })
        .collect()
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

fn work(jobs: &Receiver<Job>, events: &Sender<Event>) {
    let _tell = TellPanic(events);
    for job in jobs {
        if events.send(done(job)).is_err() {
            return;
        }
    }
}

/// Does it, and says what came of it.
pub(super) fn done(job: Job) -> Event {
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
            let result = write_all(&*file, block.closed_bytes(alignment), offset);
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

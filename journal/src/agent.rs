//! The journal as an agent of the fabric: reads the stream as a gating consumer and appends it.

use crate::{
    Append, Dictionary, JournalConfig, JournalEnd, JournalError, JournalIdentity, JournalPositions,
    JournalWriter, Result,
};
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_fabric::frame::system::EndOfStream;
use selvedge_fabric::message::Message;
use selvedge_fabric::{Consumer, Fabric, PendingConsumer, Start};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// The name under which the journal reads the stream.
pub const JOURNAL_CONSUMER: &str = "journal";

/// Frames taken in one step.
const RUN: usize = 256;

/// How long frames may wait in a block that is not full.
const FLUSH_AFTER: Duration = Duration::from_millis(1);

/// Writes the stream of a fabric into a journal.
///
/// Frames are copied once, into the writer's block, and the ring is released at once. When the
/// disk does not keep up, the agent stops reading, the stream fills, and producers wait: nothing
/// is lost.
pub struct JournalAgent {
    writer: Option<JournalWriter>,
    positions: JournalPositions,
    reading: Reading,
    message_limit: usize,
    ended: bool,
    unflushed_since: Option<Instant>,
    frames: u64,
    waited: u64,
    end: Option<JournalEnd>,
}

enum Reading {
    Pending(PendingConsumer),
    Attached(Consumer),
}

impl JournalAgent {
    /// An agent that writes the stream of `fabric` into `directory`: from its oldest frame on for
    /// a new journal, from where it ends for one that is there.
    ///
    /// # Errors
    ///
    /// Those of [`JournalWriter::open`], and of attaching a consumer.
    pub fn new(fabric: &Fabric, directory: &Path, config: &JournalConfig) -> Result<Self> {
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
        let oldest = fabric.oldest_sequence();
        let writer = JournalWriter::open(directory, &identity, oldest, &dictionary, config)?;
        let start = match writer.next_sequence() {
            next if next == oldest => Start::Oldest,
            next => Start::Sequence(next),
        };
        let pending = fabric
            .consumer(JOURNAL_CONSUMER)
            .start(start)
            .essential()
            .begin()
            .map_err(JournalError::Fabric)?;
        Ok(JournalAgent {
            positions: writer.positions(),
            writer: Some(writer),
            reading: Reading::Pending(pending),
            message_limit: control.message_limit(),
            ended: false,
            unflushed_since: None,
            frames: 0,
            waited: 0,
            end: None,
        })
    }

    /// How far the journal is recorded and durable.
    pub fn positions(&self) -> JournalPositions {
        self.positions.clone()
    }

    /// Frames written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Steps in which the disk did not keep up and the stream had to wait.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// Where the journal ended, once the agent has finished.
    pub fn end(&self) -> Option<&JournalEnd> {
        self.end.as_ref()
    }

    /// Takes frames. How many.
    fn read(&mut self) -> Result<usize> {
        let (Reading::Attached(consumer), Some(writer)) = (&mut self.reading, &mut self.writer)
        else {
            return Ok(0);
        };
        // Room for the longest message is looked for before each frame, so that a frame once
        // read is always taken.
        if !writer.has_room(self.message_limit)? {
            self.waited += 1;
            return Ok(0);
        }
        let (limit, mut failed, mut ended) = (self.message_limit, None, false);
        let read = consumer
            .poll_while(RUN, |frame| {
                let header = *frame.header();
                let stored = header.with_flags(selvedge_fabric::frame::Flags::NONE);
                let appended =
                    writer
                        .append(&stored, frame.payload())
                        .and_then(|append| match append {
                            Append::Done => writer.has_room(limit),
                            Append::WouldBlock => Err(JournalError::PromiseBroken {
                                sequence: header.sequence(),
                            }),
                        });
                ended = header.source() == 0 && header.message_type() == EndOfStream::TYPE;
                match appended {
                    Ok(true) if !ended => ControlFlow::Continue(()),
                    Ok(_) => ControlFlow::Break(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
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

    fn step(&mut self) -> Result<Progress> {
        if let Reading::Pending(pending) = &mut self.reading {
            return match pending.poll().map_err(JournalError::Fabric)? {
                Some(consumer) => {
                    self.reading = Reading::Attached(consumer);
                    Ok(Progress::Worked)
                }
                None => Ok(Progress::Idle),
            };
        }
        let read = self.read()?;
        if self.ended
            && let Some(writer) = self.writer.take()
        {
            self.end = Some(writer.finish()?);
            return Ok(Progress::Finished);
        }
        if read > 0 {
            self.unflushed_since.get_or_insert_with(Instant::now);
        } else if let Some(since) = self.unflushed_since
            && since.elapsed() >= FLUSH_AFTER
            && let Some(writer) = &mut self.writer
        {
            writer.flush()?;
            self.unflushed_since = None;
        }
        Ok(Progress::of(read))
    }
}

impl Agent for JournalAgent {
    fn name(&self) -> &str {
        JOURNAL_CONSUMER
    }

    fn do_work(&mut self) -> std::result::Result<Progress, AgentError> {
        Ok(self.step()?)
    }
}

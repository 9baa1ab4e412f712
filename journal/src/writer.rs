//! Appending to a journal without ever waiting for the disk.

mod control;
mod events;
mod helper;
mod pipeline;
mod workers;

use crate::block::BlockBuffer;
use crate::config::{JournalConfig, WriteMode};
use crate::dictionary::Dictionary;
use crate::error::{JournalError, io_error};
use crate::format::{BLOCK_HEADER_BYTES, frame_bytes_on_disk};
use crate::frames::frame_at;
use crate::identity::JournalIdentity;
use crate::positions::{AlarmState, JournalPositions};
use crate::record::Record;
use crate::recovery::JournalEnd;
use crate::roll::Roll;
use crate::sink::Sink;
use crate::staging::{Staging, StagingLayout, StagingView, staged_runs};
use crate::storage::{DirectoryStorage, Storage};
use crate::tail::Tail;
use helper::Helper;
use selvedge_fabric::frame::{FrameHeader, MAX_SEQUENCE};
use std::path::Path;
use std::sync::Arc;

/// The file of [`JournalPositions`] in the journal's shared directory.
pub const POSITIONS_FILE: &str = "positions";

/// The file of staging in the journal's shared directory.
pub const STAGING_FILE: &str = "staging";

/// What became of a frame given to [`JournalWriter::append`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a frame that was not taken must be given again"]
pub enum Append {
    /// The frame was copied; its memory may be reused.
    Done,
    /// All buffers wait for the disk: nothing was taken. Give the same frame again later.
    WouldBlock,
}

/// Writes a journal. One writer at a time per directory.
///
/// Frames are copied into a block in memory; a full or flushed block goes to the helper thread,
/// which hashes, writes and syncs it while the next one fills. Appending allocates nothing and,
/// with a helper thread, makes no system call except to wake it once a block.
///
/// Dropping the writer writes what was appended but neither syncs nor seals; only
/// [`JournalWriter::finish`] tells whether all went well.
pub struct JournalWriter {
    staging: Option<BlockBuffer>,
    next_sequence: u64,
    last_timestamp: u64,
    largest_frame: usize,
    roll: Roll,
    /// Where the period of the last frame ends.
    roll_at: u64,
    positions: JournalPositions,
    back: Back,
    taken_from_staging: u64,
    storage: Arc<dyn Storage>,
}

enum Back {
    Inline(Box<Sink>),
    Helper(Helper),
    Closed,
}

impl JournalWriter {
    /// Opens the journal in `directory`, which is created if it is not there.
    ///
    /// A new journal begins at `start_sequence` (from 1). An existing one goes on behind its last
    /// frame, whatever `start_sequence` is: ask [`Self::next_sequence`]. If its writer died, what
    /// it left incomplete is cut, and a Recovery block says so. `dictionary` is what is known
    /// already about types, sources and topics; the rest is learnt from the stream.
    ///
    /// # Errors
    /// [`JournalError::Setting`] for a configuration out of range, [`JournalError::InUse`] when
    /// another writer has the directory, [`JournalError::OtherFabric`] and
    /// [`JournalError::OlderLife`] when it is not this fabric's, [`JournalError::Damaged`] when
    /// the last segment is damaged otherwise than by a crash: nothing is cut then.
    pub fn open(
        directory: &Path,
        identity: &JournalIdentity,
        start_sequence: u64,
        dictionary: &Dictionary,
        config: &JournalConfig,
    ) -> Result<Self, JournalError> {
        let name = directory.display().to_string();
        let storage = DirectoryStorage::create(directory).map_err(io_error("create", &name))?;
        Self::open_in(
            Arc::new(storage),
            identity,
            start_sequence,
            dictionary,
            config,
        )
    }

    /// As [`Self::open`], in any storage.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(
        storage: Arc<dyn Storage>,
        identity: &JournalIdentity,
        start_sequence: u64,
        dictionary: &Dictionary,
        config: &JournalConfig,
    ) -> Result<Self, JournalError> {
        config.check()?;
        if !(1..=MAX_SEQUENCE).contains(&start_sequence) {
            return Err(JournalError::Setting {
                name: "start sequence",
                value: start_sequence,
                allowed: "1 to 281474976710655",
            });
        }
        let shared = config.shared.as_deref();
        let positions = match shared {
            Some(directory) => {
                JournalPositions::shared(&directory.join(POSITIONS_FILE), identity.fabric_id)?
            }
            None => JournalPositions::private(start_sequence - 1),
        };
        let mut sink = Sink::open(
            Arc::clone(&storage),
            identity,
            start_sequence,
            dictionary,
            config,
            positions.clone(),
        )?;
        let slots = match config.mode {
            WriteMode::Inline => 1,
            WriteMode::HelperThread => config.buffers,
        };
        let layout = StagingLayout {
            slots,
            slot_bytes: config.block_bytes,
        };
        let (staging, taken_from_staging) = match shared {
            Some(directory) => {
                let path = directory.join(STAGING_FILE);
                let taken = take_over(&mut sink, &path, identity)?;
                (Staging::shared(&path, layout, identity)?, taken)
            }
            None => (Staging::private(layout)?, 0),
        };
        let mut staging = staging.into_slots();
        let next_sequence = sink.next_sequence();
        let last_timestamp = sink.last_timestamp();
        let roll = Roll::new(config.roll_every);
        let (staging, back) = match config.mode {
            WriteMode::Inline => (
                staging.pop().map(BlockBuffer::in_slot),
                Back::Inline(Box::new(sink)),
            ),
            WriteMode::HelperThread => (None, Back::Helper(Helper::start(sink, staging)?)),
        };
        Ok(JournalWriter {
            staging,
            next_sequence,
            last_timestamp,
            largest_frame: config.block_bytes - BLOCK_HEADER_BYTES,
            roll,
            roll_at: roll.end_of_period(last_timestamp),
            positions,
            back,
            taken_from_staging,
            storage,
        })
    }

    /// What a person should know about how files are written here; `None` when there is nothing.
    pub fn note(&self) -> Option<String> {
        self.storage.note()
    }

    /// Frames that a writer which died had taken and not yet put on disk: found in staging when
    /// this one opened the journal, and on disk since.
    pub fn taken_from_staging(&self) -> u64 {
        self.taken_from_staging
    }

    /// Writes a record that belongs beside the stream: of kind Clock or Activity. With a helper
    /// thread it is written soon; false when too many wait already. It becomes durable as frames
    /// do, whether any come or not; but it does not count for [`SyncPolicy::EveryBytes`]. With a
    /// helper thread it is kept until then, and written again after any error of the disk; at most
    /// 64 wait like this, and from 32 on they are synced whatever the policy. Inline it is not
    /// kept: see [`Self::retry`].
    ///
    /// [`SyncPolicy::EveryBytes`]: crate::SyncPolicy::EveryBytes
    ///
    /// # Errors
    /// [`JournalError::Stopped`], or inline the disk's error itself.
    pub fn record(&mut self, record: &Record) -> Result<bool, JournalError> {
        let (kind, payload) = record.encode();
        self.flush()?;
        match &mut self.back {
            Back::Inline(sink) => {
                sink.put_record(kind, &payload)?;
                sink.sync_if_due()?;
                Ok(true)
            }
            Back::Helper(helper) => Ok(helper.record(kind, payload)),
            Back::Closed => Ok(false),
        }
    }

    /// Leaves out the frames from the next one to `last_sequence`, and says so in the journal:
    /// the writer was stopped since `began` for this `reason` and could not hold the fabric back.
    /// False when 32 wait for the helper thread already: nothing was left out, declare it again
    /// later.
    ///
    /// # Errors
    /// [`JournalError::OutOfSequence`] when nothing would be left out, and as [`Self::flush`].
    pub fn declare_gap(
        &mut self,
        last_sequence: u64,
        began: u64,
        reason: AlarmState,
    ) -> Result<bool, JournalError> {
        if !(self.next_sequence..=MAX_SEQUENCE).contains(&last_sequence) {
            return Err(JournalError::OutOfSequence {
                expected: self.next_sequence,
                found: last_sequence,
            });
        }
        self.flush()?;
        let taken = match &mut self.back {
            Back::Inline(sink) => {
                sink.put_gap(last_sequence, began, reason)?;
                true
            }
            Back::Helper(helper) => helper.gap(last_sequence, began, reason)?,
            Back::Closed => false,
        };
        if taken {
            self.next_sequence = last_sequence + 1;
        }
        Ok(taken)
    }

    /// The sequence that [`Self::append`] takes next.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// How far the journal is recorded and durable; can be handed to any thread.
    pub fn positions(&self) -> JournalPositions {
        self.positions.clone()
    }

    /// Appends one frame: copies header and payload, clears the header's `EXTERNAL` flag.
    ///
    /// # Errors
    /// - [`JournalError::OutOfSequence`], [`JournalError::TimestampDecreased`],
    ///   [`JournalError::LengthMismatch`], [`JournalError::FrameTooLarge`]: the frame is refused,
    ///   the writer goes on as if it had not been given.
    /// - [`JournalError::Stopped`], or inline the disk's error itself: the frame was not taken;
    ///   [`Self::retry`] once there is space again.
    #[inline]
    pub fn append(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<Append, JournalError> {
        if header.sequence() != self.next_sequence
            || header.length() != payload.len()
            || header.timestamp() < self.last_timestamp
        {
            return Err(self.refuse(header, payload));
        }
        if header.timestamp() >= self.roll_at {
            self.begin_period(header.timestamp());
        }
        let bytes = frame_bytes_on_disk(payload.len());
        if !self.make_room(bytes, header.sequence())? {
            return Ok(Append::WouldBlock);
        }
        let Some(staging) = &mut self.staging else {
            return Ok(Append::WouldBlock);
        };
        staging.push_frame(header, payload);
        self.next_sequence += 1;
        self.last_timestamp = header.timestamp();
        Ok(Append::Done)
    }

    /// The next frame is of another period: the block that is being filled ends here, so that the
    /// segment can. Where there is no other block at once it goes on: room that
    /// [`Self::has_room`] has promised stays.
    #[cold]
    fn begin_period(&mut self, timestamp: u64) {
        self.roll_at = self.roll.end_of_period(timestamp);
        if self.staging.as_ref().is_none_or(BlockBuffer::is_empty) {
            return;
        }
        match &mut self.back {
            Back::Helper(helper) => {
                if let Ok(Some(next)) = helper.free_block()
                    && let Some(full) = self.staging.replace(next)
                {
                    // Cannot be refused: there is a place for every block. The thread's end is
                    // told by the next call.
                    let _ = helper.write(full);
                }
            }
            // After an error the block stays, and the next call tells it.
            Back::Inline(_) => {
                let _ = self.hand_over();
            }
            Back::Closed => {}
        }
    }

    #[cold]
    fn refuse(&self, header: &FrameHeader, payload: &[u8]) -> JournalError {
        let sequence = header.sequence();
        if sequence != self.next_sequence {
            JournalError::OutOfSequence {
                expected: self.next_sequence,
                found: sequence,
            }
        } else if header.length() != payload.len() {
            JournalError::LengthMismatch {
                sequence,
                stated: header.length(),
                given: payload.len(),
            }
        } else {
            JournalError::TimestampDecreased {
                sequence,
                previous: self.last_timestamp,
                found: header.timestamp(),
            }
        }
    }

    /// Whether the disk works and a frame with this much payload would be taken now. If so, the
    /// next [`Self::append`] of one takes it, whatever happens to the disk in between. False, too,
    /// while an error is tried again and not overcome.
    ///
    /// # Errors
    /// [`JournalError::Stopped`], at once and not only where the block that is being filled has
    /// no room left, or inline the disk's error itself; [`JournalError::FrameTooLarge`].
    #[inline]
    pub fn has_room(&mut self, payload_bytes: usize) -> Result<bool, JournalError> {
        if let Back::Helper(helper) = &self.back
            && helper.in_trouble()
        {
            return helper.check().map(|()| false);
        }
        self.make_room(frame_bytes_on_disk(payload_bytes), self.next_sequence)
    }

    /// Provides a staging block with room for `bytes`; false when all wait for the disk.
    #[inline]
    fn make_room(&mut self, bytes: usize, sequence: u64) -> Result<bool, JournalError> {
        match &self.staging {
            Some(staging) if staging.fits(bytes) => Ok(true),
            _ => self.next_block(bytes, sequence),
        }
    }

    #[cold]
    fn next_block(&mut self, bytes: usize, sequence: u64) -> Result<bool, JournalError> {
        if bytes > self.largest_frame {
            return Err(JournalError::FrameTooLarge {
                sequence,
                bytes,
                limit: self.largest_frame,
            });
        }
        if let Back::Helper(helper) = &self.back {
            helper.check()?;
        }
        self.hand_over()?;
        if self.staging.is_none()
            && let Back::Helper(helper) = &mut self.back
        {
            self.staging = helper.free_block()?;
        }
        Ok(self.staging.is_some())
    }

    /// Gives the staging block, if anything is in it, to whoever writes it.
    fn hand_over(&mut self) -> Result<(), JournalError> {
        let Some(mut staging) = self.staging.take_if(|staging| !staging.is_empty()) else {
            return Ok(());
        };
        match &mut self.back {
            Back::Inline(sink) => {
                // After an error the block stays, and the next call tries again.
                let written = sink.write_frames(&mut staging);
                if written.is_ok() {
                    staging.clear();
                }
                self.staging = Some(staging);
                written?;
                sink.sync_if_due()
            }
            Back::Helper(helper) => helper.write(staging),
            Back::Closed => Ok(()),
        }
    }

    /// Closes the block and hands it over, so that the frames in it become `recorded` soon. To be
    /// called when the stream has nothing more at the moment. Does not wait for the disk.
    ///
    /// # Errors
    /// [`JournalError::Stopped`], or inline the disk's error itself.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        if let Back::Helper(helper) = &self.back {
            helper.check()?;
        }
        self.hand_over()?;
        match &mut self.back {
            Back::Inline(sink) => sink.sync_if_due(),
            _ => Ok(()),
        }
    }

    /// Flushes and asks for a sync, whatever the policy. With a helper thread this does not wait:
    /// [`JournalPositions::durable`] tells when it is done.
    ///
    /// # Errors
    /// [`JournalError::Stopped`], or inline the disk's error itself.
    pub fn request_sync(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        match &mut self.back {
            Back::Inline(sink) => sink.sync(),
            Back::Helper(helper) => helper.sync(),
            Back::Closed => Ok(()),
        }
    }

    /// After an error of the disk: tries again what failed.
    ///
    /// With a helper thread nothing appended is lost: the journal is opened again at what the disk
    /// holds, and written on from staging, after a failed sync too. Inline that holds for a failed
    /// write. After a failed sync the inline writer no longer has what was not durable: it cuts
    /// that off, goes back to behind [`JournalPositions::durable`], and
    /// [`JournalPositions::recorded`] with it; every frame from [`Self::next_sequence`] on must be
    /// appended again, and every record given again that was given since the last successful
    /// [`Self::request_sync`] and is not in the journal. Until then every call fails.
    ///
    /// # Errors
    /// Inline the disk's error itself; with a helper thread the next call reports it.
    pub fn retry(&mut self) -> Result<(), JournalError> {
        match &mut self.back {
            Back::Helper(helper) => {
                helper.retry();
                Ok(())
            }
            Back::Inline(sink) if sink.sync_failed() => {
                // There is nothing that could be written again.
                sink.reopen(&mut 0)?;
                if let Some(staging) = &mut self.staging {
                    staging.clear();
                }
                self.next_sequence = sink.next_sequence();
                self.last_timestamp = sink.last_timestamp();
                // The frames of a period that had begun may be gone, and come again.
                self.roll_at = self.roll.end_of_period(self.last_timestamp);
                self.positions.set_recorded(self.next_sequence - 1);
                Ok(())
            }
            _ => self.flush(),
        }
    }

    /// Writes and syncs everything, seals the last segment, and tells where the journal ends.
    /// Waits for the disk.
    ///
    /// # Errors
    /// What the disk says. The journal can then be opened again; what
    /// [`JournalPositions::recorded`] reported is in it.
    pub fn finish(mut self) -> Result<JournalEnd, JournalError> {
        self.flush()?;
        match std::mem::replace(&mut self.back, Back::Closed) {
            Back::Inline(sink) => finish_sink(*sink),
            Back::Helper(helper) => helper.finish(),
            Back::Closed => Err(JournalError::HelperGone),
        }
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // Best effort: an error here is one that `finish` would have told.
        let _ = self.flush();
    }
}

/// Takes what a writer that died left in the staging file at `path` beyond the end of the disk,
/// and makes it durable. How many frames.
fn take_over(
    sink: &mut Sink,
    path: &Path,
    identity: &JournalIdentity,
) -> Result<u64, JournalError> {
    // No file, or none of this version and fabric: nothing to take.
    let Some(view) = StagingView::open(path)
        .ok()
        .filter(|view| view.fabric_id() == identity.fabric_id)
    else {
        return Ok(0);
    };
    let mut taken = 0;
    for run in staged_runs(&view) {
        let next = sink.next_sequence();
        if run.last_sequence < next {
            continue;
        }
        if run.first_sequence > next {
            break;
        }
        let mut block = BlockBuffer::new(BLOCK_HEADER_BYTES + run.frames.len());
        let (mut at, mut sequence) = (0, run.first_sequence);
        let mut timestamp = 0;
        while let Ok(frame) = frame_at(&run.frames, at, sequence, timestamp) {
            timestamp = frame.header.timestamp();
            if sequence >= next {
                if timestamp < sink.last_timestamp() {
                    return Ok(taken);
                }
                block.push_frame(&frame.header, frame.payload);
                taken += 1;
            }
            at = frame.next;
            sequence += 1;
        }
        if !block.is_empty() {
            sink.write_frames(&mut block)?;
        }
    }
    if taken > 0 {
        sink.sync()?;
    }
    Ok(taken)
}

fn finish_sink(mut sink: Sink) -> Result<JournalEnd, JournalError> {
    sink.seal()?;
    sink.discard_next_file()?;
    let segments = sink.segments()?;
    let last_sequence = sink.next_sequence().saturating_sub(1);
    let last_timestamp = sink.last_timestamp();
    let head_hash = sink.head_hash();
    let (identity, dictionary, sources) = sink.into_state();
    Ok(JournalEnd {
        identity,
        last_sequence,
        last_timestamp,
        head_hash,
        segments,
        tail: Tail::Sealed,
        sources: sources.list().collect(),
        dictionary,
    })
}

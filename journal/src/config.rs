//! How a journal is written.

use crate::error::JournalError;
use crate::format::{MAX_BLOCK_ALIGNMENT, MAX_BLOCK_BYTES, MIN_BLOCK_ALIGNMENT};
use crate::roll::is_roll_interval;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When written blocks are made durable (`fdatasync`). Sealing a segment always syncs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncPolicy {
    /// After every block.
    EveryBlock,
    /// When at least this many bytes were written since the last time.
    EveryBytes(u64),
    /// When a block was written and this much time has passed since the last time. Inline, the
    /// time is looked at in `append`, `flush` and `sync_if_due` only.
    EveryInterval(Duration),
    /// Only when a segment is sealed, the journal finished, or a sync asked for.
    OnlyAtClose,
}

/// Which thread writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteMode {
    /// A helper thread hashes, writes and syncs; `append` never waits for the disk.
    HelperThread,
    /// The calling thread does it all: for deterministic single-thread stepping. It keeps nothing
    /// back for the case of a failed sync: see [`JournalWriter::retry`](crate::JournalWriter::retry).
    Inline,
}

/// What the journal does with the stream while the disk is full or fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenStopped {
    /// Holds the fabric back until the disk writes again: nothing is lost.
    HoldBack,
    /// Holds it back for a quarter of a second, in which most trouble is over. Then it lets the
    /// fabric go on and leaves out what comes, and says so: a Gap block with the exact range as
    /// soon as the disk writes again, or, of one that was killed before, by the next.
    DeclareGap,
}

/// How a journal is written. What lies on disk can be read whatever the configuration was.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Bytes of a full block, header included: a multiple of 4096, from 4096 to 32 MiB. The
    /// longest frame must fit: 224 bytes and its payload.
    pub block_bytes: usize,
    /// Blocks begin at multiples of this: a power of two from 64 to 4096. Below 4096 the journal
    /// takes less space when blocks are flushed early, but cannot be written with O_DIRECT.
    pub block_alignment: u32,
    /// Size at which a segment is sealed and the next one begun; reserved on disk ahead. From
    /// 64 KiB to 64 GiB. A segment always takes at least one block of frames.
    pub segment_bytes: u64,
    /// A segment is also sealed where the time stamps of its frames go beyond a multiple of this,
    /// counted from midnight UTC: no frame of the next period goes into it. A whole part of a day,
    /// from 1 s; `None` for by size alone. With a helper thread a segment is sealed a second after
    /// the end of its period even if no frame comes. Never without a frame. Only when the disk
    /// does not keep up, the few frames of the block that is just being filled may go beyond.
    pub roll_every: Option<Duration>,
    /// Slots of staging, a block each, 2 to 1024. A block keeps its slot until it is durable: half
    /// of them should hold what arrives during a sync.
    pub buffers: usize,
    /// Writes under way at once, 1 to 16, with a helper thread.
    pub depth: usize,
    /// Directory in shared memory for the files `staging` and `positions`: with it a writer that
    /// is killed loses nothing that it took. `None` keeps both in this process.
    pub shared: Option<PathBuf>,
    /// Space that should stay free on the file system once the next segment is reserved; below
    /// it the alarm [`SpaceLow`](crate::AlarmState::SpaceLow) is raised. 0 for none.
    pub reserve_bytes: u64,
    /// What to do with frames that cannot be written.
    pub when_stopped: WhenStopped,
    /// The bound of the host clock's error, nanoseconds; beyond it the journal records a breach and
    /// raises an alarm. 0 for none. MiFID II asks for 100,000.
    pub clock_bound_ns: u64,
    /// Signs the seals of segments.
    pub signer: Option<crate::Signer>,
    /// When written blocks are made durable.
    pub sync: SyncPolicy,
    /// Which thread writes.
    pub mode: WriteMode,
    /// The host's clock, UTC nanoseconds: asked when a segment is created or recovered.
    pub clock: fn() -> u64,
}

impl Default for JournalConfig {
    /// Blocks of 512 KiB aligned to 4096, segments of 256 MiB, 64 buffers (32 MiB), synced every 10 ms by
    /// a helper thread.
    fn default() -> Self {
        JournalConfig {
            block_bytes: 512 << 10,
            block_alignment: 4096,
            segment_bytes: 256 << 20,
            roll_every: None,
            buffers: 64,
            depth: 2,
            shared: None,
            reserve_bytes: 0,
            when_stopped: WhenStopped::HoldBack,
            clock_bound_ns: 0,
            signer: None,
            sync: SyncPolicy::EveryInterval(Duration::from_millis(10)),
            mode: WriteMode::HelperThread,
            clock: system_clock,
        }
    }
}

impl JournalConfig {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// [`JournalError::Setting`] names the first value that is out of range.
    pub fn check(&self) -> Result<(), JournalError> {
        let setting = |name, value, allowed, fits: bool| {
            if fits {
                Ok(())
            } else {
                Err(JournalError::Setting {
                    name,
                    value,
                    allowed,
                })
            }
        };
        setting(
            "block_bytes",
            self.block_bytes as u64,
            "a multiple of 4096 from 4096 to 33554432",
            self.block_bytes.is_multiple_of(4096)
                && (4096..=MAX_BLOCK_BYTES).contains(&self.block_bytes),
        )?;
        setting(
            "block_alignment",
            u64::from(self.block_alignment),
            "a power of two from 64 to 4096",
            self.block_alignment.is_power_of_two()
                && (MIN_BLOCK_ALIGNMENT..=MAX_BLOCK_ALIGNMENT).contains(&self.block_alignment),
        )?;
        setting(
            "segment_bytes",
            self.segment_bytes,
            "65536 to 68719476736",
            (64 << 10..=64 << 30).contains(&self.segment_bytes),
        )?;
        if let Some(every) = self.roll_every {
            setting(
                "roll_every",
                u64::try_from(every.as_nanos()).unwrap_or(u64::MAX),
                "nanoseconds that are a whole part of a day, from 1000000000 to 86400000000000",
                is_roll_interval(every),
            )?;
        }
        setting(
            "buffers",
            self.buffers as u64,
            "2 to 1024",
            (2..=1024).contains(&self.buffers),
        )?;
        setting(
            "depth",
            self.depth as u64,
            "1 to 16",
            (1..=16).contains(&self.depth),
        )
    }
}

pub(crate) fn system_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

//! The journal of a fabric as other processes see it: how far it has come, and waiting for that.

use crate::error::JournalError;
use crate::positions::{Alarm, JournalPositions};
use crate::writer::{POSITIONS_FILE, STAGING_FILE};
use selvedge_fabric::Fabric;
use selvedge_fabric::host::IdleStrategy;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a fabric's journal keeps its files in shared memory.
pub fn shared_directory(fabric: &Fabric) -> PathBuf {
    fabric.paths().root().join("journal")
}

/// The positions of a fabric's journal, readable and awaitable from any process.
///
/// A gateway that talks to the outside world sends an order only once `durable` has passed the
/// order's sequence: no loss of power can then make the world know of something that the journal
/// does not.
///
/// ```no_run
/// use selvedge_fabric::Fabric;
/// use selvedge_fabric::host::IdleStrategy;
/// use selvedge_journal::JournalView;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fabric = Fabric::attach("market")?;
/// let journal = JournalView::attach(&fabric)?;
/// let order_sequence = 42;
/// journal.wait_durable(order_sequence, Duration::from_secs(1), IdleStrategy::Park)?;
/// // ... send the order
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JournalView {
    positions: JournalPositions,
    staging: PathBuf,
}

impl JournalView {
    /// The journal of `fabric`.
    ///
    /// # Errors
    /// [`JournalError::Fabric`] when the fabric has never had a journal,
    /// [`JournalError::SharedFile`] when its file is not of this version.
    pub fn attach(fabric: &Fabric) -> Result<Self, JournalError> {
        let directory = shared_directory(fabric);
        Ok(JournalView {
            positions: JournalPositions::open(&directory.join(POSITIONS_FILE))?,
            staging: directory.join(STAGING_FILE),
        })
    }

    /// The last sequence handed to the kernel.
    #[inline]
    pub fn recorded(&self) -> u64 {
        self.positions.recorded()
    }

    /// The last sequence on stable storage.
    #[inline]
    pub fn durable(&self) -> u64 {
        self.positions.durable()
    }

    /// What is the matter with the journal, if anything.
    pub fn alarm(&self) -> Alarm {
        self.positions.alarm()
    }

    /// All positions.
    pub fn positions(&self) -> &JournalPositions {
        &self.positions
    }

    /// The file of staging.
    pub fn staging_path(&self) -> &std::path::Path {
        &self.staging
    }

    /// Waits until `sequence` is on stable storage.
    ///
    /// # Errors
    /// [`JournalError::NotReached`] after `timeout`, with the journal's alarm.
    pub fn wait_durable(
        &self,
        sequence: u64,
        timeout: Duration,
        idle: IdleStrategy,
    ) -> Result<(), JournalError> {
        self.wait("durable", sequence, timeout, idle, Self::durable)
    }

    /// Waits until `sequence` is handed to the kernel.
    ///
    /// # Errors
    /// [`JournalError::NotReached`] after `timeout`, with the journal's alarm.
    pub fn wait_recorded(
        &self,
        sequence: u64,
        timeout: Duration,
        idle: IdleStrategy,
    ) -> Result<(), JournalError> {
        self.wait("recorded", sequence, timeout, idle, Self::recorded)
    }

    fn wait(
        &self,
        level: &'static str,
        sequence: u64,
        timeout: Duration,
        idle: IdleStrategy,
        position: fn(&Self) -> u64,
    ) -> Result<(), JournalError> {
        let started = Instant::now();
        let mut rounds = 0;
        while position(self) < sequence {
            if started.elapsed() >= timeout {
                return Err(JournalError::NotReached {
                    level,
                    sequence,
                    reached: position(self),
                    alarm: self.alarm().state,
                });
            }
            idle.idle(rounds);
            rounds += 1;
        }
        Ok(())
    }
}

//! A disk that does not take what it is given: when to try again, what is left out meanwhile.

use crate::{AlarmState, JournalError, JournalPositions, JournalWriter, Result};
use selvedge_fabric::shared::error_log::ErrorLog;
use std::time::{Duration, Instant};

/// How long after a failure it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The disk has failed and is tried again from time to time.
pub(super) struct Outage {
    tried: Instant,
}

/// Frames that are being left out.
pub(super) struct Dropping {
    /// The last sequence left out; 0 for none yet.
    pub(super) last: u64,
    pub(super) began: u64,
    pub(super) reason: AlarmState,
}

impl Outage {
    /// Notes an error of the disk, and tries again when it is time. Any other error comes back.
    pub(super) fn met(
        outage: &mut Option<Outage>,
        error: JournalError,
        writer: &mut JournalWriter,
        positions: &JournalPositions,
        errors: &mut ErrorLog,
        now: u64,
    ) -> Result<()> {
        let Some(host) = error.host_error() else {
            return Err(error);
        };
        positions.set_alarm(error.alarm(), host.raw_os_error(), now);
        match outage {
            Some(since) if since.tried.elapsed() < RETRY_AFTER => {}
            Some(since) => {
                since.tried = Instant::now();
                // Whether it helped is seen when the writer is next asked.
                let _ = writer.retry();
            }
            None => {
                let state = error.alarm().name();
                errors.note(state, "disk", &error.to_string());
                *outage = Some(Outage {
                    tried: Instant::now(),
                });
            }
        }
        Ok(())
    }
}

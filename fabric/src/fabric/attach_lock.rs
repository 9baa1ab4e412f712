//! The lock that serialises attaching under a name: held for a few file operations, freed by the
//! kernel when its holder dies.

use crate::error::{FabricError, Result};
use crate::memory::FileClaim;
use std::path::Path;
use std::time::{Duration, Instant};

/// Held while it lives.
pub(crate) struct AttachLock {
    _claim: FileClaim,
}

/// Longest wait for the lock: nobody holds it for more than a few milliseconds, unless it is
/// frozen in them.
const LIMIT: Duration = Duration::from_secs(2);

impl AttachLock {
    /// Takes the lock.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        let started = Instant::now();
        loop {
            if let Some(claim) = FileClaim::acquire(path)? {
                return Ok(AttachLock { _claim: claim });
            }
            if started.elapsed() >= LIMIT {
                return Err(FabricError::TimedOut {
                    what: format!("taking {}", path.display()),
                    waited_ms: LIMIT.as_millis() as u64,
                    remedy: "a process is frozen while it attaches: find it (`fuser`) and end it",
                });
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

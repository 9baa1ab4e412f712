//! Keeping a process's memory where it is.

use crate::error::{FabricError, Result};
use nix::sys::mman::{MlockAllFlags, mlockall};

/// Locks what this process has mapped until now into memory: its code, its heap and its stacks. To be
/// called once it is set up.
///
/// What is not locked and not used for a while may be paged out, code too: then the first message
/// after a silence waits for the disk. Rings and state are locked where they are mapped
/// ([`crate::memory::Mapping::locked`]); what is mapped later otherwise is not. The error says how to
/// raise the limit; whoever gets it may go on.
pub fn lock_memory() -> Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT).map_err(|errno| FabricError::Host {
        action: "lock this process's memory".to_owned(),
        source: errno.into(),
        remedy: "what is not used for a while may be paged out: raise the limit (LimitMEMLOCK=infinity in the unit, or `selvedge tune`)",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilobytes that this process has locked.
    fn locked() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
        kilobytes
            .and_then(|text| text.parse().ok())
            .expect("a number")
    }

    #[test]
    fn the_code_is_locked_or_the_remedy_named() {
        match lock_memory() {
            // This program alone has more than that.
            Ok(()) => assert!(locked() > 1024, "{} kB", locked()),
            Err(error) => assert!(error.to_string().contains("LimitMEMLOCK"), "{error}"),
        }
    }
}

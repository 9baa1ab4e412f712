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

    /// Whether the mapping that `address` lies in is locked, by the kernel's account (proc(5), `smaps`).
    fn is_locked(address: usize) -> bool {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("an account of the mappings");
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|word| word.split_once('-'));
            let bounds =
                range.map(|(from, to)| [from, to].map(|hex| usize::from_str_radix(hex, 16)));
            if let Some([Ok(from), Ok(to)]) = bounds {
                inside = (from..to).contains(&address);
            } else if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split_whitespace().any(|flag| flag == "lo");
            }
        }
        false
    }

    #[test]
    fn code_and_heap_are_locked_or_the_remedy_named() {
        let boxed = Box::new(0u64);
        match lock_memory() {
            Ok(()) => {
                assert!(is_locked(lock_memory as *const () as usize));
                assert!(is_locked(&raw const *boxed as usize));
            }
            Err(error) => assert!(error.to_string().contains("LimitMEMLOCK"), "{error}"),
        }
    }
}

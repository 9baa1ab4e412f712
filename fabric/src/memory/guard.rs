//! Surviving a file that is cut short under a mapping.
//!
//! Whoever may write a file may shrink it; a read beyond its new end raises SIGBUS in every process
//! that has it mapped. A guarded mapping answers that by mapping zeros over its whole range and
//! remembering that it broke: the read goes on and finds nothing published, and the owner of the
//! mapping cuts the file's writer off.

use crate::error::{FabricError, Result};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The most guarded mappings of a process. A mapping beyond them is refused.
const MAX_GUARDS: usize = 2048;

/// One guarded range. A handler can read it at any moment: the length is stored last and taken
/// away first.
struct Slot {
    start: AtomicUsize,
    length: AtomicUsize,
    taken: AtomicBool,
    broken: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Slot {
            start: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }
}

static SLOTS: [Slot; MAX_GUARDS] = [const { Slot::new() }; MAX_GUARDS];

/// Guards a range of this process's memory while it lives.
#[derive(Debug)]
pub(super) struct Guard {
    slot: usize,
}

impl Guard {
    /// Guards `length` bytes from `start` on, which are a mapping of their own.
    pub(super) fn new(start: usize, length: usize) -> Result<Self> {
        install_handler();
        let found = SLOTS.iter().position(|slot| {
            slot.taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        });
        let Some(slot) = found else {
            return Err(FabricError::BadSetting {
                setting: "guarded mappings",
                value: MAX_GUARDS.to_string(),
                remedy: "a process guards no more files than that: detach some participants"
                    .to_owned(),
            });
        };
        SLOTS[slot].broken.store(false, Ordering::Relaxed);
        SLOTS[slot].start.store(start, Ordering::Relaxed);
        SLOTS[slot].length.store(length, Ordering::Release);
        Ok(Guard { slot })
    }

    /// Whether the file turned out shorter than its mapping.
    pub(super) fn is_broken(&self) -> bool {
        SLOTS[self.slot].broken.load(Ordering::Acquire)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        SLOTS[self.slot].length.store(0, Ordering::Release);
        SLOTS[self.slot].taken.store(false, Ordering::Release);
    }
}

fn install_handler() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a zeroed sigaction is a valid one; the handler has the signature that
        // SA_SIGINFO asks for and makes only calls that signal-safety(7) allows.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_bus_error
                as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void)
                as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    });
}

extern "C" fn on_bus_error(
    _signal: libc::c_int,
    information: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO, and for
    // SIGBUS its address field is set (sigaction(2)).
    let address = unsafe { (*information).si_addr() } as usize;
    for slot in &SLOTS {
        let length = slot.length.load(Ordering::Acquire);
        let start = slot.start.load(Ordering::Relaxed);
        if length == 0 || address < start || address - start >= length {
            continue;
        }
        // SAFETY: the range is one mapping of this process, registered by its owner, who unmaps it
        // only after giving the guard up. Replacing it by zeros keeps every pointer into it valid.
        let mapped = unsafe {
            libc::mmap(
                start as *mut libc::c_void,
                length,
                libc::PROT_READ,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if mapped != libc::MAP_FAILED {
            slot.broken.store(true, Ordering::Release);
            return;
        }
    }
    // Nobody's: the default action, at the same instruction again.
    // SAFETY: resetting a signal's action reads no memory of ours.
    unsafe {
        libc::signal(libc::SIGBUS, libc::SIG_DFL);
    }
}

#[cfg(test)]
mod tests {
    use crate::memory::Mapping;
    use crate::protocol::Ordering;

    #[test]
    fn a_file_cut_short_reads_as_zeros_and_is_noticed() {
        let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
        let path = directory.path().join("victim");
        std::fs::write(&path, [7; 64 * 1024]).expect("a file");
        let mapping = Mapping::open_untrusted(&path).expect("a mapping");
        let words = mapping.words(0, 64 * 1024).expect("it is that long");
        let last = words.get(8191).expect("it is there");
        assert_eq!(last.load(Ordering::Relaxed), 0x0707_0707_0707_0707);
        assert!(!mapping.is_broken());
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(4096))
            .expect("it can be cut");
        assert_eq!(last.load(Ordering::Relaxed), 0);
        assert!(mapping.is_broken());
        // A new mapping of the rest is whole.
        let rest = Mapping::open_untrusted(&path).expect("a mapping");
        assert_eq!(rest.len(), 4096);
        assert!(!rest.is_broken());
    }
}

//! Crash points: named steps at which a process can be made to die, so that every single step has a
//! test in which it is the last one.
//!
//! They exist only with the feature `crash-points`; without it [`crash_point!`](crate::crash_point)
//! compiles to nothing. `SELVEDGE_CRASH_AT=name` kills the process when it reaches that step,
//! `name:count` when it reaches it for the `count`th time.

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Armed {
        name: String,
        left: AtomicU64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    fn armed() -> Option<Armed> {
        let text = std::env::var("SELVEDGE_CRASH_AT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Armed {
            name: name.to_owned(),
            left: AtomicU64::new(count.parse().unwrap_or(1)),
        })
    }

    /// The process has reached the step `name`.
    pub fn reached(name: &str) {
        let Some(armed) = ARMED.get_or_init(armed) else {
            return;
        };
        if armed.name == name && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // SAFETY: both calls take and return integers.
            unsafe {
                libc::kill(libc::getpid(), libc::SIGKILL);
            }
            // The signal may be delivered to another thread first: nothing more is done here.
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(feature = "crash-points")]
pub use armed::reached;

/// A step at which a process can be made to die; see [`crash`](crate::crash).
#[cfg(feature = "crash-points")]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash::reached($name)
    };
}

/// A step at which a process can be made to die; see [`crash`](crate::crash). Nothing, without the
/// feature `crash-points`.
#[cfg(not(feature = "crash-points"))]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {};
}

//! How far a measurement is, told from a thread that sleeps.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Tells once a second how far a measurement is, until dropped. Started before the measuring
/// thread pins itself, so that it may run on any core.
#[derive(Debug)]
pub struct Progress {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// For a measurement of `duration`.
    pub fn begin(what: &str, duration: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let what = what.to_owned();
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || tell(&what, duration, &stopped))
            .ok();
        Progress { stop, thread }
    }
}

fn tell(what: &str, duration: Duration, stopped: &AtomicBool) {
    const PERIOD: Duration = Duration::from_secs(1);
    let terminal = std::io::stderr().is_terminal();
    let started = Instant::now();
    let mut told = 0;
    while !stopped.load(Ordering::Acquire) {
        let elapsed = started.elapsed().min(duration);
        let share = elapsed.as_secs_f64() / duration.as_secs_f64();
        let line = format!(
            "{what}: {:.0} of {:.0} s ({:.0} %)",
            elapsed.as_secs_f64(),
            duration.as_secs_f64(),
            share * 100.0
        );
        if terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
        } else if (share * 4.0) as u32 >= told {
            // In a log a line for each quarter is enough.
            told = (share * 4.0) as u32 + 1;
            eprintln!("{line}");
        }
        std::thread::park_timeout(PERIOD);
    }
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

//! Noticing that somebody else used the cores while something was measured.

use nix::sys::resource::{UsageWho, getrusage};
use selvedge_fabric::host::ticks::monotonic_ns;
use serde::{Deserialize, Serialize};

/// Involuntary context switches a second that a quiet host causes by itself (kernel threads).
const QUIET_SWITCHES_PER_SECOND: f64 = 50.0;

/// Involuntary context switches that are never held against a measurement.
const QUIET_SWITCHES: f64 = 3.0;

/// A round trip this long, in nanoseconds, was interrupted.
pub const STALL_NS: f64 = 50_000.0;

/// The share of a measurement that interrupted round trips may take.
const QUIET_STALLED_SHARE: f64 = 0.005;

/// The share of a measurement that the hypervisor may give to somebody else.
const QUIET_STOLEN_SHARE: f64 = 0.01;

/// What disturbed one side of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disturbance {
    /// How long it was watched, in nanoseconds.
    pub watched_ns: f64,
    /// Times that the measuring thread was pushed off its core.
    pub involuntary_switches: u64,
    /// Of those, how many at most this process's own threads explain.
    pub own_switches: u64,
    /// Nanoseconds that the hypervisor took from the host's cores.
    pub stolen_ns: f64,
    /// Nanoseconds in round trips of 50 us and more.
    pub stalled_ns: f64,
}

impl Disturbance {
    /// Both sides of a measurement.
    pub fn and(self, other: Disturbance) -> Disturbance {
        Disturbance {
            watched_ns: self.watched_ns.max(other.watched_ns),
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
            own_switches: self.own_switches + other.own_switches,
            stolen_ns: self.stolen_ns.max(other.stolen_ns),
            stalled_ns: self.stalled_ns + other.stalled_ns,
        }
    }

    fn foreign_switches(&self) -> u64 {
        self.involuntary_switches.saturating_sub(self.own_switches)
    }

    /// How badly, 1 being the limit of what counts as quiet.
    pub fn severity(&self) -> f64 {
        let seconds = self.watched_ns / 1e9;
        let share = |ns: f64, limit: f64| ns / (self.watched_ns * limit).max(1.0);
        (self.foreign_switches() as f64 / (QUIET_SWITCHES + QUIET_SWITCHES_PER_SECOND * seconds))
            .max(share(self.stalled_ns, QUIET_STALLED_SHARE))
            .max(share(self.stolen_ns, QUIET_STOLEN_SHARE))
    }

    /// Why it counts as disturbed, if it does.
    pub fn reason(&self) -> Option<String> {
        (self.severity() > 1.0).then(|| {
            format!(
                "{} foreign context switches, {:.0} us in interrupted round trips, {:.0} ms stolen by the hypervisor in {:.0} ms",
                self.foreign_switches(),
                self.stalled_ns / 1e3,
                self.stolen_ns / 1e6,
                self.watched_ns / 1e6,
            )
        })
    }
}

/// Watches the calling thread from beginning to end.
#[derive(Debug)]
pub struct Watch {
    started_ns: u64,
    switches: u64,
    own: u64,
    stolen_ns: f64,
}

impl Watch {
    /// Begins to watch the calling thread.
    pub fn begin() -> Self {
        Watch {
            started_ns: monotonic_ns(),
            switches: involuntary_switches(),
            own: own_wakeups(),
            stolen_ns: stolen_ns(),
        }
    }

    /// What disturbed the calling thread, the one that began, since then.
    pub fn end(self) -> Disturbance {
        Disturbance {
            watched_ns: (monotonic_ns() - self.started_ns) as f64,
            involuntary_switches: involuntary_switches().saturating_sub(self.switches),
            own_switches: own_wakeups().saturating_sub(self.own),
            stolen_ns: (stolen_ns() - self.stolen_ns).max(0.0),
            stalled_ns: 0.0,
        }
    }
}

fn involuntary_switches() -> u64 {
    getrusage(UsageWho::RUSAGE_THREAD)
        .map(|usage| usage.involuntary_context_switches() as u64)
        .unwrap_or(0)
}

/// How often this process's other threads went to sleep: as often at most they woke and pushed
/// somebody off a core.
fn own_wakeups() -> u64 {
    let own = nix::unistd::gettid().to_string();
    std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|task| task.file_name().to_string_lossy() != own)
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|status| {
            status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .and_then(|value| value.trim().parse::<u64>().ok())
        })
        .sum()
}

/// Nanoseconds that the hypervisor took from all cores since boot.
fn stolen_ns() -> f64 {
    const NS_PER_TICK: f64 = 1e7;
    std::fs::read_to_string("/proc/stat")
        .ok()
        .and_then(|text| {
            text.lines()
                .next()?
                .split_whitespace()
                .nth(8)?
                .parse::<f64>()
                .ok()
        })
        .map_or(0.0, |ticks| ticks * NS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_second_is_quiet_and_a_busy_one_is_not() {
        let quiet = Disturbance {
            watched_ns: 1e9,
            involuntary_switches: 1010,
            own_switches: 1000,
            ..Disturbance::default()
        };
        assert!(quiet.reason().is_none(), "{}", quiet.severity());
        for busy in [
            Disturbance {
                own_switches: 0,
                ..quiet
            },
            Disturbance {
                stalled_ns: 1e7,
                ..quiet
            },
            Disturbance {
                stolen_ns: 2e7,
                ..quiet
            },
        ] {
            assert!(busy.reason().is_some(), "{busy:?}");
        }
    }

    #[test]
    fn watching_measures_the_time() {
        let watch = Watch::begin();
        std::thread::sleep(std::time::Duration::from_millis(10));
        let disturbance = watch.end();
        assert!(disturbance.watched_ns >= 1e7);
    }
}

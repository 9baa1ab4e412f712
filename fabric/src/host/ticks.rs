//! The counter that times the path: one instruction, no system call.

use std::time::Duration;

/// Which counter a fabric's processes read. Chosen at creation, the same for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum TickSource {
    /// The processor's time-stamp counter: x86-64 with `constant_tsc` and `nonstop_tsc`.
    TimeStampCounter = 1,
    /// `CLOCK_MONOTONIC` in nanoseconds.
    Monotonic = 2,
}

impl TickSource {
    /// The source with this code.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(TickSource::TimeStampCounter),
            2 => Some(TickSource::Monotonic),
            _ => None,
        }
    }

    /// The time-stamp counter where it runs at one rate whatever the core does, else the
    /// monotonic clock.
    pub fn best() -> Self {
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let invariant = information
            .lines()
            .find(|line| line.starts_with("flags"))
            .is_some_and(|line| {
                let has = |flag| line.split_whitespace().any(|word| word == flag);
                has("constant_tsc") && has("nonstop_tsc")
            });
        if cfg!(target_arch = "x86_64") && invariant {
            TickSource::TimeStampCounter
        } else {
            TickSource::Monotonic
        }
    }

    /// The counter now.
    #[inline(always)]
    pub fn now(self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 processor has the instruction, and user mode may use it on
            // every host whose kernel lists the flags that `best` asks for.
            TickSource::TimeStampCounter => unsafe { core::arch::x86_64::_rdtsc() },
            _ => monotonic_ns(),
        }
    }

    /// Ticks in a second, measured over `span`.
    pub fn measure_rate(self, span: Duration) -> u64 {
        if self == TickSource::Monotonic {
            return 1_000_000_000;
        }
        let (start_ticks, start_ns) = (self.now(), monotonic_ns());
        std::thread::sleep(span);
        let (ticks, ns) = (self.now() - start_ticks, monotonic_ns() - start_ns);
        (u128::from(ticks) * 1_000_000_000 / u128::from(ns.max(1))) as u64
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn monotonic_ns() -> u64 {
    clock_ns(nix::time::ClockId::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` (UTC) in nanoseconds since 1970.
pub fn utc_ns() -> u64 {
    clock_ns(nix::time::ClockId::CLOCK_REALTIME)
}

fn clock_ns(clock: nix::time::ClockId) -> u64 {
    // Both clocks exist on every Linux; a failure is not possible, and zero would be seen at once.
    nix::time::clock_gettime(clock)
        .map(|time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
        .unwrap_or(0)
}

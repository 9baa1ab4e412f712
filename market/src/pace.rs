//! When the messages of a replayed session are due.

/// Maps exchange time to the time of a local clock, so that a session is replayed at its own speed
/// or a multiple of it.
///
/// Both clocks count nanoseconds, from wherever they like. The first message asked for starts the
/// replay; a message earlier than the one before is due at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    speed: u32,
    from_ns: u64,
    start: Option<(u64, u64)>,
}

impl Pace {
    /// `speed` times the speed of the session; 0 is as fast as possible. Messages with an exchange
    /// time before `from_ns` (nanoseconds since midnight) are due at once: so the hours before the
    /// opening need not be waited for.
    pub const fn new(speed: u32, from_ns: u64) -> Self {
        Pace {
            speed,
            from_ns,
            start: None,
        }
    }

    /// Nanoseconds to wait from `now_ns` until a message with this exchange time is due, 0 if it
    /// is.
    #[inline]
    pub fn wait_ns(&mut self, exchange_ns: u64, now_ns: u64) -> u64 {
        if self.speed == 0 || exchange_ns < self.from_ns {
            return 0;
        }
        let (first_ns, started_ns) = *self.start.get_or_insert((exchange_ns, now_ns));
        let elapsed_ns = exchange_ns.saturating_sub(first_ns) / u64::from(self.speed);
        started_ns.saturating_add(elapsed_ns).saturating_sub(now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_the_speed_waits_a_tenth() {
        let mut pace = Pace::new(10, 1_000);
        assert_eq!(pace.wait_ns(999, 5), 0);
        assert_eq!(pace.wait_ns(2_000, 50), 0);
        assert_eq!(pace.wait_ns(3_000, 50), 100);
        assert_eq!(pace.wait_ns(3_000, 149), 1);
        assert_eq!(pace.wait_ns(3_000, 150), 0);
        assert_eq!(pace.wait_ns(3_000, 900), 0);
    }

    #[test]
    fn as_fast_as_possible_never_waits() {
        let mut pace = Pace::new(0, 0);
        assert_eq!(pace.wait_ns(1, 0), 0);
        assert_eq!(pace.wait_ns(u64::MAX, 0), 0);
    }
}

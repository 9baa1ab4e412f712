//! When a segment ends by time.

use std::time::Duration;

/// The longest interval: a day.
const DAY_NS: u64 = 86_400_000_000_000;

/// The shortest interval.
const SECOND_NS: u64 = 1_000_000_000;

/// How long after the end of a period a segment stays open for frames that may still come, where
/// no frame of the next period has closed it.
pub(crate) const ROLL_GRACE_NS: u64 = SECOND_NS;

/// Equal periods of time, counted from midnight UTC; or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Roll {
    /// 0: segments end by size alone.
    period_ns: u64,
}

impl Roll {
    /// Periods of this length.
    pub(crate) fn new(every: Option<Duration>) -> Self {
        Roll {
            period_ns: every.map_or(0, |every| u64::try_from(every.as_nanos()).unwrap_or(0)),
        }
    }

    /// Whether segments end by time at all.
    pub(crate) fn is_on(self) -> bool {
        self.period_ns > 0
    }

    /// Where the period of `timestamp` ends: the first instant that is not in it.
    pub(crate) fn end_of_period(self, timestamp: u64) -> u64 {
        match self.period_ns {
            0 => u64::MAX,
            period => (timestamp - timestamp % period).saturating_add(period),
        }
    }
}

/// Whether [`roll_every`](crate::JournalConfig::roll_every) may be this long: from a second to a day, and a whole part of a day, so that
/// they end at the same times every day.
pub fn is_roll_interval(every: Duration) -> bool {
    let ns = every.as_nanos();
    (u128::from(SECOND_NS)..=u128::from(DAY_NS)).contains(&ns)
        && u128::from(DAY_NS).is_multiple_of(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight_utc() {
        let hour = Roll::new(Some(Duration::from_secs(3600)));
        // 2012-06-21T09:30:00Z
        let half_past_nine = 1_340_271_000 * SECOND_NS;
        assert_eq!(
            hour.end_of_period(half_past_nine),
            1_340_272_800 * SECOND_NS
        );
        let ten = 1_340_272_800 * SECOND_NS;
        assert_eq!(hour.end_of_period(ten - 1), ten);
        assert_eq!(hour.end_of_period(ten), ten + 3600 * SECOND_NS);
        assert_eq!(hour.end_of_period(u64::MAX), u64::MAX);
        assert!(hour.is_on());
        assert_eq!(Roll::new(None).end_of_period(ten), u64::MAX);
        assert!(!Roll::new(None).is_on());
    }

    #[test]
    fn an_interval_divides_a_day() {
        for good in [1, 60, 900, 3600, 14_400, 86_400] {
            assert!(is_roll_interval(Duration::from_secs(good)), "{good}");
        }
        for bad in [0, 7, 18_000, 86_401, 172_800] {
            assert!(!is_roll_interval(Duration::from_secs(bad)), "{bad}");
        }
        assert!(!is_roll_interval(Duration::from_millis(500)));
        assert!(!is_roll_interval(Duration::MAX));
    }
}

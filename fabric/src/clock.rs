//! Fabric time: UTC nanoseconds from the tick counter, through one calibration shared by all.

/// How ticks become UTC nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calibration {
    /// A reading of the tick counter.
    pub base_ticks: u64,
    /// UTC nanoseconds at that reading.
    pub base_ns: u64,
    /// Nanoseconds in a tick, times 2^32.
    pub ns_per_tick_2_32: u64,
}

/// The steepest correction: 500 parts in a million, as the kernel slews its clock (adjtimex(2)).
const MAX_SLEW_PER_MILLION: i128 = 500;

impl Calibration {
    /// A calibration that says `ns` now, at `ticks`.
    pub fn new(ticks: u64, ns: u64, ticks_per_second: u64) -> Self {
        Calibration {
            base_ticks: ticks,
            base_ns: ns,
            ns_per_tick_2_32: ((1_000_000_000u128 << 32) / u128::from(ticks_per_second.max(1)))
                as u64,
        }
    }

    /// UTC nanoseconds at `ticks`. Ticks before the base give the base.
    #[inline(always)]
    pub fn ns(&self, ticks: u64) -> u64 {
        let elapsed = ticks.saturating_sub(self.base_ticks);
        self.base_ns + ((u128::from(elapsed) * u128::from(self.ns_per_tick_2_32)) >> 32) as u64
    }

    /// Nanoseconds that `ticks` ticks last.
    #[inline(always)]
    pub fn span_ns(&self, ticks: u64) -> u64 {
        ((u128::from(ticks) * u128::from(self.ns_per_tick_2_32)) >> 32) as u64
    }

    /// The calibration for the time from `ticks` on, when the host's clock says `utc_ns` there:
    /// fabric time goes on without a jump and approaches the host's within `horizon_ns`, no
    /// faster than 500 parts in a million. A host clock that is more than 100 ms ahead (it was
    /// set) is followed at once, forward only: fabric time never decreases.
    pub fn slewed(&self, ticks: u64, utc_ns: u64, ticks_per_second: u64, horizon_ns: u64) -> Self {
        const STEP_NS: i64 = 100_000_000;
        let here = self.ns(ticks);
        let error = utc_ns as i64 - here as i64;
        let fresh = Calibration::new(ticks, here, ticks_per_second);
        if error > STEP_NS {
            return Calibration {
                base_ns: utc_ns,
                ..fresh
            };
        }
        let horizon = i128::from(horizon_ns.max(1));
        let most = horizon * MAX_SLEW_PER_MILLION / 1_000_000;
        let slewed_off = i128::from(error).clamp(-most, most);
        let correction = i128::from(fresh.ns_per_tick_2_32) * slewed_off / horizon;
        Calibration {
            ns_per_tick_2_32: (i128::from(fresh.ns_per_tick_2_32) + correction) as u64,
            ..fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_of_ticks_is_a_second() {
        let calibration = Calibration::new(1_000, 5_000_000_000, 2_600_000_000);
        let second_later = calibration.ns(1_000 + 2_600_000_000);
        assert!(second_later.abs_diff(6_000_000_000) <= 1, "{second_later}");
        assert_eq!(calibration.ns(0), 5_000_000_000);
    }

    proptest! {
        #[test]
        fn slewing_never_turns_time_back_and_approaches(
            rate in 1_000_000_000u64..5_000_000_000,
            drift in -400_000i64..400_000,
            elapsed_ms in 1u64..2_000,
        ) {
            let ticks = rate / 1_000 * elapsed_ms;
            let old = Calibration::new(0, 1_000_000_000_000, rate);
            let utc = (old.ns(ticks) as i64 + drift) as u64;
            let new = old.slewed(ticks, utc, rate, 1_000_000_000);
            prop_assert_eq!(new.ns(ticks), old.ns(ticks));
            let later = ticks + rate;
            let true_later = utc + 1_000_000_000;
            // What is left is the rounding of a nanosecond for each of the calibration's figures.
            prop_assert!(new.ns(later).abs_diff(true_later) <= 4);
        }

        #[test]
        fn a_clock_set_far_forward_is_followed(jump in 100_000_001u64..10_000_000_000) {
            let old = Calibration::new(0, 1_000, 1_000_000_000);
            prop_assert_eq!(old.slewed(0, 1_000 + jump, 1_000_000_000, 1_000_000_000).ns(0), 1_000 + jump);
            let behind = old.slewed(0, 0, 1_000_000_000, 1_000_000_000);
            prop_assert_eq!(behind.ns(0), 1_000);
        }
    }
}

//! How often a producer's ring was full when it was looked at: its back-pressure over time.

/// The looks of one ring; the last 128 of them one by one.
#[derive(Clone, Copy, Default, Debug)]
pub struct Samples {
    /// Looks since the watch began.
    pub looks: u64,
    /// Those at which the ring was full.
    pub full: u64,
    recent: u128,
}

impl Samples {
    /// Adds a look.
    pub fn add(&mut self, full: bool) {
        self.looks += 1;
        self.full += u64::from(full);
        self.recent = self.recent << 1 | u128::from(full);
    }

    /// Share of the last 128 looks at which the ring was full, per cent; 0 where there was none.
    pub fn percent(&self) -> f64 {
        let looks = self.looks.min(u64::from(u128::BITS));
        if looks == 0 {
            return 0.0;
        }
        f64::from(self.recent.count_ones()) * 100.0 / looks as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_looks() {
        let mut samples = Samples::default();
        assert_eq!(samples.percent(), 0.0);
        samples.add(true);
        samples.add(false);
        assert_eq!((samples.looks, samples.full), (2, 1));
        assert_eq!(samples.percent(), 50.0);
        for _ in 0..126 {
            samples.add(true);
        }
        assert_eq!(samples.percent(), 127.0 * 100.0 / 128.0);
        for _ in 0..128 {
            samples.add(false);
        }
        assert_eq!((samples.full, samples.percent()), (127, 0.0));
    }
}

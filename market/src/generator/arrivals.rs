//! When messages arrive: a self-exciting point process.

use super::random::{Random, decay};

/// A Hawkes process with an exponential kernel: each message makes more messages likely for a
/// short while, so they come in bursts with quiet in between, as on a real exchange.
///
/// Source: A. G. Hawkes, "Spectra of some self-exciting and mutually exciting point processes",
/// Biometrika 58 (1971); simulated by thinning (Y. Ogata, IEEE Transactions on Information Theory
/// 27 (1981)). The base rate follows the messages and the time that are left, so that a session
/// ends on time.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    now_ns: u64,
    end_ns: u64,
    left: u64,
    /// The excited part of the rate, messages a nanosecond.
    excitation: f64,
}

/// Messages that one message causes on average, at first and second hand not counted.
const BRANCHING: f64 = 0.8;
/// How much shorter the excitement lasts than the mean time between messages.
const BURSTINESS: f64 = 20.0;
/// Tries at one arrival before the last one is taken as it is.
const MOST_TRIES: u32 = 1_000;

impl Arrivals {
    /// `messages` arrivals from `start_ns` to `end_ns`.
    pub(super) fn new(start_ns: u64, end_ns: u64, messages: u64) -> Self {
        Arrivals {
            now_ns: start_ns,
            end_ns,
            left: messages,
            excitation: 0.0,
        }
    }

    /// The time of the next arrival; never decreasing, never beyond the end.
    pub(super) fn next(&mut self, random: &mut Random) -> u64 {
        let time_left = self.end_ns.saturating_sub(self.now_ns).max(1) as f64;
        let mean_rate = self.left.max(1) as f64 / time_left;
        let base_rate = mean_rate * (1.0 - BRANCHING);
        let decay_rate = mean_rate * BURSTINESS;
        let mut elapsed = 0.0;
        for _ in 0..MOST_TRIES {
            let highest = base_rate + self.excitation;
            let step = random.exponential(1.0 / highest);
            elapsed += step;
            self.excitation *= decay(step * decay_rate);
            if random.unit() * highest <= base_rate + self.excitation {
                break;
            }
        }
        self.excitation += BRANCHING * decay_rate;
        self.left = self.left.saturating_sub(1);
        // Two messages of one nanosecond are possible, as in reality.
        self.now_ns = (self.now_ns + elapsed as u64).min(self.end_ns);
        self.now_ns
    }

    /// Lets `nanoseconds` pass without an arrival, though not beyond the end; the time then.
    pub(super) fn pause(&mut self, nanoseconds: u64) -> u64 {
        self.now_ns = (self.now_ns + nanoseconds).min(self.end_ns);
        self.excitation = 0.0;
        self.now_ns
    }

    /// A message arrived right now, out of turn.
    pub(super) fn count_one(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_bursty_and_end_on_time() {
        let mut random = Random::new(3);
        let (start, end, count) = (1_000_000_000, 11_000_000_000, 20_000);
        let mut arrivals = Arrivals::new(start, end, count);
        let times: Vec<u64> = (0..count).map(|_| arrivals.next(&mut random)).collect();
        assert!(times.is_sorted());
        assert!(times[0] >= start);
        let last = times[times.len() - 1];
        assert!((end - end / 20..=end).contains(&last), "ends at {last}");
        // Of a Poisson process, counts in equal intervals have a variance equal to their mean.
        let interval = (end - start) / 1_000;
        let mut counts = [0f64; 1_000];
        for time in times {
            counts[((time - start) / interval).min(999) as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / 1_000.0;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 1_000.0;
        assert!(variance > 5.0 * mean, "variance {variance}, mean {mean}");
    }
}

//! What share of its duty cycles a sequencer finds work in.

use selvedge_fabric::shared::bank::DutyCycles;

/// Remembers the counts of the look before.
#[derive(Default, Debug)]
pub struct DutyWatch {
    /// Epoch and counts, as of the last time that they had moved.
    before: Option<(u64, DutyCycles)>,
    shares: Option<Shares>,
}

/// Shares of duty cycles, per cent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shares {
    /// That found work.
    pub busy: f64,
    /// That were held back by a consumer.
    pub held_back: f64,
}

impl DutyWatch {
    /// The shares since the look before. A sequencer that parks stores its counts about once a
    /// second: until they move again the last shares hold. `None` before they have moved.
    pub fn look(&mut self, epoch: u64, now: DutyCycles) -> Option<Shares> {
        match self.before {
            Some((known, before)) if known == epoch => {
                let passed = now.cycles.saturating_sub(before.cycles);
                if passed == 0 {
                    return self.shares;
                }
                // A pass over each of several rings may be held back in one cycle.
                let share = |now: u64, before: u64| {
                    (now.saturating_sub(before) as f64 * 100.0 / passed as f64).min(100.0)
                };
                self.shares = Some(Shares {
                    busy: share(now.busy, before.busy),
                    held_back: share(now.held_back, before.held_back),
                });
            }
            _ => self.shares = None,
        }
        self.before = Some((epoch, now));
        self.shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_passed_and_hold_until_the_next_counts() {
        let counts = |cycles, busy, held_back| DutyCycles {
            cycles,
            busy,
            held_back,
        };
        let mut watch = DutyWatch::default();
        assert_eq!(watch.look(1, counts(100, 50, 0)), None);
        assert_eq!(watch.look(1, counts(100, 50, 0)), None);
        let half = Some(Shares {
            busy: 50.0,
            held_back: 100.0,
        });
        assert_eq!(watch.look(1, counts(200, 100, 300)), half);
        assert_eq!(watch.look(1, counts(200, 100, 300)), half);
        // Another sequencer counts anew.
        assert_eq!(watch.look(2, counts(10, 10, 0)), None);
        let shares = watch.look(2, counts(20, 20, 0)).expect("they moved");
        assert_eq!((shares.busy, shares.held_back), (100.0, 0.0));
    }
}

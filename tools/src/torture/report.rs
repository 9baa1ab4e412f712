//! What a torture came to.

use super::role::Role;
use serde::Serialize;
use std::collections::BTreeMap;

/// Percentiles of a time, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Times {
    /// Half are shorter.
    pub p50: f64,
    /// 99 of 100 are shorter.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Times {
    /// Of these nanoseconds.
    pub fn of(mut ns: Vec<u64>) -> Self {
        ns.sort_unstable();
        let at = |share: f64| {
            let index = ((ns.len() as f64 * share).ceil() as usize).clamp(1, ns.len().max(1)) - 1;
            ns.get(index).map_or(0.0, |&ns| ns as f64 / 1e6)
        };
        Times {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// Faults that a role met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Faults {
    /// Kills.
    pub kills: u64,
    /// Freezes.
    pub freezes: u64,
}

/// See the module.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Report {
    /// Processes killed.
    pub kills: u64,
    /// Processes frozen.
    pub freezes: u64,
    /// The same by role.
    pub by_role: BTreeMap<Role, Faults>,
    /// Messages in the stream.
    pub messages: u64,
    /// Messages that a producer committed, or that a reader who held the stream was to see, and
    /// that are not there.
    pub lost: u64,
    /// Messages that are there twice.
    pub duplicated: u64,
    /// Messages behind a later one of their producer.
    pub reordered: u64,
    /// Frames handed to anybody that are not part of the one stream.
    pub zombie_frames_accepted: u64,
    /// Files left after everything died and the fabric was removed.
    pub leaks: u64,
    /// From the kill of a sequencer to the next message sequenced by another.
    pub takeover_ms: Times,
    /// From starting a process again to its being at work.
    pub recovery_ms: Times,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.reordered + self.zombie_frames_accepted + self.leaks == 0
    }

    /// For people.
    pub fn print(&self) {
        println!("kills                   {:>12}", self.kills);
        println!("freezes                 {:>12}", self.freezes);
        for (role, faults) in &self.by_role {
            println!(
                "  {:<22}{:>12} kills {:>6} freezes",
                role.name(),
                faults.kills,
                faults.freezes
            );
        }
        println!("messages                {:>12}", self.messages);
        println!("lost                    {:>12}", self.lost);
        println!("duplicated              {:>12}", self.duplicated);
        println!("reordered               {:>12}", self.reordered);
        println!(
            "zombie frames accepted  {:>12}",
            self.zombie_frames_accepted
        );
        println!("leaks                   {:>12}", self.leaks);
        for (name, times) in [
            ("takeover", self.takeover_ms),
            ("recovery", self.recovery_ms),
        ] {
            println!(
                "{name:<16} p50 {:>9.3} ms   p99 {:>9.3} ms   max {:>9.3} ms",
                times.p50, times.p99, times.max
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_samples() {
        let times = Times::of((1..=200).rev().map(|ms| ms * 1_000_000).collect());
        assert_eq!((times.p50, times.p99, times.max), (100.0, 198.0, 200.0));
        assert_eq!(Times::of(Vec::new()), Times::default());
    }
}

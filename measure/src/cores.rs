//! Which cores to measure on.

use crate::error::{MeasureError, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use selvedge_fabric::host::affinity::{available_cores, pin_current_thread};
use std::sync::OnceLock;

/// The two cores of a measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CorePair {
    /// Where the measuring process runs.
    pub near: usize,
    /// Where the other process runs.
    pub far: usize,
}

/// The cores this process was started with, remembered before it pins itself.
pub fn cores_at_start() -> &'static [usize] {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    CORES.get_or_init(available_cores)
}

impl CorePair {
    /// The first two cores that are not hyperthreads of one core.
    pub fn choose() -> Result<Self> {
        let cores = cores_at_start();
        let Some(&near) = cores.first() else {
            return Err(MeasureError::Host("no core is available".to_owned()));
        };
        let siblings = thread_siblings(near);
        let far = cores[1..]
            .iter()
            .find(|core| !siblings.contains(core))
            .or(cores.get(1));
        match far {
            Some(&far) => Ok(CorePair { near, far }),
            None => Err(MeasureError::Host(format!(
                "this process may run on core {near} only: two spinning agents on one core would measure the scheduler, so nothing is measured"
            ))),
        }
    }

    /// The pair that the user named.
    pub fn of(cores: &[usize]) -> Result<Self> {
        let available = cores_at_start();
        if let Some(core) = cores.iter().find(|core| !available.contains(core)) {
            return Err(MeasureError::Host(format!(
                "core {core} is not among those that this process may run on ({available:?})"
            )));
        }
        match *cores {
            [near, far, ..] if near != far => Ok(CorePair { near, far }),
            _ => Err(MeasureError::Host(
                "two different cores are needed, such as --cores 2,3".to_owned(),
            )),
        }
    }

    /// What a reader of the figures should know about the pair.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if thread_siblings(self.near).contains(&self.far) {
            notes.push(format!(
                "cores {} and {} are hyperthreads of one core: they share its first-level cache",
                self.near, self.far
            ));
        }
        if cores_at_start().len() == 2 {
            notes.push(
                "the host has two cores and both spin: everything else on it (the sequencer's conductor thread too) interrupts the measurement".to_owned(),
            );
        }
        notes
    }
}

/// The hyperthreads of the core that `core` belongs to, itself included.
fn thread_siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    std::fs::read_to_string(path)
        .map(|text| parse_list(text.trim()))
        .unwrap_or_default()
}

fn parse_list(text: &str) -> Vec<usize> {
    text.split(',')
        .filter_map(|part| match part.split_once('-') {
            Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
            None => part.parse().ok().map(|core| (core, core)),
        })
        .flat_map(|(first, last): (usize, usize)| first..=last)
        .collect()
}

/// Pins the calling thread.
pub fn pin(core: usize) -> Result<()> {
    pin_current_thread(core)?;
    Ok(())
}

/// Lets the calling thread run wherever this process was started to run.
pub fn unpin() -> Result<()> {
    let all = cores_at_start();
    keep_off(all, &[], all.first().copied().unwrap_or(0))
}

/// Lets the calling thread run on every core but `busy`, or where there is no other on `last`.
pub fn keep_off(all: &[usize], busy: &[usize], last: usize) -> Result<()> {
    let mut set = CpuSet::new();
    let spare: Vec<usize> = all
        .iter()
        .copied()
        .filter(|core| !busy.contains(core))
        .collect();
    let allowed = if spare.is_empty() { vec![last] } else { spare };
    for core in allowed {
        set.set(core)
            .map_err(|error| MeasureError::io("name a core", error.into()))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| MeasureError::io("set the cores of a thread", error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_list("0-2,8"), [0, 1, 2, 8]);
        assert_eq!(parse_list("3"), [3]);
        assert!(parse_list("").is_empty());
    }

    #[test]
    fn one_core_is_no_pair() {
        assert!(CorePair::of(&[0]).is_err());
        assert!(CorePair::of(&[0, 0]).is_err());
        assert!(CorePair::of(&[0, 100_000]).is_err());
    }
}

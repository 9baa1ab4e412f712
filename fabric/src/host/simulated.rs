//! Processes that exist only in a simulation: one thread plays them all, and says which lives.

use super::process::ProcessIdentity;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// Above every number that a real process can have.
const FIRST_PID: u32 = 1 << 30;

thread_local! {
    static CURRENT: Cell<Option<u32>> = const { Cell::new(None) };
    static DEAD: RefCell<HashSet<u32>> = RefCell::new(HashSet::new());
}

fn identity(number: u32) -> ProcessIdentity {
    ProcessIdentity {
        pid: FIRST_PID | number,
        start_time: 1,
    }
}

/// What this thread does from now on, it does as process `number`; as itself with `None`.
pub fn play(number: Option<u32>) {
    CURRENT.set(number);
}

/// Process `number` is dead from now on.
pub fn bury(number: u32) {
    DEAD.with_borrow_mut(|dead| dead.insert(number));
}

/// A new simulation: nobody is dead.
pub fn reset() {
    CURRENT.set(None);
    DEAD.with_borrow_mut(HashSet::clear);
}

pub(super) fn current() -> Option<ProcessIdentity> {
    CURRENT.get().map(identity)
}

pub(super) fn is_simulated(process: &ProcessIdentity) -> bool {
    process.pid & FIRST_PID != 0
}

pub(super) fn is_alive(process: &ProcessIdentity) -> bool {
    DEAD.with_borrow(|dead| !dead.contains(&(process.pid & !FIRST_PID)))
}

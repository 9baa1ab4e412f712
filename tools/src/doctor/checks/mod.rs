//! The checks, each a function from the host's files to findings.

mod clock;
mod cores;
mod interrupts;
mod memory;
mod plan;
mod scheduling;
mod virtualisation;

use super::finding::Finding;
use super::host::Host;
use super::scope::Scope;

/// A check.
type Check = fn(&Host, &Scope) -> Vec<Finding>;

/// Every check, in the order in which they are shown.
const CHECKS: [Check; 28] = [
    plan::cores_are_there,
    plan::enough_cores,
    plan::cores_near_each_other,
    plan::housekeeping_core,
    plan::journal_disk,
    plan::ring_fits_cache,
    memory::hugepages_reserved,
    memory::hugetlbfs_mounted,
    memory::memlock_limit,
    memory::shared_memory_size,
    memory::transparent_hugepages,
    memory::swap,
    memory::numa_balancing,
    cores::isolated,
    cores::tickless,
    cores::rcu_callbacks,
    cores::hyperthreads,
    cores::governor,
    cores::idle_states,
    cores::turbo,
    interrupts::affinity,
    interrupts::timer_migration,
    interrupts::watchdogs,
    scheduling::realtime_throttling,
    scheduling::control_groups,
    clock::time_stamp_counter,
    virtualisation::steal,
    virtualisation::mitigations,
];

/// Runs all checks. They read; none changes anything.
pub fn run(host: &Host, scope: &Scope) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| check(host, scope)).collect()
}

/// Runs those that judge the plan alone.
pub fn run_plan(host: &Host, scope: &Scope) -> Vec<Finding> {
    CHECKS[..7]
        .iter()
        .flat_map(|check| check(host, scope))
        .collect()
}

#[cfg(test)]
mod tests;

//! Who may interrupt the chosen cores.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::{Cores, Host, cores_text};
use crate::doctor::scope::Scope;
use std::collections::HashMap;

/// Interrupts shown by name.
const SHOWN: usize = 6;

/// Device interrupts go elsewhere.
pub fn affinity(host: &Host, scope: &Scope) -> Vec<Finding> {
    let names = interrupt_names(host);
    let mut landing: Vec<String> = Vec::new();
    for number in host.names("/proc/irq") {
        if number.parse::<u32>().is_err() {
            continue;
        }
        let file = |name: &str| format!("/proc/irq/{number}/{name}");
        let target = host
            .cores(&file("effective_affinity_list"))
            .filter(|cores| !cores.is_empty())
            .or_else(|| host.cores(&file("smp_affinity_list")))
            .unwrap_or_default();
        let hit: Cores = target.intersection(&scope.cores).copied().collect();
        // Interrupts that never came do not matter yet.
        if let Some((name, true)) = names.get(&number)
            && !hit.is_empty()
        {
            landing.push(format!("{number} {name} on {}", cores_text(&hit)));
        }
    }
    let balanced = host
        .names("/proc")
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .any(|pid| host.read(&format!("/proc/{pid}/comm")).as_deref() == Some("irqbalance"));
    let severity = if scope.chosen {
        Severity::Warning
    } else {
        Severity::Note
    };
    let shown = landing
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = landing.len().saturating_sub(SHOWN);
    let mut found = match (landing.len(), more) {
        (0, _) => "none".to_owned(),
        (_, 0) => shown,
        (_, more) => format!("{shown}, and {more} more"),
    };
    if balanced {
        found += "; irqbalance runs and may move them";
    }
    vec![
        Finding::judged("interrupt-affinity", landing.is_empty(), severity)
            .found(found)
            .expected(if scope.chosen { "none on the chosen cores" } else { "none on the cores of your agents" })
            .why("an interrupt takes 2 to 20 microseconds from whoever runs there, and its caches with them")
            .remedy("for each: echo <other cores> > /proc/irq/N/smp_affinity_list (as root); at boot: irqaffinity=<other cores>; irqbalance: IRQBALANCE_BANNED_CPULIST"),
    ]
}

/// Each interrupt's name, and whether it has come yet.
fn interrupt_names(host: &Host) -> HashMap<String, (String, bool)> {
    let table = host.read("/proc/interrupts").unwrap_or_default();
    let columns = table
        .lines()
        .next()
        .map_or(0, |line| line.split_whitespace().count());
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (number, rest) = line.trim_start().split_once(':')?;
            let words: Vec<&str> = rest.split_whitespace().collect();
            let counts = words.get(..columns.min(words.len()))?;
            let came = counts
                .iter()
                .any(|count| count.parse::<u64>().is_ok_and(|count| count > 0));
            let name = words.last().copied().unwrap_or("?").to_owned();
            Some((number.to_owned(), (name, came)))
        })
        .collect()
}

/// Timers of others do not wander in.
pub fn timer_migration(host: &Host, _: &Scope) -> Vec<Finding> {
    let Some(value) = host.number("/proc/sys/kernel/timer_migration") else {
        return Vec::new();
    };
    vec![
        Finding::judged("timer-migration", value == 0, Severity::Note)
            .found(if value == 0 { "off" } else { "on" })
            .expected("off")
            .why("timers started elsewhere may be moved to a core that seems idle and fire there")
            .remedy("sysctl -w kernel.timer_migration=0 (as root)"),
    ]
}

/// No watchdog wakes on the chosen cores.
pub fn watchdogs(host: &Host, _: &Scope) -> Vec<Finding> {
    let on: Vec<&str> = ["nmi_watchdog", "soft_watchdog"]
        .into_iter()
        .filter(|name| host.number(&format!("/proc/sys/kernel/{name}")) == Some(1))
        .collect();
    vec![
        Finding::judged("watchdogs", on.is_empty(), Severity::Note)
            .found(if on.is_empty() { "off".to_owned() } else { on.join(", ") })
            .expected("off on the cores of agents")
            .why("they wake a kernel thread on every core every few seconds, and the NMI watchdog takes a performance counter")
            .remedy("sysctl -w kernel.watchdog=0 (as root), or kernel.watchdog_cpumask without those cores"),
    ]
}

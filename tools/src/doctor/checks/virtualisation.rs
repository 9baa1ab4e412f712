//! What a hypervisor, and the mitigations of processor bugs, take.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::Host;
use crate::doctor::scope::Scope;

/// Stolen time of this share, in thousandths of a per cent, matters: 0.05 %.
const STEAL_LIMIT: u64 = 50;

/// The hypervisor does not take the cores away.
pub fn steal(host: &Host, scope: &Scope) -> Vec<Finding> {
    let is_virtual = host.is_virtual();
    let stat = host.read("/proc/stat").unwrap_or_default();
    let (mut stolen, mut total) = (0, 0);
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let Some(core) = words
            .next()
            .and_then(|name| name.strip_prefix("cpu")?.parse::<usize>().ok())
        else {
            continue;
        };
        let ticks: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        if scope.cores.contains(&core) && ticks.len() >= 8 {
            stolen += ticks[7];
            total += ticks[..8].iter().sum::<u64>();
        }
    }
    let share = (stolen * 100_000).checked_div(total).unwrap_or(0);
    let severity = match (is_virtual, share > STEAL_LIMIT) {
        (false, _) => Severity::Ok,
        (true, false) => Severity::Note,
        (true, true) => Severity::Warning,
    };
    vec![
        Finding::new("virtualisation", severity)
            .found(if is_virtual {
                format!(
                    "a virtual machine; {}.{:03} % of its time stolen since boot",
                    share / 1000,
                    share % 1000
                )
            } else {
                "no hypervisor".to_owned()
            })
            .expected("no hypervisor, or no stolen time on pinned virtual cores")
            .why("the hypervisor takes a core away for milliseconds, whatever this kernel is told; exits cost microseconds")
            .remedy("bare metal, or a dedicated host with virtual cores pinned to physical ones (isolated there) and halt polling"),
    ]
}

/// What the kernel does against processor bugs.
pub fn mitigations(host: &Host, _: &Scope) -> Vec<Finding> {
    const DIRECTORY: &str = "/sys/devices/system/cpu/vulnerabilities";
    let active: Vec<String> = host
        .names(DIRECTORY)
        .into_iter()
        .filter(|name| {
            host.read(&format!("{DIRECTORY}/{name}"))
                .is_some_and(|text| text.starts_with("Mitigation"))
        })
        .collect();
    vec![
        Finding::judged("mitigations", active.is_empty(), Severity::Note)
            .found(if active.is_empty() { "none active".to_owned() } else { active.join(", ") })
            .expected("as your security rules say")
            .why("they cost system calls, interrupts and process switches 10 to 50 % each; the path from claim to handler makes no system call")
            .remedy("mitigations=off on the kernel's command line, on hosts that run nothing but trusted code"),
    ]
}

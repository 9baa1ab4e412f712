//! Whether the chosen cores are left alone, awake and alone on their pipeline.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::{Cores, Host, cores_text, parse_cores};
use crate::doctor::scope::Scope;

/// An idle state that takes longer than this to leave is too deep, in microseconds.
const DEEPEST_EXIT_US: u64 = 2;

/// A boot parameter's cores against the chosen ones.
fn covered(check: &'static str, scope: &Scope, covered: &Cores) -> Finding {
    let open: Cores = scope.cores.difference(covered).copied().collect();
    let severity = if scope.chosen {
        Severity::Warning
    } else {
        Severity::Note
    };
    let good = if scope.chosen {
        open.is_empty()
    } else {
        !covered.is_empty()
    };
    Finding::judged(check, good, severity)
        .found(if covered.is_empty() {
            "no core".to_owned()
        } else {
            format!("cores {}", cores_text(covered))
        })
        .expected(if scope.chosen {
            format!("cores {}", cores_text(&scope.cores))
        } else {
            "the cores of your agents".to_owned()
        })
}

/// The scheduler puts nobody else there.
pub fn isolated(host: &Host, scope: &Scope) -> Vec<Finding> {
    let isolated = host
        .cores("/sys/devices/system/cpu/isolated")
        .unwrap_or_default();
    vec![
        covered("isolated-cores", scope, &isolated)
            .why("the scheduler puts other work on cores that are not isolated: a spinning agent loses milliseconds at a time")
            .remedy(format!(
                "isolcpus=managed_irq,domain,{} on the kernel's command line; without a reboot: a cpuset partition (AllowedCPUs= of selvedge.slice, cpuset.cpus.partition=isolated)",
                scope.isolated_text()
            )),
    ]
}

/// The timer tick is off.
pub fn tickless(host: &Host, scope: &Scope) -> Vec<Finding> {
    let tickless = host
        .cores("/sys/devices/system/cpu/nohz_full")
        .unwrap_or_default();
    vec![
        covered("nohz-full", scope, &tickless)
            .why("the timer tick interrupts a core 100 to 1000 times a second, for 1 to 5 microseconds each")
            .remedy(format!("nohz_full={} on the kernel's command line (needs CONFIG_NO_HZ_FULL)", scope.isolated_text())),
    ]
}

/// RCU's work is done elsewhere.
pub fn rcu_callbacks(host: &Host, scope: &Scope) -> Vec<Finding> {
    let named = host
        .boot_parameter("rcu_nocbs")
        .and_then(|text| match text.as_str() {
            "all" => Some(host.online()),
            _ => parse_cores(&text),
        })
        .unwrap_or_default();
    // Tickless cores are offloaded too.
    let tickless = host
        .cores("/sys/devices/system/cpu/nohz_full")
        .unwrap_or_default();
    let offloaded: Cores = named.union(&tickless).copied().collect();
    vec![
        covered("rcu-nocbs", scope, &offloaded)
            .why("the kernel runs its deferred frees in softirqs on every core that is not exempt: tens of microseconds")
            .remedy(format!("rcu_nocbs={} on the kernel's command line", scope.isolated_text())),
    ]
}

/// No hyperthread beside a chosen core works for somebody else.
pub fn hyperthreads(host: &Host, scope: &Scope) -> Vec<Finding> {
    let mut shared = Vec::new();
    for &core in &scope.cores {
        let siblings = host
            .cores(&Host::core_file(core, "topology/thread_siblings_list"))
            .unwrap_or_default();
        for &sibling in siblings.iter().filter(|&&sibling| sibling > core) {
            shared.push((core, sibling, scope.cores.contains(&sibling)));
        }
    }
    let both = scope.chosen && shared.iter().any(|(_, _, both)| *both);
    let severity = match (shared.is_empty(), both) {
        (true, _) => Severity::Ok,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Note,
    };
    let pairs: Vec<String> = shared
        .iter()
        .take(8)
        .map(|(core, sibling, _)| format!("{core}+{sibling}"))
        .collect();
    vec![
        Finding::new("hyperthreads", severity)
            .found(match shared.len() {
                0 => "no chosen core has a hyperthread beside it".to_owned(),
                count => format!("{count} pairs on one core: {}", pairs.join(" ")),
            })
            .expected("one agent a physical core, its sibling idle or off")
            .why("two hyperthreads share pipeline and caches: each runs at about 60 %, and a busy sibling doubles the tail")
            .remedy("choose one of each pair, and switch the other off: echo 0 > /sys/devices/system/cpu/cpuN/online (as root; at boot: nosmt)"),
    ]
}

/// The clock frequency stays up.
pub fn governor(host: &Host, scope: &Scope) -> Vec<Finding> {
    let mut others: Vec<String> = Vec::new();
    let mut known = false;
    for &core in &scope.cores {
        if let Some(governor) = host.read(&Host::core_file(core, "cpufreq/scaling_governor")) {
            known = true;
            if governor != "performance" {
                others.push(format!("core {core}: {governor}"));
            }
        }
    }
    if !known {
        return vec![
            Finding::new("frequency-governor", Severity::Note)
                .found("the kernel does not control the frequency here")
                .expected("performance")
                .why("in a virtual machine the host decides how fast the cores run")
                .remedy("set the governor on the host, or the performance profile in the firmware"),
        ];
    }
    vec![
        Finding::judged("frequency-governor", others.is_empty(), Severity::Warning)
            .found(if others.is_empty() { "performance".to_owned() } else { others.join(", ") })
            .expected("performance")
            .why("a core that clocks down runs the path at half speed, and takes 10 to 100 microseconds to come back")
            .remedy("cpupower frequency-set -g performance (as root)"),
    ]
}

/// Cores do not sleep deeply.
pub fn idle_states(host: &Host, scope: &Scope) -> Vec<Finding> {
    let mut deep: Vec<String> = Vec::new();
    let core = scope.cores.first().copied().unwrap_or(0);
    for state in host.names(&Host::core_file(core, "cpuidle")) {
        let file = |name: &str| Host::core_file(core, &format!("cpuidle/{state}/{name}"));
        let exit = host.number(&file("latency")).unwrap_or(0);
        let disabled = host.number(&file("disable")).unwrap_or(0) != 0;
        if exit > DEEPEST_EXIT_US && !disabled {
            let name = host.read(&file("name")).unwrap_or(state);
            deep.push(format!("{name} ({exit} us)"));
        }
    }
    // An agent that spins never lets its core sleep; one that parks does.
    let sleeps = scope
        .topology
        .as_ref()
        .is_none_or(|topology| topology.agents().iter().any(|agent| !agent.spins()));
    let severity = if sleeps {
        Severity::Warning
    } else {
        Severity::Note
    };
    vec![
        Finding::judged("idle-states", deep.is_empty(), severity)
            .found(if deep.is_empty() { "none deeper than C1".to_owned() } else { deep.join(", ") })
            .expected(format!("none that takes more than {DEEPEST_EXIT_US} us to leave"))
            .why("a core that sleeps deeply wakes late, with cold caches; its neighbours clock differently meanwhile")
            .remedy("hold /dev/cpu_dma_latency open at 0 (the tuned profile does), or idle=poll or intel_idle.max_cstate=1 processor.max_cstate=1 on the kernel's command line"),
    ]
}

/// Whether the frequency may rise above nominal.
pub fn turbo(host: &Host, _: &Scope) -> Vec<Finding> {
    let on = match (
        host.number("/sys/devices/system/cpu/intel_pstate/no_turbo"),
        host.number("/sys/devices/system/cpu/cpufreq/boost"),
    ) {
        (Some(no_turbo), _) => no_turbo == 0,
        (None, Some(boost)) => boost != 0,
        (None, None) => return Vec::new(),
    };
    vec![
        Finding::judged("turbo", !on, Severity::Note)
            .found(if on { "on" } else { "off" })
            .expected("off for even latency, on for the lowest")
            .why("with turbo the frequency depends on what neighbours do and on heat: lower medians, wider tails")
            .remedy("echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > /sys/devices/system/cpu/cpufreq/boost (as root)"),
    ]
}

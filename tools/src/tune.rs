//! `tune plan`: what an expert would set on this host, as a script to read and run. Applies nothing.

use crate::doctor::{Host, Scope, Severity, findings};
use crate::error::Result;
use crate::topology;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Options of `tune`.
#[derive(Args, Clone, Debug)]
pub struct TuneArgs {
    #[command(subcommand)]
    command: TuneCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum TuneCommand {
    /// Print the script: every command with its reason and its undo. Nothing is applied
    #[command(after_help = "\
Examples:
  selvedge tune plan fabric.toml > tune.sh    read it, then: sudo sh tune.sh
  sudo sh tune.sh undo                        as it was before")]
    Plan {
        /// The topology file.
        topology: PathBuf,
    },
}

/// One change.
struct Step {
    /// The doctor's checks that call for it.
    checks: &'static [&'static str],
    reason: &'static str,
    apply: String,
    undo: String,
}

/// Prints the plan.
pub fn run(args: &TuneArgs) -> Result<()> {
    let TuneCommand::Plan { topology: path } = &args.command;
    let host = Host::this();
    let scope = Scope::new(&host, None, Some(topology::load(path)?));
    let wrong: Vec<&'static str> = findings(&host, &scope)
        .into_iter()
        .filter(|finding| finding.severity > Severity::Ok)
        .map(|finding| finding.check)
        .collect();
    print!("{}", script(&host, &scope, &wrong));
    Ok(())
}

fn script(host: &Host, scope: &Scope, wrong: &[&str]) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# Printed by `selvedge tune plan`; nothing has been applied. Read it, then run it as root.\n\
         #   sh tune.sh         apply          sh tune.sh undo    as it was when this was printed\n\
         set -eu\nmode=${1:-apply}\n",
    );
    let (now, boot) = (steps(host, scope), boot_parameters(scope, wrong));
    let wanted = |step: &&Step| step.checks.iter().any(|check| wrong.contains(check));
    // Writing into a string does not fail.
    for step in now.iter().filter(wanted) {
        let _ = writeln!(
            text,
            "\n# {}: {}\nif [ \"$mode\" = apply ]; then\n    {}\nelse\n    {}\nfi",
            step.checks.join(", "),
            step.reason,
            step.apply,
            step.undo
        );
    }
    if !boot.is_empty() {
        let parameters: Vec<&str> = boot.iter().map(|(parameter, _)| &**parameter).collect();
        let _ = writeln!(
            text,
            "\n# Only at boot. Add to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and\n\
             # reboot; undo: remove them again.\n#   {}",
            parameters.join(" ")
        );
        for (parameter, reason) in &boot {
            let _ = writeln!(text, "#   {parameter}: {reason}");
        }
    }
    let _ = writeln!(text, "\n# Afterwards: selvedge doctor FILE");
    text
}

/// A setting in a file: written now, and what it was to go back.
fn setting(
    host: &Host,
    checks: &'static [&'static str],
    reason: &'static str,
    path: &str,
    value: &str,
) -> Option<Step> {
    let before = host.chosen(path).or_else(|| host.read(path))?;
    Some(Step {
        checks,
        reason,
        apply: format!("echo {value} > {path}"),
        undo: format!("echo {before} > {path}"),
    })
}

fn steps(host: &Host, scope: &Scope) -> Vec<Step> {
    let pages = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    let total = host.number(pages).unwrap_or(0);
    let wanted = total + scope.ring_bytes().div_ceil(2 << 20) + 8;
    let kernel = |name: &str| format!("/proc/sys/kernel/{name}");
    let mut steps: Vec<Step> = [
        setting(
            host,
            &["hugepages-reserved"],
            "rings in hugepages: no TLB misses on the path",
            pages,
            &wanted.to_string(),
        ),
        setting(
            host,
            &["transparent-hugepages"],
            "khugepaged stops processes for milliseconds",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "madvise",
        ),
        setting(
            host,
            &["numa-balancing"],
            "it unmaps pages to see who touches them",
            &kernel("numa_balancing"),
            "0",
        ),
        setting(
            host,
            &["timer-migration"],
            "timers of others fire on quiet cores",
            &kernel("timer_migration"),
            "0",
        ),
        setting(
            host,
            &["watchdogs"],
            "they wake a thread on every core",
            &kernel("watchdog"),
            "0",
        ),
        setting(
            host,
            &["realtime-throttling"],
            "a spinning real-time thread is stopped for 50 ms a second",
            &kernel("sched_rt_runtime_us"),
            "-1",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    steps.push(Step {
        checks: &["hugetlbfs-mounted"],
        reason: "shared hugepages come from a file there",
        apply: "mkdir -p /dev/hugepages-2M && mount -t hugetlbfs -o pagesize=2M,mode=1777 none /dev/hugepages-2M".to_owned(),
        undo: "umount /dev/hugepages-2M".to_owned(),
    });
    steps.push(Step {
        checks: &["memlock-limit"],
        reason: "locked memory is never paged out; holds from the next login on, services have LimitMEMLOCK=",
        apply: "printf '* - memlock unlimited\\nroot - memlock unlimited\\n' > /etc/security/limits.d/selvedge.conf".to_owned(),
        undo: "rm -f /etc/security/limits.d/selvedge.conf".to_owned(),
    });
    steps.push(Step {
        checks: &["swap"],
        reason: "what is swapped out comes back in milliseconds; for good: /etc/fstab",
        apply: "swapoff -a".to_owned(),
        undo: "swapon -a".to_owned(),
    });
    steps.extend(cores(host, scope));
    steps
}

/// Governor and interrupts, core by core.
fn cores(host: &Host, scope: &Scope) -> Vec<Step> {
    let mut steps = Vec::new();
    for &core in &scope.cores {
        let path = Host::core_file(core, "cpufreq/scaling_governor");
        steps.extend(setting(
            host,
            &["frequency-governor"],
            "a core that clocks down is slow to come back",
            &path,
            "performance",
        ));
    }
    let others: Vec<usize> = host.online().difference(&scope.cores).copied().collect();
    if others.is_empty() {
        return steps;
    }
    let target = crate::doctor::cores_text(&others);
    for number in host.names("/proc/irq") {
        let file = format!("/proc/irq/{number}/smp_affinity_list");
        let Some(before) = host.cores(&file) else {
            continue;
        };
        if before.is_disjoint(&scope.cores) {
            continue;
        }
        steps.push(Step {
            checks: &["interrupt-affinity"],
            reason: "interrupts take microseconds from whoever runs there; some cannot be moved",
            apply: format!("echo {target} > {file} || true"),
            undo: format!(
                "echo {} > {file} || true",
                crate::doctor::cores_text(&before)
            ),
        });
    }
    steps
}

fn boot_parameters(scope: &Scope, wrong: &[&str]) -> Vec<(String, &'static str)> {
    let cores = scope.isolated_text();
    let all = [
        (
            "isolated-cores",
            format!("isolcpus=managed_irq,domain,{cores}"),
            "the scheduler puts nobody else there",
        ),
        ("nohz-full", format!("nohz_full={cores}"), "no timer tick"),
        (
            "rcu-nocbs",
            format!("rcu_nocbs={cores}"),
            "the kernel's deferred frees run elsewhere",
        ),
        (
            "clocksource",
            "tsc=reliable".to_owned(),
            "the counter stays the clock",
        ),
        (
            "idle-states",
            "intel_idle.max_cstate=1 processor.max_cstate=1".to_owned(),
            "cores that park wake at once",
        ),
    ];
    all.into_iter()
        .filter(|(check, ..)| scope.chosen && wrong.contains(check))
        .map(|(_, parameter, reason)| (parameter, reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_a_reason_and_an_undo_for_each_change_and_only_those_called_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            std::fs::write(path, text).expect("a file");
        };
        put("proc/sys/kernel/numa_balancing", "1");
        put("proc/sys/kernel/timer_migration", "1");
        put(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "[always] madvise never",
        );
        put("sys/devices/system/cpu/online", "0-3");
        put("proc/irq/9/smp_affinity_list", "0-3");
        let host = Host::under(directory.path());
        let scope = Scope::new(&host, Some([2, 3].into()), None);
        let wrong = [
            "numa-balancing",
            "transparent-hugepages",
            "interrupt-affinity",
            "nohz-full",
        ];
        let script = script(&host, &scope, &wrong);
        for part in [
            "echo 0 > /proc/sys/kernel/numa_balancing\nelse\n    echo 1 > /proc/sys/kernel/numa_balancing",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled\nelse\n    echo always >",
            "echo 0-1 > /proc/irq/9/smp_affinity_list || true\nelse\n    echo 0-3 >",
            "nohz_full=2-3",
        ] {
            assert!(script.contains(part), "no {part} in {script}");
        }
        for part in ["timer_migration", "swapoff", "isolcpus"] {
            assert!(!script.contains(part), "{part} in {script}");
        }
    }
}

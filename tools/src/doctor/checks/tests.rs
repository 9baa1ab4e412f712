//! Two hosts made of files: one as an expert would have it, one as it comes.

use super::*;
use crate::doctor::finding::Severity;
use crate::doctor::host::parse_cores;
use std::path::Path;
use tempfile::TempDir;

struct FakeHost(TempDir);

impl FakeHost {
    fn new() -> Self {
        FakeHost(tempfile::tempdir().expect("a directory"))
    }

    fn put(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, text).expect("a file");
        self
    }

    fn findings(&self, cores: &str) -> Vec<Finding> {
        let host = Host::under(self.0.path());
        let named = (!cores.is_empty()).then(|| parse_cores(cores).expect("a list"));
        let scope = Scope::new(&host, named, None);
        run(&host, &scope)
    }

    /// What both hosts have.
    fn common(&self) -> &Self {
        self.put("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3\n")
            .put("sys/devices/system/cpu/online", "0-3\n")
            .put("dev/shm/x", "")
            .put("proc/self/cgroup", "0::/a/b\n");
        for core in 0..4 {
            self.put(&Host::core_file(core, "topology/physical_package_id"), "0")
                .put(&Host::core_file(core, "node0/x"), "");
        }
        self
    }

    fn good() -> Self {
        let host = FakeHost::new();
        host.common()
            .put(
                "proc/cmdline",
                "quiet isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3",
            )
            .put("sys/devices/system/cpu/isolated", "2-3\n")
            .put("sys/devices/system/cpu/nohz_full", "2-3\n")
            .put("proc/cpuinfo", "flags\t\t: fpu constant_tsc nonstop_tsc\n")
            .put(
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "tsc\n",
            )
            .put(
                "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                "64\n",
            )
            .put(
                "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
                "64\n",
            )
            .put(
                "proc/mounts",
                "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n",
            )
            .put(
                "proc/self/limits",
                "Max locked memory         unlimited            unlimited            bytes\n",
            )
            .put(
                "sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            )
            .put("proc/swaps", "Filename Type Size Used Priority\n")
            .put("proc/sys/kernel/numa_balancing", "0\n")
            .put("proc/sys/kernel/sched_rt_runtime_us", "-1\n")
            .put("proc/sys/kernel/timer_migration", "0\n")
            .put("proc/sys/kernel/nmi_watchdog", "0\n")
            .put("proc/sys/kernel/soft_watchdog", "0\n")
            .put("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n")
            .put(
                "proc/interrupts",
                "  CPU0 CPU1 CPU2 CPU3\n 24: 5 0 0 0 eth0\n",
            )
            .put("proc/irq/24/effective_affinity_list", "0\n")
            .put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
        for core in 0..4 {
            host.put(
                &Host::core_file(core, "topology/thread_siblings_list"),
                &core.to_string(),
            )
            .put(
                &Host::core_file(core, "cpufreq/scaling_governor"),
                "performance\n",
            )
            .put(&Host::core_file(core, "cpuidle/state0/latency"), "0\n");
        }
        host
    }

    fn bad() -> Self {
        let host = FakeHost::new();
        host.common()
            .put("proc/cmdline", "quiet")
            .put("sys/devices/system/cpu/isolated", "\n")
            .put("sys/devices/system/cpu/nohz_full", "\n")
            .put("proc/cpuinfo", "flags\t\t: fpu hypervisor\n")
            .put(
                "sys/devices/system/clocksource/clocksource0/current_clocksource",
                "hpet\n",
            )
            .put("proc/mounts", "")
            .put(
                "proc/self/limits",
                "Max locked memory         65536            65536            bytes\n",
            )
            .put(
                "sys/kernel/mm/transparent_hugepage/enabled",
                "[always] madvise never\n",
            )
            .put(
                "proc/swaps",
                "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n",
            )
            .put("proc/sys/kernel/numa_balancing", "1\n")
            .put("proc/sys/kernel/sched_rt_runtime_us", "950000\n")
            .put("proc/sys/kernel/timer_migration", "1\n")
            .put("proc/sys/kernel/nmi_watchdog", "1\n")
            .put("sys/devices/system/cpu/cpufreq/boost", "1\n")
            .put(
                "sys/devices/system/cpu/vulnerabilities/retbleed",
                "Mitigation: IBRS\n",
            )
            .put(
                "proc/stat",
                "cpu 0\ncpu0 0 0 0 0 0 0 0 0\ncpu2 900 0 0 0 0 0 0 100\n",
            )
            .put(
                "proc/interrupts",
                "  CPU0 CPU1 CPU2 CPU3\n 24: 0 0 7 0 eth0\n 25: 0 0 0 0 idle\n",
            )
            .put("proc/irq/24/effective_affinity_list", "2\n")
            .put("proc/irq/25/effective_affinity_list", "2\n")
            .put("proc/77/comm", "irqbalance\n")
            .put("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
        host.put(&Host::core_file(3, "topology/physical_package_id"), "1");
        for core in 0..4 {
            host.put(
                &Host::core_file(core, "topology/thread_siblings_list"),
                "2-3",
            )
            .put(
                &Host::core_file(core, "cpufreq/scaling_governor"),
                "powersave\n",
            )
            .put(&Host::core_file(core, "cpuidle/state3/name"), "C6\n")
            .put(&Host::core_file(core, "cpuidle/state3/latency"), "133\n")
            .put(&Host::core_file(core, "cpuidle/state3/disable"), "0\n");
        }
        host
    }
}

#[test]
fn a_host_as_an_expert_would_have_it_has_nothing_to_mend() {
    let host = FakeHost::good();
    let complaints: Vec<Finding> = host
        .findings("2-3")
        .into_iter()
        .filter(|finding| finding.severity > Severity::Ok)
        .collect();
    assert_eq!(complaints, []);
}

#[test]
fn everything_that_is_wrong_is_found_and_explained() {
    let findings = FakeHost::bad().findings("2-3");
    let expected = [
        ("cores-near", Severity::Warning, "socket 1 node 0: cores 3"),
        ("hugepages-reserved", Severity::Warning, "0 of 0 pages"),
        ("hugetlbfs-mounted", Severity::Warning, "no hugetlbfs"),
        ("memlock-limit", Severity::Warning, "64.0 KiB"),
        ("transparent-hugepages", Severity::Warning, "always"),
        ("swap", Severity::Warning, "/dev/sda2"),
        ("numa-balancing", Severity::Warning, "on"),
        ("isolated-cores", Severity::Warning, "no core"),
        ("nohz-full", Severity::Warning, "no core"),
        ("rcu-nocbs", Severity::Warning, "no core"),
        ("hyperthreads", Severity::Warning, "2+3"),
        ("frequency-governor", Severity::Warning, "powersave"),
        ("idle-states", Severity::Warning, "C6 (133 us)"),
        ("turbo", Severity::Note, "on"),
        (
            "interrupt-affinity",
            Severity::Warning,
            "24 eth0 on 2; irqbalance",
        ),
        ("timer-migration", Severity::Note, "on"),
        ("watchdogs", Severity::Note, "nmi_watchdog"),
        ("realtime-throttling", Severity::Note, "950000"),
        ("cpu-quota", Severity::Error, "50000 100000 in /a"),
        (
            "tsc-flags",
            Severity::Warning,
            "without constant_tsc nonstop_tsc",
        ),
        ("clocksource", Severity::Warning, "hpet"),
        ("virtualisation", Severity::Warning, "10.000 %"),
        ("mitigations", Severity::Note, "retbleed"),
    ];
    for (check, severity, found) in expected {
        let finding = findings
            .iter()
            .find(|finding| finding.check == check)
            .unwrap_or_else(|| panic!("no finding {check}"));
        assert_eq!(finding.severity, severity, "{finding:?}");
        assert!(finding.found.contains(found), "{finding:?}");
        assert!(
            !finding.why.is_empty() && !finding.remedy.is_empty(),
            "{finding:?}"
        );
        assert!(!finding.expected.is_empty(), "{finding:?}");
    }
}

#[test]
fn cores_that_are_not_there_or_not_allowed_are_errors() {
    let host = FakeHost::good();
    let severity = |cores: &str| {
        host.findings(cores)
            .into_iter()
            .find(|finding| finding.check == "cores-available")
            .map(|finding| (finding.severity, finding.found))
    };
    assert_eq!(
        severity("2-3").map(|(severity, _)| severity),
        Some(Severity::Ok)
    );
    let (worst, found) = severity("3-9").expect("a finding");
    assert_eq!(worst, Severity::Error);
    assert!(found.contains("4-9 do not exist"), "{found}");
    host.put("proc/self/status", "Cpus_allowed_list:\t0-2\n");
    let (worst, found) = severity("2-3").expect("a finding");
    assert_eq!(worst, Severity::Error);
    assert!(found.contains("cores 3 may not be used"), "{found}");
}

#[test]
fn the_plan_is_judged_by_this_host() {
    let host = FakeHost::good();
    let text = "[fabric]\nname = \"t\"\n[memory]\nhugepages = \"1GiB\"\nnuma_node = 1\n\
                [sequencer]\ncore = 0\nidle = \"busy\"\n[standby]\ncore = 1\n\
                [[producer]]\nname = \"a\"\ncore = 2\nidle = \"busy\"\n\
                [[consumer]]\nname = \"b\"\ncore = 3\nidle = \"busy\"\n\
                [[consumer]]\nname = \"c\"\nidle = \"busy\"\n";
    let path = host.0.path().join("fabric.toml");
    std::fs::write(&path, text).expect("a file");
    let topology = crate::topology::load(&path).expect("a right file");
    let fake = Host::under(host.0.path());
    let scope = Scope::new(&fake, None, Some(topology));
    let findings = run(&fake, &scope);
    let severity = |check: &str| {
        findings
            .iter()
            .find(|finding| finding.check == check)
            .map(|finding| finding.severity)
    };
    assert_eq!(severity("enough-cores"), Some(Severity::Error));
    assert_eq!(severity("housekeeping-core"), Some(Severity::Warning));
    assert_eq!(severity("memory-near"), Some(Severity::Error));
    assert_eq!(severity("hugepages-reserved"), Some(Severity::Error));
    assert_eq!(severity("hugetlbfs-mounted"), Some(Severity::Error));
    assert_eq!(severity("cores-available"), Some(Severity::Ok));
}

#[test]
fn a_host_without_any_of_the_files_is_judged_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = Host::under(directory.path());
    let scope = Scope::new(&host, None, None);
    let findings = run(&host, &scope);
    assert!(
        findings
            .iter()
            .any(|finding| finding.check == "hugepages-reserved")
    );
    let _: &Path = directory.path();
}

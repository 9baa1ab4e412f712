//! Limits on how long an agent may run.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::Host;
use crate::doctor::scope::Scope;

/// Real-time threads are not stopped for a share of each second.
pub fn realtime_throttling(host: &Host, _: &Scope) -> Vec<Finding> {
    let Some(value) = host.read("/proc/sys/kernel/sched_rt_runtime_us") else {
        return Vec::new();
    };
    vec![
        Finding::judged("realtime-throttling", value == "-1", Severity::Note)
            .found(format!("kernel.sched_rt_runtime_us = {value}"))
            .expected("-1, if agents run with a real-time priority")
            .why("a real-time thread that spins is stopped for the rest of each second: 50 ms at the default of 950000")
            .remedy("sysctl -w kernel.sched_rt_runtime_us=-1 (as root), and only on isolated cores: a spinning real-time thread starves everybody else there"),
    ]
}

/// No control group takes the core away.
pub fn control_groups(host: &Host, _: &Scope) -> Vec<Finding> {
    let groups = host.read("/proc/self/cgroup").unwrap_or_default();
    let mut limit = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        // A limit anywhere above holds too.
        let mut path = path.trim_end_matches('/');
        loop {
            let found = if controllers.is_empty() {
                host.read(&format!("/sys/fs/cgroup{path}/cpu.max"))
                    .filter(|text| !text.starts_with("max"))
                    .map(|text| format!("cpu.max = {text} in {path}"))
            } else if controllers.split(',').any(|name| name == "cpu") {
                host.read(&format!("/sys/fs/cgroup/cpu{path}/cpu.cfs_quota_us"))
                    .filter(|text| text != "-1")
                    .map(|text| format!("cpu.cfs_quota_us = {text} in {path}"))
            } else {
                None
            };
            limit = limit.or(found);
            match path.rfind('/') {
                Some(end) => path = &path[..end],
                None => break,
            }
        }
    }
    vec![
        Finding::judged("cpu-quota", limit.is_none(), Severity::Error)
            .found(limit.unwrap_or_else(|| "no limit".to_owned()))
            .expected("no limit on processor time")
            .why("an agent that spins uses up a quota at once, and is then stopped for the rest of each period (100 ms)")
            .remedy("systemd: no CPUQuota= on the unit or its slices; containers: whole cores by --cpuset-cpus and no --cpus"),
    ]
}

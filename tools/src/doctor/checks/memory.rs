//! Pages, limits, and what may move or swap them.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::Host;
use crate::doctor::scope::Scope;
use crate::text::bytes;
use selvedge_fabric::memory::Pages;

const HUGE: &str = "/sys/kernel/mm/hugepages";

/// Kilobytes of the pages the plan wants, and whether it insists on them.
fn wanted(scope: &Scope) -> Option<(u64, bool)> {
    match scope.topology.as_ref().map(|topology| topology.pages.value) {
        Some(Pages::Small) => None,
        Some(Pages::Require1GiB) => Some((1 << 20, true)),
        Some(Pages::Prefer1GiB) => Some((1 << 20, false)),
        Some(Pages::Require2MiB) => Some((2048, true)),
        Some(Pages::Prefer2MiB) | None => Some((2048, false)),
    }
}

/// Enough hugepages are free.
pub fn hugepages_reserved(host: &Host, scope: &Scope) -> Vec<Finding> {
    let Some((kilobytes, required)) = wanted(scope) else {
        return Vec::new();
    };
    let directory = format!("{HUGE}/hugepages-{kilobytes}kB");
    let total = host
        .number(&format!("{directory}/nr_hugepages"))
        .unwrap_or(0);
    let free = host
        .number(&format!("{directory}/free_hugepages"))
        .unwrap_or(0);
    let needed = scope.ring_bytes().div_ceil(kilobytes << 10).max(1);
    let severity = if required {
        Severity::Error
    } else {
        Severity::Warning
    };
    vec![
        Finding::judged("hugepages-reserved", free >= needed, severity)
            .found(format!("{free} of {total} pages of {} free", bytes(kilobytes << 10)))
            .expected(format!("{needed} free, for {} of rings", bytes(scope.ring_bytes())))
            .why("with small pages each ring takes hundreds of entries of the TLB, and a miss costs tens of nanoseconds on the path")
            .remedy(format!(
                "echo {} > {directory}/nr_hugepages (as root; at boot: vm.nr_hugepages, or hugepages= on the kernel's command line)",
                total + needed - free.min(needed) + 8
            )),
    ]
}

/// A file system that gives them out.
pub fn hugetlbfs_mounted(host: &Host, scope: &Scope) -> Vec<Finding> {
    let Some((kilobytes, required)) = wanted(scope) else {
        return Vec::new();
    };
    let option = if kilobytes == 2048 { "2M" } else { "1G" };
    let mounts = host.read("/proc/mounts").unwrap_or_default();
    let mount = mounts.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (path, kind, options) = (columns.get(1)?, columns.get(2)?, columns.get(3)?);
        let size = options
            .split(',')
            .find_map(|word| word.strip_prefix("pagesize="));
        let fits = match size {
            None => kilobytes == 2048,
            Some(size) => size == option || (size == "1024M" && kilobytes == 1 << 20),
        };
        (*kind == "hugetlbfs" && fits).then(|| (*path).to_owned())
    });
    let severity = if required {
        Severity::Error
    } else {
        Severity::Warning
    };
    vec![
        Finding::judged("hugetlbfs-mounted", mount.is_some(), severity)
            .found(mount.unwrap_or_else(|| format!("no hugetlbfs with pages of {option}")))
            .expected(format!("a hugetlbfs with pages of {option}"))
            .why("rings that several processes share come from hugepages only through a file there")
            .remedy(format!(
                "mkdir -p /dev/hugepages-{option} && mount -t hugetlbfs -o pagesize={option},mode=1777 none /dev/hugepages-{option} (as root)"
            )),
    ]
}

/// Processes may lock what they map.
pub fn memlock_limit(host: &Host, scope: &Scope) -> Vec<Finding> {
    let limits = host.read("/proc/self/limits").unwrap_or_default();
    let Some(soft) = limits.lines().find_map(|line| {
        line.strip_prefix("Max locked memory")?
            .split_whitespace()
            .next()
            .map(str::to_owned)
    }) else {
        return Vec::new();
    };
    // Every process maps the rings and the state of each bank.
    let needed = scope.ring_bytes() + (4 << 20);
    let limit = soft.parse::<u64>().ok();
    let enough = soft == "unlimited" || limit.is_some_and(|limit| limit >= needed);
    vec![
        Finding::judged("memlock-limit", enough, Severity::Warning)
            .found(match limit {
                Some(limit) => bytes(limit),
                None => soft,
            })
            .expected(format!("at least {}", bytes(needed)))
            .why("memory that is not locked can be paged out or migrated: a page fault on the path costs microseconds to milliseconds")
            .remedy("LimitMEMLOCK=infinity in the unit, or `* - memlock unlimited` in /etc/security/limits.d/selvedge.conf and a new login"),
    ]
}

/// `/dev/shm` holds the fabric.
pub fn shared_memory_size(host: &Host, scope: &Scope) -> Vec<Finding> {
    let place = scope
        .topology
        .as_ref()
        .and_then(|topology| topology.directory.clone())
        .filter(|directory| directory.exists())
        .unwrap_or_else(|| host.path("/dev/shm"));
    let Ok(status) = nix::sys::statvfs::statvfs(&place) else {
        return vec![
            Finding::new("shared-memory-size", Severity::Error)
                .found(format!("{} is not there", place.display()))
                .expected("a tmpfs")
                .why("fabrics lie in shared memory")
                .remedy("mount -t tmpfs -o mode=1777 tmpfs /dev/shm (as root)"),
        ];
    };
    let free = status.blocks_available() * status.fragment_size();
    // State files, registrations and cursors lie there even if rings have hugepages.
    let needed = scope.ring_bytes() + (8 << 20);
    vec![
        Finding::judged("shared-memory-size", free >= needed, Severity::Error)
            .found(format!("{} free in {}", bytes(free), place.display()))
            .expected(format!("at least {}", bytes(needed)))
            .why("a fabric reserves its memory when it is created, or is not created")
            .remedy(format!(
                "mount -o remount,size={}M {} (as root)",
                (needed >> 20) * 2,
                place.display()
            )),
    ]
}

/// No background compaction into huge pages.
pub fn transparent_hugepages(host: &Host, _: &Scope) -> Vec<Finding> {
    let Some(chosen) = host.chosen("/sys/kernel/mm/transparent_hugepage/enabled") else {
        return Vec::new();
    };
    vec![
        Finding::judged("transparent-hugepages", chosen != "always", Severity::Warning)
            .found(chosen.as_str())
            .expected("madvise or never")
            .why("khugepaged stops a process for up to milliseconds while it rearranges its memory")
            .remedy("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root; at boot: transparent_hugepage=madvise)"),
    ]
}

/// No swap.
pub fn swap(host: &Host, _: &Scope) -> Vec<Finding> {
    let Some(swaps) = host.read("/proc/swaps") else {
        return Vec::new();
    };
    let devices: Vec<&str> = swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    vec![
        Finding::judged("swap", devices.is_empty(), Severity::Warning)
            .found(if devices.is_empty() {
                "off".to_owned()
            } else {
                devices.join(", ")
            })
            .expected("off")
            .why("what is swapped out comes back in milliseconds, in the middle of a message")
            .remedy("swapoff -a (as root), and no swap line in /etc/fstab"),
    ]
}

/// The kernel does not move pages between nodes.
pub fn numa_balancing(host: &Host, _: &Scope) -> Vec<Finding> {
    let Some(value) = host.number("/proc/sys/kernel/numa_balancing") else {
        return Vec::new();
    };
    vec![
        Finding::judged("numa-balancing", value == 0, Severity::Warning)
            .found(if value == 0 { "off" } else { "on" })
            .expected("off")
            .why("it unmaps pages to see who touches them: each costs a page fault on the path")
            .remedy("sysctl -w kernel.numa_balancing=0 (as root)"),
    ]
}

//! Whether this host can do what the topology file says.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::{Cores, Host, cores_text};
use crate::doctor::scope::Scope;
use crate::text::bytes;

/// Every core exists and may be used.
pub fn cores_are_there(host: &Host, scope: &Scope) -> Vec<Finding> {
    let (online, allowed) = (host.online(), host.allowed());
    let missing: Cores = scope.cores.difference(&online).copied().collect();
    let forbidden: Cores = scope
        .cores
        .intersection(&online)
        .filter(|core| !allowed.contains(core))
        .copied()
        .collect();
    let found = if !missing.is_empty() {
        format!(
            "cores {} do not exist; this host has {}",
            cores_text(&missing),
            cores_text(&online)
        )
    } else if !forbidden.is_empty() {
        format!(
            "cores {} may not be used by this process, only {}",
            cores_text(&forbidden),
            cores_text(&allowed)
        )
    } else {
        format!("cores {}", cores_text(&scope.cores))
    };
    let good = missing.is_empty() && forbidden.is_empty();
    vec![
        Finding::judged("cores-available", good, Severity::Error)
            .found(found)
            .expected("every core of the plan exists and may be used")
            .why("an agent that cannot be pinned does not start")
            .remedy(if missing.is_empty() {
                "widen the cpuset (systemd: AllowedCPUs=; containers: --cpuset-cpus) or choose other cores"
            } else {
                "choose other cores in the topology file (`core = …`)"
            }),
    ]
}

/// No more spinning agents than cores.
pub fn enough_cores(host: &Host, scope: &Scope) -> Vec<Finding> {
    let Some(topology) = &scope.topology else {
        return Vec::new();
    };
    let spinning: Vec<&str> = topology
        .agents()
        .iter()
        .filter(|agent| agent.spins())
        .map(|agent| &*agent.role)
        .collect();
    let cores = host.allowed().len();
    // One core is left for the kernel, and for everybody else.
    let severity = match spinning.len() {
        count if count > cores => Severity::Error,
        count if count == cores => Severity::Warning,
        _ => Severity::Ok,
    };
    vec![
        Finding::new("enough-cores", severity)
            .found(format!(
                "{} agents spin ({}), {cores} cores",
                spinning.len(),
                spinning.join(", ")
            ))
            .expected("fewer spinning agents than cores")
            .why("an agent that spins takes a whole core; two on one core wait for each other for milliseconds")
            .remedy("idle = \"yield\" or \"park\" for those that need no latency, or a host with more cores"),
    ]
}

/// All cores on one socket and one NUMA node, and the memory with them.
pub fn cores_near_each_other(host: &Host, scope: &Scope) -> Vec<Finding> {
    if !scope.chosen {
        return Vec::new();
    }
    let mut places: Vec<(u64, u64, usize)> = scope
        .cores
        .iter()
        .filter_map(|&core| Some((host.socket_of(core)?, host.node_of(core).unwrap_or(0), core)))
        .collect();
    places.sort_unstable();
    let mut groups: Vec<String> = Vec::new();
    for group in places.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        let cores: Vec<usize> = group.iter().map(|place| place.2).collect();
        groups.push(format!(
            "socket {} node {}: cores {}",
            group[0].0,
            group[0].1,
            cores_text(&cores)
        ));
    }
    let mut findings = vec![
        Finding::judged("cores-near", groups.len() <= 1, Severity::Warning)
            .found(groups.join("; "))
            .expected("all on one socket and one NUMA node")
            .why(
                "a cache line takes two to four times as long to another socket: every hop pays it",
            )
            .remedy("choose cores of one socket (lscpu -e shows them)"),
    ];
    if let Some(node) = scope
        .topology
        .as_ref()
        .and_then(|topology| topology.numa_node)
    {
        let known = host
            .path(&format!("/sys/devices/system/node/node{}", node.value))
            .exists();
        let away: Vec<usize> = places
            .iter()
            .filter(|place| place.1 != node.value)
            .map(|place| place.2)
            .collect();
        findings.push(
            Finding::judged(
                "memory-near",
                known && away.is_empty(),
                if known { Severity::Warning } else { Severity::Error },
            )
            .found(match (known, away.is_empty()) {
                (false, _) => format!("there is no NUMA node {}", node.value),
                (true, true) => format!("memory and cores on node {}", node.value),
                (true, false) => format!(
                    "memory on node {}, cores {} on others",
                    node.value,
                    cores_text(&away)
                ),
            })
            .expected("memory on the node of the cores")
            .why("what misses the cache is fetched from the other socket, at about twice the latency")
            .remedy("set `numa_node` to the node of the cores (numactl --hardware), or leave it out"),
        );
    }
    findings
}

/// Core 0 is the kernel's.
pub fn housekeeping_core(_: &Host, scope: &Scope) -> Vec<Finding> {
    if !scope.chosen {
        return Vec::new();
    }
    vec![
        Finding::judged("housekeeping-core", !scope.cores.contains(&0), Severity::Warning)
            .found(format!("cores {}", cores_text(&scope.cores)))
            .expected("core 0 left to the kernel")
            .why("core 0 takes interrupts and kernel work that cannot be moved: tens of microseconds at a time")
            .remedy("choose other cores in the topology file"),
    ]
}

/// The journal's disk is a disk and has room.
pub fn journal_disk(host: &Host, scope: &Scope) -> Vec<Finding> {
    let Some(journal) = scope
        .topology
        .as_ref()
        .and_then(|topology| topology.journal.as_ref())
    else {
        return Vec::new();
    };
    let directory = &journal.directory.value;
    // The directory is made when the journal starts: its nearest parent decides.
    let Some(there) = directory
        .ancestors()
        .find(|path| host.path(&path.to_string_lossy()).exists())
    else {
        return Vec::new();
    };
    let Ok(status) = nix::sys::statvfs::statvfs(&host.path(&there.to_string_lossy())) else {
        return Vec::new();
    };
    let free = status.blocks_available() * status.fragment_size();
    vec![
        Finding::judged("journal-disk", free >= journal.keep_free, Severity::Error)
            .found(format!("{} free at {}", bytes(free), there.display()))
            .expected(format!("at least {} (keep_free)", bytes(journal.keep_free)))
            .why("when the disk is full the journal stops, the stream fills, and every producer waits")
            .remedy("free or enlarge the disk, archive sealed segments, or name another directory"),
    ]
}

/// The stream ring fits the second-level cache.
pub fn ring_fits_cache(host: &Host, scope: &Scope) -> Vec<Finding> {
    let Some(topology) = &scope.topology else {
        return Vec::new();
    };
    let core = scope.cores.first().copied().unwrap_or(0);
    let cache = (0..8).find_map(|index| {
        let file = |name: &str| Host::core_file(core, &format!("cache/index{index}/{name}"));
        (host.number(&file("level")) == Some(2)).then(|| {
            let size = host.read(&file("size"))?;
            Some(size.strip_suffix('K')?.parse::<u64>().ok()? << 10)
        })?
    });
    let Some(cache) = cache else {
        return Vec::new();
    };
    let ring = topology.stream_bytes();
    vec![
        Finding::judged("ring-fits-cache", ring <= cache, Severity::Note)
            .found(format!(
                "stream ring {}, second-level cache {}",
                bytes(ring),
                bytes(cache)
            ))
            .expected("a stream ring no larger than the second-level cache")
            .why("a ring that overflows the cache loses about a third of the throughput")
            .remedy("a smaller `stream_slots`, where bursts allow it"),
    ]
}

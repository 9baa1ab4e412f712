//! What of the host matters to the figures.

use crate::clock::Clock;
use crate::cores::CorePair;
use crate::scratch;
use serde::Serialize;
use std::path::Path;

/// The host's relevant settings, as name and value.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HostSettings {
    /// In the order in which they are to be shown.
    pub settings: Vec<(String, String)>,
}

impl HostSettings {
    /// Reads them.
    pub fn read(cores: &[usize]) -> Self {
        let mut host = HostSettings::default();
        let cpu = read("/proc/cpuinfo");
        let of_cpu = |name: &str| {
            cpu.lines()
                .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))
                .and_then(|line| line.split(':').nth(1))
                .map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
        };
        host.add("processor", of_cpu("model name"));
        host.add(
            "cores of this process",
            format!("{:?}", crate::cores::cores_at_start()),
        );
        host.add("cores measured", format!("{cores:?}"));
        host.add("kernel", read("/proc/sys/kernel/osrelease"));
        let virtualised = cpu
            .lines()
            .any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
        host.add(
            "virtual machine",
            if virtualised {
                "yes: the hypervisor may take the cores at any moment"
            } else {
                "no"
            },
        );
        host.add("clock", Clock::best().describe());
        host.add("memory", scratch::pages().1);
        host.add_found("locked memory of this process", of_status("VmLck"));
        let governor = cores.first().map(|core| {
            read(&format!(
                "/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"
            ))
        });
        host.add_found("frequency governor", governor.unwrap_or_default());
        host.add_found("isolated cores", read("/sys/devices/system/cpu/isolated"));
        host.add_found("tickless cores", read("/sys/devices/system/cpu/nohz_full"));
        host.add_found(
            "hyperthreading",
            read("/sys/devices/system/cpu/smt/control"),
        );
        host.add_found(
            "transparent hugepages",
            read("/sys/kernel/mm/transparent_hugepage/enabled"),
        );
        host.add_found(
            "transparent hugepages in shared memory",
            read("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        );
        for core in cores {
            let cache = |index: usize| {
                let base = format!("/sys/devices/system/cpu/cpu{core}/cache/index{index}");
                let size = read(&format!("{base}/size"));
                Path::new(&base)
                    .exists()
                    .then(|| format!("L{} {size}", read(&format!("{base}/level"))))
            };
            let caches: Vec<String> = [0, 2, 3].into_iter().filter_map(cache).collect();
            host.add_found(&format!("caches of core {core}"), caches.join(", "));
        }
        host.add("load when started", read("/proc/loadavg"));
        if let [near, far, ..] = *cores {
            for note in (CorePair { near, far }).notes() {
                host.add("note", note);
            }
        }
        host
    }

    fn add(&mut self, name: &str, value: impl Into<String>) {
        self.settings.push((name.to_owned(), value.into()));
    }

    fn add_found(&mut self, name: &str, value: String) {
        self.add(
            name,
            if value.is_empty() {
                "none or not known".to_owned()
            } else {
                value
            },
        );
    }
}

/// What the kernel tells of this process under `name`.
fn of_status(name: &str) -> String {
    read("/proc/self/status")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map_or_else(String::new, |value| value.trim().to_owned())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

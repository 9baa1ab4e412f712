//! The host as its files in `/proc` and `/sys` tell it; a test gives it a tree of its own.

use std::collections::BTreeSet;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

/// A set of cores.
pub type Cores = BTreeSet<usize>;

/// The highest core number that is believed.
const MAX_CORE: usize = 8191;

/// See the module.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// This host.
    pub fn this() -> Self {
        Host {
            root: PathBuf::from("/"),
        }
    }

    /// A host whose files lie under `root`.
    #[cfg(test)]
    pub fn under(root: &Path) -> Self {
        Host {
            root: root.to_path_buf(),
        }
    }

    /// Where the host's `path` lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The file's text without white space around it; `None` where it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path))
            .ok()
            .map(|text| text.trim().to_owned())
    }

    /// The file's number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    /// The file's list of cores, such as `0-3,8`.
    pub fn cores(&self, path: &str) -> Option<Cores> {
        parse_cores(&self.read(path)?)
    }

    /// Names in the directory, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path(path))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The word in brackets: `always [madvise] never`.
    pub fn chosen(&self, path: &str) -> Option<String> {
        let text = self.read(path)?;
        let (_, rest) = text.split_once('[')?;
        Some(rest.split_once(']')?.0.to_owned())
    }

    /// A parameter of the kernel's command line; empty for one without a value.
    pub fn boot_parameter(&self, name: &str) -> Option<String> {
        self.read("/proc/cmdline")?
            .split_whitespace()
            .find_map(|word| match word.split_once('=') {
                Some((key, value)) if key == name => Some(value.to_owned()),
                None if word == name => Some(String::new()),
                _ => None,
            })
    }

    /// The processor's flags.
    pub fn processor_flags(&self) -> Vec<String> {
        self.read("/proc/cpuinfo")
            .unwrap_or_default()
            .lines()
            .find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == "flags" || key.trim() == "Features").then(|| value.to_owned())
            })
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// Whether a hypervisor runs this host.
    pub fn is_virtual(&self) -> bool {
        self.processor_flags()
            .iter()
            .any(|flag| flag == "hypervisor")
    }

    /// A file about one core, under `/sys/devices/system/cpu/cpuN`.
    pub fn core_file(core: usize, file: &str) -> String {
        format!("/sys/devices/system/cpu/cpu{core}/{file}")
    }

    /// The core's socket.
    pub fn socket_of(&self, core: usize) -> Option<u64> {
        self.number(&Self::core_file(core, "topology/physical_package_id"))
    }

    /// The core's NUMA node.
    pub fn node_of(&self, core: usize) -> Option<u64> {
        self.names(&format!("/sys/devices/system/cpu/cpu{core}"))
            .iter()
            .find_map(|name| name.strip_prefix("node")?.parse().ok())
    }

    /// The cores that are on.
    pub fn online(&self) -> Cores {
        self.cores("/sys/devices/system/cpu/online")
            .unwrap_or_default()
    }

    /// The cores that this process may use.
    pub fn allowed(&self) -> Cores {
        self.read("/proc/self/status")
            .and_then(|status| {
                let line = status
                    .lines()
                    .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
                parse_cores(line.trim())
            })
            .unwrap_or_else(|| self.online())
    }
}

/// Reads a list of cores, such as `0-3,8`. An empty text is no cores.
pub fn parse_cores(text: &str) -> Option<Cores> {
    let mut cores = Cores::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > MAX_CORE {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

/// Writes cores as the kernel does: `0-3,8`.
pub fn cores_text<'a>(cores: impl IntoIterator<Item = &'a usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &core in cores {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == core => *last = core,
            _ => runs.push((core, core)),
        }
    }
    let parts: Vec<String> = runs
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read_and_written() {
        let cores = parse_cores("0-2,5, 7-8").expect("a list");
        assert_eq!(cores_text(&cores), "0-2,5,7-8");
        assert_eq!(parse_cores(""), Some(Cores::new()));
        assert_eq!(cores_text(&Cores::new()), "none");
        for bad in ["3-1", "a", "0-99999999", "1-2-3"] {
            assert_eq!(parse_cores(bad), None, "{bad}");
        }
    }
}

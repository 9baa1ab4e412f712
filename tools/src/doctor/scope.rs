//! What the doctor looks at: the cores that matter, and what a topology asks of the host.

use super::host::{Cores, Host};
use crate::topology::Topology;

/// See the module.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The cores whose latency matters.
    pub cores: Cores,
    /// Whether somebody chose them: otherwise they are all that this process may use.
    pub chosen: bool,
    /// The plan.
    pub topology: Option<Topology>,
}

impl Scope {
    /// The cores that were named, else those of the plan, else all.
    pub fn new(host: &Host, named: Option<Cores>, topology: Option<Topology>) -> Self {
        let planned: Cores = topology
            .iter()
            .flat_map(Topology::agents)
            .filter_map(|agent| Some(agent.core?.value as usize))
            .collect();
        let cores = match named {
            Some(cores) => cores,
            None => planned,
        };
        let chosen = !cores.is_empty();
        Scope {
            cores: if chosen { cores } else { host.allowed() },
            chosen,
            topology,
        }
    }

    /// Bytes of ring memory that the plan needs; those of a fabric with default sizes and four
    /// producers where there is no plan.
    pub fn ring_bytes(&self) -> u64 {
        const DEFAULT: u64 = 8 << 20;
        self.topology.as_ref().map_or(DEFAULT, Topology::ring_bytes)
    }

    /// How to name the cores in a boot parameter: the chosen ones, else a placeholder.
    pub fn isolated_text(&self) -> String {
        if self.chosen {
            super::host::cores_text(&self.cores)
        } else {
            "<the cores of your agents>".to_owned()
        }
    }
}

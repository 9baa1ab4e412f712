//! What must hold between the parts of a topology, whatever the host.

use super::model::Topology;
use super::problem::Problems;
use std::collections::HashMap;

/// Adds an error for every rule that is broken.
pub fn check_rules(topology: &Topology, problems: &mut Problems<'_>) {
    cores(topology, problems);
    names(topology, problems);
    sizes(topology, problems);
    journal(topology, problems);
}

/// Agents that share a core must make way for each other.
fn cores(topology: &Topology, problems: &mut Problems<'_>) {
    let mut taken = HashMap::new();
    for agent in topology.agents() {
        let Some(core) = agent.core else {
            continue;
        };
        let Some(first) = taken.insert(core.value, agent) else {
            continue;
        };
        let standby_beside_sequencer = [first, agent].iter().any(|agent| agent.role == "standby")
            && [first, agent].iter().any(|agent| agent.role == "sequencer");
        if standby_beside_sequencer {
            problems.error(
                core.offset,
                format!("sequencer and standby share core {}", core.value),
                "give the standby another core: it must notice a sequencer that hangs on its own",
            );
        } else if first.spins() || agent.spins() {
            let spinner = if agent.spins() { agent } else { first };
            problems.error(
                core.offset,
                format!(
                    "{} and {} share core {}, and {} spins (idle = \"{}\"): the other hardly runs",
                    first.role, agent.role, core.value, spinner.role, spinner.idle
                ),
                "give one of them another core, or both idle = \"yield\" or \"park\"",
            );
        }
    }
}

fn names(topology: &Topology, problems: &mut Problems<'_>) {
    for peers in [&topology.producers, &topology.consumers] {
        for (index, peer) in peers.iter().enumerate() {
            if peers[..index].iter().any(|other| other.name == peer.name) {
                problems.error(
                    peer.agent.offset,
                    format!("{} is there twice", peer.agent.role),
                    "a name belongs to one process at a time: rename one of them",
                );
            }
        }
    }
    if topology.journal.is_some()
        && let Some(peer) = topology
            .consumers
            .iter()
            .find(|peer| peer.name == "journal")
    {
        problems.error(
            peer.agent.offset,
            "a consumer is called `journal`, and so is the journal itself",
            "rename it: [journal] already reads the stream under that name",
        );
    }
}

fn sizes(topology: &Topology, problems: &mut Problems<'_>) {
    if topology.stream_payload < topology.ingress_payload {
        problems.warning(
            topology.stream_slots_offset,
            format!(
                "`stream_payload` ({}) is smaller than `ingress_payload` ({}): the smaller one limits a message",
                crate::text::bytes(topology.stream_payload),
                crate::text::bytes(topology.ingress_payload)
            ),
            "make `stream_payload` at least as large",
        );
    }
    if topology.stream_slots < topology.ingress_slots {
        problems.warning(
            topology.stream_slots_offset,
            format!(
                "the stream ({} slots) is smaller than one ingress ring ({} slots): one burst of one producer fills it",
                topology.stream_slots, topology.ingress_slots
            ),
            "make `stream_slots` at least as large as `ingress_slots`",
        );
    }
}

fn journal(topology: &Topology, problems: &mut Problems<'_>) {
    let Some(journal) = &topology.journal else {
        return;
    };
    let memory = ["/dev/shm", "/run", "/dev/hugepages"];
    if memory
        .iter()
        .any(|place| journal.directory.value.starts_with(place))
    {
        problems.error(
            journal.directory.offset,
            format!(
                "the journal's directory {} is in memory: it would not outlive the host",
                journal.directory.value.display()
            ),
            "name a directory on a disk",
        );
    }
}

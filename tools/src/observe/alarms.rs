//! What somebody should look at: the state against what the topology file promises.

use super::state::FabricState;
use crate::text::{bytes, nanoseconds};
use crate::topology::Topology;
use serde::Serialize;
use std::time::Duration;

/// A producer's ring this full is about to make it wait, per cent.
const RING_FULL_PERCENT: f64 = 90.0;

/// An alarm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Alarm {
    /// Its kind.
    pub alarm: &'static str,
    /// Whom it is about.
    pub subject: String,
    /// What is so.
    pub detail: String,
}

fn alarm(alarm: &'static str, subject: &str, detail: String) -> Alarm {
    Alarm {
        alarm,
        subject: subject.to_owned(),
        detail,
    }
}

/// The alarms of a state; without a topology only those that need none.
pub fn alarms(state: &FabricState, topology: Option<&Topology>) -> Vec<Alarm> {
    let mut found = Vec::new();
    match &state.sequencer {
        Some(sequencer) if matches!(sequencer.state, "dead" | "frozen") => found.push(alarm(
            "sequencer-down",
            &state.fabric,
            format!("process {} is {}", sequencer.pid, sequencer.state),
        )),
        _ => {}
    }
    for source in &state.sources {
        if source.fill_percent >= RING_FULL_PERCENT {
            let detail = format!("{:.0} % of its ring waits", source.fill_percent);
            found.push(alarm("ring-full", &source.name, detail));
        }
        if source.state == "dead" {
            found.push(alarm(
                "dead",
                &source.name,
                format!("process {}", source.pid),
            ));
        }
    }
    for consumer in &state.consumers {
        if consumer.kind != "copying" && consumer.lag_percent >= RING_FULL_PERCENT {
            let detail = format!("holds {:.0} % of the stream", consumer.lag_percent);
            found.push(alarm("holds-back", &consumer.name, detail));
        }
        if consumer.state == "dead" {
            found.push(alarm(
                "dead",
                &consumer.name,
                format!("process {}", consumer.pid),
            ));
        }
    }
    if let Some(topology) = topology {
        promised(state, topology, &mut found);
    }
    found
}

fn promised(state: &FabricState, topology: &Topology, found: &mut Vec<Alarm>) {
    let late = |idle: Option<f64>, patience: Option<Duration>| match (idle, patience) {
        (Some(idle), Some(patience)) => idle > patience.as_secs_f64(),
        _ => false,
    };
    for plan in &topology.producers {
        let source = state.sources.iter().find(|source| source.name == plan.name);
        match source {
            Some(source) if matches!(source.state, "left" | "waiting") => {
                found.push(alarm("away", &plan.name, source.state.to_owned()));
            }
            Some(source) if late(source.idle_s, plan.patience) => found.push(alarm(
                "silent",
                &plan.name,
                format!("for {:.1} s", source.idle_s.unwrap_or(0.0)),
            )),
            Some(_) => {}
            None => found.push(alarm("away", &plan.name, "never attached".to_owned())),
        }
    }
    for plan in &topology.consumers {
        let consumer = state
            .consumers
            .iter()
            .find(|consumer| consumer.name == plan.name);
        match consumer {
            Some(consumer) if consumer.state == "left" => {
                found.push(alarm("away", &plan.name, "left".to_owned()));
            }
            Some(consumer) if (consumer.kind == "copying") == plan.gating => {
                let detail = format!("is {}, the plan says otherwise", consumer.kind);
                found.push(alarm("other-kind", &plan.name, detail));
            }
            Some(consumer) if consumer.lag > 0 && late(consumer.idle_s, plan.patience) => {
                let detail = format!("{} frames behind, still", consumer.lag);
                found.push(alarm("behind", &plan.name, detail));
            }
            Some(_) => {}
            None => found.push(alarm("away", &plan.name, "never attached".to_owned())),
        }
    }
    let over = |p99: Option<u64>, limit: Option<Duration>| {
        let limit = limit?.as_nanos() as u64;
        p99.filter(|p99| *p99 > limit)
            .map(|p99| format!("p99 {} above {}", nanoseconds(p99), nanoseconds(limit)))
    };
    let budget = &topology.budget;
    for source in &state.sources {
        let p99 = source.latency.map(|latency| latency.p99_ns);
        if let Some(detail) = over(p99, budget.publish_to_sequenced_p99) {
            found.push(alarm("latency-budget", &source.name, detail));
        }
    }
    for consumer in state
        .consumers
        .iter()
        .filter(|consumer| consumer.name != "journal")
    {
        let p99 = consumer.latency.map(|latency| latency.p99_ns);
        if let Some(detail) = over(p99, budget.sequenced_to_consumed_p99) {
            found.push(alarm("latency-budget", &consumer.name, detail));
        }
    }
    if let Some(journal) = &state.journal
        && journal.free_bytes < journal.keep_free_bytes
    {
        let detail = format!(
            "{} free, {} should be",
            bytes(journal.free_bytes),
            bytes(journal.keep_free_bytes)
        );
        found.push(alarm("disk-low", &journal.directory, detail));
    }
}

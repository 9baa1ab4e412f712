//! What somebody should look at: the state against what the topology file promises.

use super::state::{FabricState, JournalState};
use crate::text::{bytes, count, duration};
use crate::topology::{Durability, Topology};
use serde::Serialize;
use std::time::Duration;

/// A producer's ring this full is about to make it wait, per cent.
const RING_FULL_PERCENT: f64 = 90.0;

/// A journal whose oldest frame has waited for so long is behind.
const JOURNAL_BEHIND: Duration = Duration::from_secs(1);

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
    if let Some(journal) = &state.journal {
        journal_alarms(journal, topology, &mut found);
    }
    for consumer in &state.consumers {
        if consumer.gates() && consumer.lag_percent >= RING_FULL_PERCENT {
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
            Some(consumer) if consumer.gates() != plan.gating => {
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
            .map(|p99| format!("p99 {} above {}", duration(p99), duration(limit)))
    };
    let budget = &topology.budget;
    for source in &state.sources {
        let p99 = source.latency.and_then(|latency| latency.judged_p99_ns);
        if let Some(detail) = over(p99, budget.publish_to_sequenced_p99) {
            found.push(alarm("latency-budget", &source.name, detail));
        }
    }
    for consumer in state
        .consumers
        .iter()
        .filter(|consumer| consumer.name != "journal")
    {
        let p99 = consumer.latency.and_then(|latency| latency.judged_p99_ns);
        if let Some(detail) = over(p99, budget.sequenced_to_consumed_p99) {
            found.push(alarm("latency-budget", &consumer.name, detail));
        }
    }
}

/// The journal's, by what it shares; how far behind is too far depends on when it is to be durable.
fn journal_alarms(journal: &JournalState, topology: Option<&Topology>, found: &mut Vec<Alarm>) {
    let subject = journal.directory.as_deref().unwrap_or("journal");
    if journal.state == "absent" {
        found.push(alarm("away", "journal", "never attached".to_owned()));
    }
    if journal.alarm.stopped {
        let detail = format!("it does not write: {}", journal.alarm.state);
        found.push(alarm("journal-stopped", subject, detail));
    }
    let durable_limit = match topology.and_then(|plan| plan.journal.as_ref()) {
        Some(plan) => match plan.durability {
            Durability::Block => Some(JOURNAL_BEHIND),
            Durability::Interval(every) => Some(JOURNAL_BEHIND.max(every * 10)),
            Durability::Close => None,
        },
        // When it is to be durable is not known.
        None => None,
    };
    for (what, lag_s, lag, limit) in [
        (
            "recorded",
            journal.recorded_lag_s,
            journal.recorded_lag,
            Some(JOURNAL_BEHIND),
        ),
        (
            "durable",
            journal.durable_lag_s,
            journal.durable_lag,
            durable_limit,
        ),
    ] {
        if let (Some(lag_s), Some(limit)) = (lag_s, limit)
            && lag_s > limit.as_secs_f64()
        {
            let detail = format!("{} frames of the last {lag_s:.1} s not {what}", count(lag));
            found.push(alarm("journal-behind", subject, detail));
            break;
        }
    }
    low_disk(journal, subject, found);
}

fn low_disk(journal: &JournalState, subject: &str, found: &mut Vec<Alarm>) {
    if let Some(free) = journal.free_bytes
        && free < journal.keep_free_bytes
    {
        let detail = format!(
            "{} free, {} should be",
            bytes(free),
            bytes(journal.keep_free_bytes)
        );
        found.push(alarm("disk-low", subject, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::state::JournalAlarm;

    fn journal() -> JournalState {
        JournalState {
            state: "recording",
            pid: 1,
            recorded: 90,
            durable: 80,
            recorded_lag: 10,
            durable_lag: 20,
            recorded_lag_s: Some(0.001),
            durable_lag_s: Some(0.02),
            alarm: JournalAlarm::CLEAR,
            held_back: 0,
            gaps: 0,
            directory: Some("/disk".to_owned()),
            free_bytes: Some(10 << 30),
            keep_free_bytes: 1 << 30,
        }
    }

    fn found(journal: &JournalState, durability: Option<Durability>) -> Vec<String> {
        let topology = durability.map(|durability| {
            let words = match durability {
                Durability::Block => "durability = \"block\"",
                Durability::Interval(_) => "sync_every = \"1s\"",
                Durability::Close => "durability = \"close\"",
            };
            let text =
                format!("[fabric]\nname = \"x\"\n[journal]\ndirectory = \"/disk\"\n{words}\n");
            crate::topology::parse_text(&text).expect("a topology")
        });
        let mut found = Vec::new();
        journal_alarms(journal, topology.as_ref(), &mut found);
        found.iter().map(|one| one.alarm.to_owned()).collect()
    }

    #[test]
    fn a_journal_that_keeps_up_raises_none() {
        assert!(found(&journal(), Some(Durability::Block)).is_empty());
        assert!(found(&journal(), None).is_empty());
    }

    #[test]
    fn a_journal_that_is_behind_or_stopped_or_has_no_disk_left_raises_each() {
        let mut behind = journal();
        behind.durable_lag_s = Some(5.0);
        let interval = Durability::Interval(Duration::from_secs(1));
        assert_eq!(found(&behind, Some(Durability::Block)), ["journal-behind"]);
        // Ten intervals are allowed, a whole segment where it is durable only when that is closed.
        assert!(found(&behind, Some(interval)).is_empty());
        assert!(found(&behind, Some(Durability::Close)).is_empty());
        assert!(found(&behind, None).is_empty());
        behind.durable_lag_s = Some(11.0);
        assert_eq!(found(&behind, Some(interval)), ["journal-behind"]);
        behind.recorded_lag_s = Some(2.0);
        assert_eq!(found(&behind, None), ["journal-behind"]);
        behind.alarm.stopped = true;
        behind.free_bytes = Some(1 << 20);
        assert_eq!(
            found(&behind, None),
            ["journal-stopped", "journal-behind", "disk-low"]
        );
        behind.state = "absent";
        assert_eq!(found(&behind, None)[0], "away");
    }
}

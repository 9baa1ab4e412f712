//! Which metrics there are: names and units by Prometheus' conventions.

use super::series::{Labels, Series, Value};
use crate::observe::{FabricState, JournalState, SequencerState, SourceState};
use prometheus_client::registry::{Registry, Unit};
use selvedge_fabric::latency::{LatencySnapshot, LatencySubject};

/// A fabric as it was at one moment: state, histograms, and how far its clock is from the host's.
pub type View = (FabricState, Vec<(LatencySubject, LatencySnapshot)>, i64);

/// The text of a scrape.
pub fn encode(views: &[View]) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("selvedge");
    stream(&mut registry, views);
    sources(&mut registry, views);
    consumers(&mut registry, views);
    catching_up(&mut registry, views);
    journals(&mut registry, views);
    latencies(&mut registry, views);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// A series with rows made from each view.
fn series(views: &[View], mut rows: impl FnMut(&View, &mut Series)) -> Series {
    let mut series = Series::default();
    for view in views {
        rows(view, &mut series);
    }
    series
}

fn of_fabric(state: &FabricState) -> Labels {
    vec![("fabric", state.fabric.clone())]
}

fn with(state: &FabricState, label: &'static str, value: &str) -> Labels {
    vec![("fabric", state.fabric.clone()), (label, value.to_owned())]
}

fn yes(value: bool) -> Value {
    Value::Gauge(f64::from(u8::from(value)))
}

fn stream(registry: &mut Registry, views: &[View]) {
    registry.register(
        "stream_frames",
        "Frames sequenced in the fabric's life",
        series(views, |(state, ..), rows| {
            rows.add(
                of_fabric(state),
                Value::Counter(state.next_sequence.saturating_sub(1)),
            );
        }),
    );
    registry.register(
        "stream_capacity_frames",
        "Slots of the stream ring",
        series(views, |(state, ..), rows| {
            rows.add(of_fabric(state), Value::Gauge(state.stream_capacity as f64));
        }),
    );
    registry.register(
        "sequencer_up",
        "Whether a sequencer takes messages",
        series(views, |(state, ..), rows| {
            let up = state
                .sequencer
                .as_ref()
                .is_some_and(|one| one.state == "running");
            rows.add(of_fabric(state), yes(up));
        }),
    );
    registry.register(
        "sequencer_epoch",
        "The sequencer's epoch: one more with each takeover or restart",
        series(views, |(state, ..), rows| {
            let epoch = state.sequencer.as_ref().map_or(0, |one| one.epoch);
            rows.add(of_fabric(state), Value::Gauge(epoch as f64));
        }),
    );
    registry.register_with_unit(
        "clock_offset",
        "Fabric time minus the host's UTC",
        Unit::Seconds,
        series(views, |(state, _, offset), rows| {
            rows.add(of_fabric(state), Value::Gauge(*offset as f64 / 1e9));
        }),
    );
    registry.register(
        "alarm",
        "An alarm of the fabric's topology file that holds now",
        series(views, |(state, ..), rows| {
            for alarm in &state.alarms {
                let mut labels = with(state, "alarm", alarm.alarm);
                labels.push(("subject", alarm.subject.clone()));
                rows.add(labels, Value::Gauge(1.0));
            }
        }),
    );
    duty_cycles(registry, views);
    errors(registry, views);
}

/// A counter of each view's sequencer.
fn of_sequencer(
    registry: &mut Registry,
    views: &[View],
    name: &str,
    help: &str,
    count: fn(&SequencerState) -> u64,
) {
    let rows = series(views, |(state, ..), rows| {
        if let Some(one) = &state.sequencer {
            rows.add(of_fabric(state), Value::Counter(count(one)));
        }
    });
    registry.register(name, help, rows);
}

fn duty_cycles(registry: &mut Registry, views: &[View]) {
    of_sequencer(
        registry,
        views,
        "sequencer_duty_cycles",
        "Duty cycles of the sequencer's epoch",
        |one| one.duty_cycles,
    );
    of_sequencer(
        registry,
        views,
        "sequencer_busy_duty_cycles",
        "Those that found work",
        |one| one.busy_duty_cycles,
    );
    of_sequencer(
        registry,
        views,
        "sequencer_held_back",
        "Passes over a ring that stopped because a gating consumer left no room in the stream",
        |one| one.held_back,
    );
}

fn errors(registry: &mut Registry, views: &[View]) {
    registry.register(
        "errors",
        "Errors that agents met in the fabric's life",
        series(views, |(state, ..), rows| {
            for error in &state.errors {
                let mut labels = with(state, "agent", &error.agent);
                labels.push(("error", error.what.clone()));
                labels.push(("subject", error.subject.clone()));
                rows.add(labels, Value::Counter(error.count));
            }
        }),
    );
}

/// A gauge of each view's journal, where there is something to tell.
fn of_journal(views: &[View], value: impl Fn(&JournalState) -> Option<f64>) -> Series {
    series(views, |(state, ..), rows| {
        if let Some(value) = state.journal.as_ref().and_then(&value) {
            rows.add(of_fabric(state), Value::Gauge(value));
        }
    })
}

fn journals(registry: &mut Registry, views: &[View]) {
    registry.register(
        "journal_up",
        "Whether the journal records; 0 while its disk stops it too",
        of_journal(views, |one| {
            Some(f64::from(u8::from(one.state == "recording")))
        }),
    );
    registry.register(
        "journal_recorded_lag_frames",
        "Frames that the journal has not handed to the kernel yet",
        of_journal(views, |one| Some(one.recorded_lag as f64)),
    );
    registry.register(
        "journal_durable_lag_frames",
        "Frames that are not on stable storage yet",
        of_journal(views, |one| Some(one.durable_lag as f64)),
    );
    registry.register_with_unit(
        "journal_recorded_lag",
        "For how long the oldest frame that is not recorded has waited",
        Unit::Seconds,
        of_journal(views, |one| one.recorded_lag_s),
    );
    registry.register_with_unit(
        "journal_durable_lag",
        "For how long the oldest frame that is not on stable storage has waited",
        Unit::Seconds,
        of_journal(views, |one| one.durable_lag_s),
    );
    registry.register(
        "journal_alarm",
        "What is the matter with the journal now",
        series(views, |(state, ..), rows| {
            if let Some(one) = &state.journal
                && one.alarm.state != "clear"
            {
                let labels = with(state, "alarm", one.alarm.state);
                rows.add(labels, Value::Gauge(1.0));
            }
        }),
    );
    for (name, help, count) in [
        (
            "journal_alarms",
            "How often the journal raised an alarm",
            (|one| one.alarm.count) as fn(&JournalState) -> u64,
        ),
        (
            "journal_held_back",
            "How often the fabric had to wait for the journal",
            |one| one.held_back,
        ),
        ("journal_gaps", "Gaps that the journal declared", |one| {
            one.gaps
        }),
    ] {
        let rows = series(views, |(state, ..), rows| {
            if let Some(one) = &state.journal {
                rows.add(of_fabric(state), Value::Counter(count(one)));
            }
        });
        registry.register(name, help, rows);
    }
    registry.register_with_unit(
        "journal_disk_free",
        "Free on the journal's disk",
        Unit::Bytes,
        of_journal(views, |one| one.free_bytes.map(|bytes| bytes as f64)),
    );
    registry.register_with_unit(
        "journal_disk_keep_free",
        "What should stay free on the journal's disk",
        Unit::Bytes,
        of_journal(views, |one| Some(one.keep_free_bytes as f64)),
    );
}

fn sources(registry: &mut Registry, views: &[View]) {
    registry.register(
        "source_messages",
        "Messages of the source that were sequenced",
        series(views, |(state, ..), rows| {
            for one in state.sources.iter().filter(|one| one.id != 0) {
                rows.add(
                    with(state, "source", &one.name),
                    Value::Counter(one.messages),
                );
            }
        }),
    );
    registry.register(
        "source_up",
        "Whether the source is attached and its process runs",
        series(views, |(state, ..), rows| {
            for one in state.sources.iter().filter(|one| one.state != "left") {
                rows.add(with(state, "source", &one.name), yes(one.state == "live"));
            }
        }),
    );
    registry.register(
        "source_ring_fill_ratio",
        "Share of the source's ring that waits to be sequenced",
        series(views, |(state, ..), rows| {
            for one in state.sources.iter().filter(|one| one.capacity != 0) {
                rows.add(
                    with(state, "source", &one.name),
                    Value::Gauge(one.fill_percent / 100.0),
                );
            }
        }),
    );
    for (name, help, count) in [
        (
            "source_ring_samples",
            "How often the exporter looked whether the source's ring is full",
            (|one| one.samples) as fn(&SourceState) -> u64,
        ),
        (
            "source_ring_full_samples",
            "At how many of the looks it was: its producer waited",
            |one| one.full_samples,
        ),
    ] {
        let rows = series(views, |(state, ..), rows| {
            for one in state.sources.iter().filter(|one| one.capacity != 0) {
                rows.add(with(state, "source", &one.name), Value::Counter(count(one)));
            }
        });
        registry.register(name, help, rows);
    }
}

fn consumers(registry: &mut Registry, views: &[View]) {
    registry.register(
        "consumer_lag_frames",
        "Frames that the consumer has still to read",
        series(views, |(state, ..), rows| {
            for one in state.consumers.iter().filter(|one| one.state != "left") {
                rows.add(
                    with(state, "consumer", &one.name),
                    Value::Gauge(one.lag as f64),
                );
            }
        }),
    );
    registry.register(
        "consumer_lag_ratio",
        "The same as a share of the stream ring; at 1 a gating consumer holds everybody back",
        series(views, |(state, ..), rows| {
            for one in state.consumers.iter().filter(|one| one.state != "left") {
                let mut labels = with(state, "consumer", &one.name);
                labels.push(("kind", one.kind.to_owned()));
                rows.add(labels, Value::Gauge(one.lag_percent / 100.0));
            }
        }),
    );
    registry.register(
        "consumer_up",
        "Whether the consumer is attached, runs, and moves when it is behind",
        series(views, |(state, ..), rows| {
            for one in state.consumers.iter().filter(|one| one.state != "left") {
                let up = matches!(one.state, "live" | "stalled" | "catch-up");
                rows.add(with(state, "consumer", &one.name), yes(up));
            }
        }),
    );
}

fn catching_up(registry: &mut Registry, views: &[View]) {
    registry.register(
        "consumer_catching_up",
        "Whether the consumer reads from the journal what the ring has lost",
        series(views, |(state, ..), rows| {
            for one in state.consumers.iter().filter(|one| one.kind == "following") {
                rows.add(
                    with(state, "consumer", &one.name),
                    yes(one.state == "catch-up"),
                );
            }
        }),
    );
}

fn latencies(registry: &mut Registry, views: &[View]) {
    registry.register_with_unit(
        "publish_to_sequenced",
        "From publishing to sequencing, one sample a run of messages",
        Unit::Seconds,
        series(views, |(state, histograms, _), rows| {
            for (subject, snapshot) in histograms {
                if let LatencySubject::Source { name, .. } = subject {
                    let value = Value::Histogram(Box::new(snapshot.clone()));
                    rows.add(with(state, "source", name), value);
                }
            }
        }),
    );
    registry.register_with_unit(
        "sequenced_to_consumed",
        "From sequencing to the end of the handler, one sample a run of messages",
        Unit::Seconds,
        series(views, |(state, histograms, _), rows| {
            for (subject, snapshot) in histograms {
                if let LatencySubject::Consumer { name } = subject {
                    let value = Value::Histogram(Box::new(snapshot.clone()));
                    rows.add(with(state, "consumer", name), value);
                }
            }
        }),
    );
}

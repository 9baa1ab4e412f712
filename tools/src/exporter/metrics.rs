//! Which metrics there are: names and units by Prometheus' conventions.

use super::series::{Labels, Series, Value};
use crate::observe::FabricState;
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
    for (name, help, keep) in [
        ("journal_disk_free", "Free on the journal's disk", false),
        (
            "journal_disk_keep_free",
            "What should stay free on the journal's disk",
            true,
        ),
    ] {
        let rows = series(views, |(state, ..), rows| {
            if let Some(journal) = &state.journal {
                let bytes = if keep {
                    journal.keep_free_bytes
                } else {
                    journal.free_bytes
                };
                rows.add(of_fabric(state), Value::Gauge(bytes as f64));
            }
        });
        registry.register_with_unit(name, help, Unit::Bytes, rows);
    }
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
                let up = matches!(one.state, "live" | "stalled");
                rows.add(with(state, "consumer", &one.name), yes(up));
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

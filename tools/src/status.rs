//! `status` (also `stat`): a fabric at a glance, for people and for scripts.

use crate::error::{Result, ToolError};
use crate::locate::Location;
use crate::observe::{FabricState, Watcher};
use crate::text::{age, count, nanoseconds, rate};
use clap::Args;
use selvedge_fabric::shared::paths::base_directory;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// Options of `status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  selvedge status                     every fabric of this host
  selvedge status trading             one of them
  selvedge status trading --json      for scripts: one object
  selvedge status trading --watch     again every second; with --json one object a line")]
pub struct StatusArgs {
    /// The fabric's name, or its topology file; all fabrics unless said.
    fabric: Option<String>,
    /// Print JSON: one object a fabric and look, one a line.
    #[arg(long)]
    json: bool,
    /// Go on looking, until interrupted.
    #[arg(long)]
    watch: bool,
    /// Milliseconds between two looks: what rates are taken over.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(20..=60_000))]
    interval: u64,
}

/// Prints the state of fabrics.
pub fn run(args: &StatusArgs) -> Result<()> {
    let locations = match &args.fabric {
        Some(text) => vec![Location::of(text)?],
        None => Location::all(),
    };
    if locations.is_empty() {
        eprintln!(
            "no fabrics in {}; next: selvedge create NAME, or selvedge up fabric.toml",
            base_directory().display()
        );
        return Ok(());
    }
    let mut watchers = locations
        .iter()
        .map(Watcher::new)
        .collect::<Result<Vec<_>>>()?;
    for watcher in &mut watchers {
        watcher.look();
    }
    loop {
        std::thread::sleep(Duration::from_millis(args.interval));
        for watcher in &mut watchers {
            let state = watcher.look();
            let text = if args.json {
                serde_json::to_string(&state).map_err(ToolError::json("print the state"))? + "\n"
            } else {
                describe(&state)
            };
            if std::io::stdout().write_all(text.as_bytes()).is_err() {
                // The reader of a pipe has gone.
                return Ok(());
            }
        }
        if !args.watch {
            return Ok(());
        }
    }
}

/// The state in lines of at most 80 columns.
pub fn describe(state: &FabricState) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write!(text, "{}  ", state.fabric);
    let _ = match &state.sequencer {
        Some(sequencer) => writeln!(
            text,
            "sequencer {} (process {}, epoch {}), next sequence {}, {}/s",
            sequencer.state,
            sequencer.pid,
            sequencer.epoch,
            state.next_sequence,
            rate(state.rate)
        ),
        None => writeln!(
            text,
            "never had a sequencer; next: selvedge sequencer {}",
            state.fabric
        ),
    };
    if !state.sources.is_empty() {
        let _ = writeln!(
            text,
            "  {:<20} {:>8} {:<7} {:>10} {:>8} {:>6} {:>6}",
            "source", "process", "state", "messages", "rate/s", "fill", "idle"
        );
    }
    for source in &state.sources {
        let _ = writeln!(
            text,
            "  {:<20} {:>8} {:<7} {:>10} {:>8} {:>5.1}% {:>6}",
            source.name,
            source.pid,
            source.state,
            count(source.messages),
            rate(source.rate),
            source.fill_percent,
            age(source.idle_s)
        );
    }
    if !state.consumers.is_empty() {
        let _ = writeln!(
            text,
            "  {:<20} {:>8} {:<7} {:>10} {:>8} {:>7} {:<7}",
            "consumer", "process", "state", "position", "rate/s", "lag", "kind"
        );
    }
    for consumer in &state.consumers {
        let _ = writeln!(
            text,
            "  {:<20} {:>8} {:<7} {:>10} {:>8} {:>7} {:<7}",
            consumer.name,
            consumer.pid,
            consumer.state,
            consumer.position,
            rate(consumer.rate),
            count(consumer.lag),
            consumer.kind
        );
    }
    write_latencies(&mut text, state);
    for alarm in &state.alarms {
        let _ = writeln!(
            text,
            "  ALARM {}: {}: {}",
            alarm.alarm, alarm.subject, alarm.detail
        );
    }
    for note in &state.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text
}

fn write_latencies(text: &mut String, state: &FabricState) {
    let sources = state
        .sources
        .iter()
        .map(|one| ("publish to sequenced", &one.name, one.latency));
    let consumers = state
        .consumers
        .iter()
        .map(|one| ("sequenced to consumed", &one.name, one.latency));
    let mut first = true;
    for (hop, name, latency) in sources.chain(consumers) {
        let Some(latency) = latency else {
            continue;
        };
        if first {
            let _ = writeln!(
                text,
                "  {:<22} {:<18} {:>8} {:>8} {:>8} {:>8}",
                "latency", "", "p50", "p99", "p99.9", "max"
            );
            first = false;
        }
        let _ = writeln!(
            text,
            "  {hop:<22} {name:<18} {:>8} {:>8} {:>8} {:>8}",
            nanoseconds(latency.p50_ns),
            nanoseconds(latency.p99_ns),
            nanoseconds(latency.p99_9_ns),
            nanoseconds(latency.max_ns)
        );
    }
}

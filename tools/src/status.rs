//! `status` (also `stat`): a fabric at a glance, for people and for scripts.

use crate::error::{Result, ToolError};
use crate::locate::Location;
use crate::observe::{ErrorState, FabricState, JournalState, Watcher, look_after};
use crate::text::{age, bytes, count, duration, percent, rate, seconds};
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
  selvedge stat trading --json        for scripts: one object
  selvedge stat trading --watch       again and again; as JSON one a line")]
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
        for state in look_after(&mut watchers, Duration::from_millis(args.interval)) {
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
            "  {:<18} {:>8} {:<8} {:>9} {:>7} {:>6} {:>6} {:>6}",
            "source", "process", "state", "messages", "rate/s", "ring", "full", "idle"
        );
    }
    for source in &state.sources {
        let _ = writeln!(
            text,
            "  {:<18} {:>8} {:<8} {:>9} {:>7} {:>6} {:>6} {:>6}",
            source.name,
            source.pid,
            source.state,
            count(source.messages),
            rate(source.rate),
            percent(source.fill_percent),
            percent(source.back_pressure_percent),
            age(source.idle_s)
        );
    }
    if !state.consumers.is_empty() {
        let _ = writeln!(
            text,
            "  {:<18} {:>8} {:<8} {:>10} {:>7} {:>7} {:<9}",
            "consumer", "process", "state", "position", "rate/s", "lag", "kind"
        );
    }
    for consumer in &state.consumers {
        let _ = writeln!(
            text,
            "  {:<18} {:>8} {:<8} {:>10} {:>7} {:>7} {:<9}",
            consumer.name,
            consumer.pid,
            consumer.state,
            consumer.position,
            rate(consumer.rate),
            count(consumer.lag),
            consumer.kind
        );
    }
    if let Some(journal) = &state.journal {
        write_journal(&mut text, journal);
    }
    write_latencies(&mut text, state);
    for error in &state.errors {
        let _ = writeln!(text, "  {}", error_line(error, state.taken_ns));
    }
    if state.displaced_errors > 0 {
        let _ = writeln!(
            text,
            "  {} more distinct errors made way for these",
            count(state.displaced_errors)
        );
    }
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

fn write_journal(text: &mut String, journal: &JournalState) {
    let _ = writeln!(
        text,
        "  journal {} (process {}), recorded {} behind ({}), durable {} ({})",
        journal.state,
        journal.pid,
        count(journal.recorded_lag),
        seconds(journal.recorded_lag_s),
        count(journal.durable_lag),
        seconds(journal.durable_lag_s)
    );
    if let (Some(directory), Some(free)) = (&journal.directory, journal.free_bytes) {
        let _ = writeln!(
            text,
            "    {} free (keep {}) at {directory}",
            bytes(free),
            bytes(journal.keep_free_bytes)
        );
    }
}

/// An error with its count and times, as ago.
pub fn error_line(error: &ErrorState, now_ns: u64) -> String {
    let ago = |at: u64| age(Some(now_ns.saturating_sub(at) as f64 / 1e9));
    let subject = match error.subject.as_str() {
        "" => String::new(),
        subject => format!(" {subject}"),
    };
    format!(
        "{}: {}{subject}, {} x, first {} ago, last {} ago: {}",
        error.agent,
        error.what,
        error.count,
        ago(error.first_ns),
        ago(error.last_ns),
        error.detail
    )
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
            duration(latency.p50_ns),
            duration(latency.p99_ns),
            duration(latency.p99_9_ns),
            duration(latency.max_ns)
        );
    }
}

//! Measures the raw limits, this fabric and its peers in the same interleaved rounds.

use clap::Parser;
use selvedge_benches::peers::{
    AeronPeer, CrossbeamLatency, CrossbeamThroughput, DisruptorLatency, DisruptorThroughput,
    Iceoryx2Latency, Iceoryx2Throughput, ROLES, RingbufLatency, RingbufThroughput, RtrbLatency,
    RtrbThroughput, aeron_binary,
};
use selvedge_benches::report;
use selvedge_fabric::host::memory_lock::lock_memory;
use selvedge_measure::cores::{CorePair, cores_at_start};
use selvedge_measure::host::HostSettings;
use selvedge_measure::rounds::{RoundSettings, run_rounds};
use selvedge_measure::scenario::{Plan, Scenario};
use selvedge_measure::scenarios::{
    CopyLimit, FirstAfterSilence, RawChannels, RawLine, RawWord, RingLatency, RingPayload,
    RingThroughput, SequencedLatency, SequencedThroughput,
};
use selvedge_measure::{MeasureError, Result};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Capacities at which throughput is measured, ours and the peers' alike.
const CAPACITIES: [usize; 4] = [1024, 4096, 8192, 16384];

/// The one capacity of a quick run: the size that an ingress ring is shipped with.
const QUICK_CAPACITIES: [usize; 1] = [4096];

/// Rounds that figures to publish are made with, and those of a quick run.
const ROUNDS: usize = 7;
const QUICK_ROUNDS: usize = 1;

/// Lengths of Aeron's terms at which its throughput is measured.
const AERON_TERMS_KIB: [usize; 3] = [1024, 256, 16384];

/// Measures the raw limits of two cores, this fabric and its peers in the same rounds.
#[derive(Debug, Parser)]
#[command(after_help = "\
Expected time: the 7 rounds take about 7 to 9 minutes with --duration-ms 40 on a host that disturbs some
of them, a few more with the default of 0.4 s (up to 52 measurements a round, and the raw limit again
after each), --quick about 20 seconds. A measurement that is disturbed, or over which the raw limit
moves, is made again, up to 4 times for either: on a busy host it takes five times as long and more.")]
struct Arguments {
    /// Rounds that count; medians over them are reported [default: 7, with --quick 1].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Writes everything to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Short measurements, fewer capacities: to see that all works.
    #[arg(long)]
    quick: bool,
    /// The two cores, such as 2,3; by default the first two that are not hyperthreads of one.
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    /// Milliseconds that one measurement takes.
    #[arg(long)]
    duration_ms: Option<u64>,
    /// Frames that a consumer asks for at a time.
    #[arg(long, default_value_t = 64)]
    poll_limit: usize,
    /// Only what contains one of these words, such as ring,sequenced (raw is always measured).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What each line of the tables is, with the settings of each peer.
    #[arg(long)]
    legend: bool,
}

impl Arguments {
    fn rounds(&self) -> usize {
        let unless_given = if self.quick { QUICK_ROUNDS } else { ROUNDS };
        self.rounds.map_or(unless_given, |rounds| rounds as usize)
    }
}

fn scenarios(arguments: &Arguments) -> (Vec<Box<dyn Scenario>>, Vec<String>) {
    let mut notes = Vec::new();
    let mut all: Vec<Box<dyn Scenario>> = vec![
        Box::new(RawWord::paused()),
        Box::new(RawLine),
        Box::new(RawChannels),
        Box::new(RingLatency::shipped()),
        Box::new(RingLatency::unpaused()),
        Box::new(SequencedLatency::plain()),
        Box::new(SequencedLatency::with_idle_rings(16)),
        Box::new(SequencedLatency::with_idle_rings(64)),
        Box::new(FirstAfterSilence::of(1)),
        Box::new(FirstAfterSilence::of(64)),
        Box::new(FirstAfterSilence::kept_warm(64)),
        Box::new(SequencedLatency::with_gating_consumers(1)),
        Box::new(SequencedLatency::with_gating_consumers(8)),
        Box::new(SequencedLatency::with_gating_consumers(64)),
        Box::new(Iceoryx2Latency),
        Box::new(DisruptorLatency),
        Box::new(RtrbLatency),
        Box::new(CrossbeamLatency),
        Box::new(RingbufLatency),
    ];
    let aeron = aeron_binary();
    if let Ok(binary) = &aeron {
        all.push(Box::new(AeronPeer::latency(binary.clone())));
    }
    all.push(Box::new(RingThroughput::shipped()));
    all.push(Box::new(RingThroughput::paused()));
    all.push(Box::new(SequencedThroughput::shipped()));
    for size in [1024, 16384] {
        all.push(Box::new(RingPayload::new(size)));
        all.push(Box::new(CopyLimit::new(size)));
    }
    let capacities: &[usize] = if arguments.quick {
        &QUICK_CAPACITIES
    } else {
        &CAPACITIES
    };
    for &capacity in capacities {
        all.push(Box::new(RingThroughput::with_capacity(capacity as u64)));
        all.push(Box::new(DisruptorThroughput::new(capacity)));
        all.push(Box::new(RtrbThroughput::new(capacity)));
        all.push(Box::new(RingbufThroughput::new(capacity)));
        all.push(Box::new(CrossbeamThroughput::new(capacity)));
    }
    all.push(Box::new(Iceoryx2Throughput::new(64)));
    all.push(Box::new(Iceoryx2Throughput::new(1024)));
    match aeron {
        Ok(binary) => {
            for &kib in if arguments.quick {
                &AERON_TERMS_KIB[..1]
            } else {
                &AERON_TERMS_KIB
            } {
                all.push(Box::new(AeronPeer::throughput(binary.clone(), kib)));
            }
        }
        Err(how) => notes.push(how),
    }
    if !arguments.only.is_empty() {
        all.retain(|scenario| {
            arguments
                .only
                .iter()
                .any(|word| scenario.name().contains(word))
        });
    }
    (all, notes)
}

/// Tells what is being measured: over and over on one line of a terminal, else once in a while.
struct Progress {
    terminal: bool,
    started: Instant,
    told: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        Progress {
            terminal: std::io::stderr().is_terminal(),
            started: Instant::now(),
            told: None,
        }
    }

    fn tell(&mut self, text: &str) {
        const SELDOM: Duration = Duration::from_secs(10);
        let seconds = self.started.elapsed().as_secs();
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K{seconds:>4} s  {text}");
        } else if self.told.is_none_or(|told| told.elapsed() >= SELDOM) {
            self.told = Some(Instant::now());
            eprintln!("{seconds:>4} s  {text}");
        }
    }

    fn done(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let cores = if arguments.cores.is_empty() {
        CorePair::choose()?
    } else {
        CorePair::of(&arguments.cores)?
    };
    let mut plan = if arguments.quick {
        Plan::quick(cores)
    } else {
        Plan::new(cores)
    };
    plan.poll_limit = arguments.poll_limit.max(1);
    if let Some(duration) = arguments.duration_ms {
        plan.duration = Duration::from_millis(duration);
    }
    let settings = RoundSettings {
        rounds: arguments.rounds(),
        repeats: if arguments.quick { 1 } else { 4 },
    };
    let (mut scenarios, mut notes) = scenarios(arguments);
    // The second processes lock theirs, too.
    if let Err(error) = lock_memory() {
        notes.push(format!("note: {error}"));
    }
    let host = HostSettings::read(&[cores.near, cores.far]);
    for (name, value) in &host.settings {
        println!("{name:<40}{value}");
    }
    for note in &notes {
        println!("{note}");
    }
    let mut progress = Progress::new();
    let outcome = run_rounds(
        &settings,
        &plan,
        &mut RawWord::unpaused(),
        &mut scenarios,
        |text| progress.tell(text),
    )?;
    progress.done();
    let bold = if std::io::stdout().is_terminal() {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("*", "*")
    };
    println!();
    println!("{}", report::latency_table(&outcome, bold));
    println!("{}", report::throughput_table(&outcome, bold));
    println!("{}", report::targets_table(&report::targets(&outcome)));
    let comparisons = report::comparisons(&outcome);
    if !comparisons.is_empty() {
        println!("{}", report::comparisons_table(&comparisons));
    }
    if arguments.legend {
        println!("{}", report::legend(&outcome));
    }
    println!(
        "{} rounds of {} ms a measurement. Repeated: measurements made again because something disturbed them or the raw limit moved; disturbed, moved: rounds in which no repetition was quiet, or over which it went on moving",
        settings.rounds,
        plan.duration.as_millis(),
    );
    for series in std::iter::once(&outcome.raw).chain(&outcome.series) {
        if let Some(reason) = &series.disturbed_by {
            println!("disturbed: {}: {reason}", series.name);
        }
    }
    if let Some(path) = &arguments.json {
        let context = serde_json::json!({
            "host": host.settings,
            "cores": [cores.near, cores.far],
            "rounds": settings.rounds,
            "duration_ms": plan.duration.as_millis() as u64,
            "poll_limit": plan.poll_limit,
            "notes": notes,
        });
        let value = report::to_json(&outcome, context);
        let text = serde_json::to_string_pretty(&value)
            .map_err(|error| MeasureError::Host(error.to_string()))?;
        std::fs::write(path, text + "\n")
            .map_err(|error| MeasureError::io(format!("write {}", path.display()), error))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    selvedge_measure::maybe_run_child_with(ROLES);
    cores_at_start();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(line: &str) -> usize {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect("arguments");
        arguments.rounds()
    }

    #[test]
    fn figures_to_publish_take_seven_rounds_unless_told_otherwise() {
        assert_eq!(rounds("peers"), 7);
        assert_eq!(rounds("peers --rounds 3"), 3);
        assert_eq!(rounds("peers --quick"), 1);
        assert_eq!(rounds("peers --quick --rounds=2"), 2);
        assert!(Arguments::try_parse_from(["peers", "--rounds", "0"]).is_err());
    }

    #[test]
    fn the_help_says_how_long_it_takes() {
        use clap::CommandFactory;
        let help = Arguments::command().render_help().to_string();
        assert!(
            help.contains("Expected time: the 7 rounds take about"),
            "{help}"
        );
    }
}

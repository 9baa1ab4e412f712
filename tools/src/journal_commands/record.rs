//! `journal record`.

use crate::error::{Result, ToolError};
use crate::topology::parse_duration;
use clap::{Args, ValueEnum};
use selvedge_fabric::Fabric;
use selvedge_fabric::agent::{Agent, Progress};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::host::affinity::pin_current_thread;
use selvedge_fabric::host::memory_lock::lock_memory;
use selvedge_journal::{
    JournalAgent, JournalConfig, Signer, SyncPolicy, WhenStopped, is_roll_interval,
};
use std::path::PathBuf;
use std::time::Duration;

/// When what is written is made durable.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Stopped {
    /// Hold the fabric back: nothing is lost.
    HoldBack,
    /// Let it go on, and declare the gap.
    DeclareGap,
}

/// Options of `journal record`.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// The fabric's name.
    fabric: String,
    /// The journal's directory; a journal that is there is continued.
    directory: PathBuf,
    /// Pin to this core.
    #[arg(long)]
    core: Option<usize>,
    /// What to do when there is nothing to do: busy, pause, batch, yield or park.
    #[arg(long, default_value_t = IdleStrategy::Park)]
    idle: IdleStrategy,
    /// Make durable every so many milliseconds; 0: every batch.
    #[arg(long, default_value_t = 10, conflicts_with = "sync_bytes")]
    sync_ms: u64,
    /// The same in microseconds, where milliseconds are too coarse.
    #[arg(long, conflicts_with_all = ["sync_ms", "sync_bytes"])]
    sync_us: Option<u64>,
    /// Make durable every so many bytes instead.
    #[arg(long)]
    sync_bytes: Option<u64>,
    /// Make durable only when a segment is sealed.
    #[arg(long, conflicts_with_all = ["sync_ms", "sync_us", "sync_bytes"])]
    sync_at_close: bool,
    /// MiB at which a segment is sealed.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=65536))]
    segment_mib: u64,
    /// Begin a segment at every multiple of this too, counted from midnight UTC, by the time of
    /// the fabric: 15min, 1h, 1d, any whole part of a day.
    #[arg(long, value_name = "DURATION", value_parser = roll)]
    roll: Option<Duration>,
    /// While the disk is full or fails.
    #[arg(long, value_enum, default_value_t = Stopped::HoldBack)]
    when_stopped: Stopped,
    /// Raise an alarm when less than this is free, in MiB.
    #[arg(long, default_value_t = 0)]
    reserve_mib: u64,
    /// The allowed bound of the host clock's error, microseconds; 0 for none.
    #[arg(long, default_value_t = 0)]
    clock_bound_us: u64,
    /// Sign seals with this key (see `journal keygen`).
    #[arg(long)]
    key: Option<PathBuf>,
}

fn roll(text: &str) -> std::result::Result<Duration, String> {
    parse_duration(text)
        .filter(|every| is_roll_interval(*every))
        .ok_or_else(|| {
            "use a whole part of a day from 1s to 1d, such as 15min, 1h or 1d".to_owned()
        })
}

fn sync_policy(args: &RecordArgs) -> SyncPolicy {
    let interval = args
        .sync_us
        .map_or(Duration::from_millis(args.sync_ms), Duration::from_micros);
    match args.sync_bytes {
        _ if args.sync_at_close => SyncPolicy::OnlyAtClose,
        Some(bytes) => SyncPolicy::EveryBytes(bytes),
        None if interval.is_zero() => SyncPolicy::EveryBlock,
        None => SyncPolicy::EveryInterval(interval),
    }
}

pub(super) fn run(args: &RecordArgs) -> Result<()> {
    if let Some(core) = args.core {
        pin_current_thread(core)?;
    }
    let fabric = Fabric::attach(&args.fabric)?;
    let config = JournalConfig {
        segment_bytes: args.segment_mib << 20,
        roll_every: args.roll,
        sync: sync_policy(args),
        when_stopped: match args.when_stopped {
            Stopped::HoldBack => WhenStopped::HoldBack,
            Stopped::DeclareGap => WhenStopped::DeclareGap,
        },
        reserve_bytes: args.reserve_mib << 20,
        clock_bound_ns: args.clock_bound_us * 1000,
        signer: args.key.as_deref().map(Signer::load).transpose()?,
        ..JournalConfig::default()
    };
    if config.signer.is_none() {
        eprintln!("note: seals are not signed (--key; make a key with `selvedge journal keygen`)");
    }
    let mut agent = JournalAgent::new(&fabric, &args.directory, &config)?;
    if let Err(error) = lock_memory() {
        eprintln!("note: {error}");
    }
    let mut idle_rounds = 0;
    let mut noted = false;
    loop {
        match agent.do_work().map_err(ToolError::role("journal"))? {
            Progress::Finished => break,
            Progress::Worked => idle_rounds = 0,
            Progress::Idle => {
                // Known once the first segment is made.
                if !noted && let Some(note) = agent.note() {
                    eprintln!("note: {note}");
                    noted = true;
                }
                args.idle.idle(idle_rounds);
                idle_rounds += 1;
            }
        }
    }
    println!(
        "the stream has ended; {} frames recorded, held back {} times",
        agent.frames(),
        agent.held_back()
    );
    Ok(())
}

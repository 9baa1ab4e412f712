//! `create`, `sequencer`, `ls`, `remove`: the life of a fabric.

use crate::error::{Result, ToolError};
use crate::operator::{announce, journal_directory};
use clap::Args;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::host::affinity::pin_current_thread;
use selvedge_fabric::host::memory_lock::lock_memory;
use selvedge_fabric::shared::paths::base_directory;
use selvedge_fabric::{Fabric, FabricConfig, FabricError};
use selvedge_journal::{dismiss_follower, recovery_from};
use selvedge_sequencer::{Sequencer, SequencerConfig, Standby, StandbyConfig, Watch};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Options of `create`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A whole set of agents from one file is easier: selvedge up fabric.toml.

Examples:
  selvedge create trading
  selvedge create trading --stream-capacity 65536 --slot-bytes 128
  selvedge create trading --recover-from /var/lib/selvedge/trading")]
pub struct CreateArgs {
    /// The fabric's name.
    name: String,
    /// Bytes of a slot: 32 of header, the rest payload in place.
    #[arg(long, default_value_t = 64)]
    slot_bytes: u32,
    /// Slots of the stream ring.
    #[arg(long, default_value_t = 8192)]
    stream_capacity: u64,
    /// Bytes of the stream's payload ring; a message takes at most an eighth.
    #[arg(long, default_value_t = 1 << 20)]
    stream_payload_bytes: u64,
    /// Slots of an ingress ring.
    #[arg(long, default_value_t = 4096)]
    ingress_capacity: u64,
    /// Bytes of an ingress payload ring; a message takes at most an eighth.
    #[arg(long, default_value_t = 1 << 19)]
    ingress_payload_bytes: u64,
    /// NUMA node of the memory.
    #[arg(long)]
    numa_node: Option<u32>,
    /// Record no latency: to measure what recording costs.
    #[arg(long)]
    no_latency: bool,
    /// Go on from this journal: the fabric's memory was lost (power), its journal was not.
    #[arg(long, value_name = "DIR")]
    recover_from: Option<PathBuf>,
}

/// Creates a fabric.
pub fn create(args: &CreateArgs) -> Result<()> {
    let recovery = args
        .recover_from
        .as_deref()
        .map(recovery_from)
        .transpose()?;
    if let Some(recovery) = &recovery {
        println!(
            "life {} begins at sequence {}",
            recovery.life, recovery.next_sequence
        );
    }
    let fabric = Fabric::create(&FabricConfig {
        recovery,
        slot_bytes: args.slot_bytes,
        stream_capacity: args.stream_capacity,
        stream_payload_bytes: args.stream_payload_bytes,
        ingress_capacity: args.ingress_capacity,
        ingress_payload_bytes: args.ingress_payload_bytes,
        numa_node: args.numa_node,
        latency: !args.no_latency,
        ..FabricConfig::new(&args.name)
    })?;
    let root = fabric.paths().root();
    let recovered = args.recover_from.as_deref().map_or(String::new(), |from| {
        format!(" --recover-from {}", from.display())
    });
    announce(
        root,
        &format!(
            "create {} --slot-bytes {} --stream-capacity {} --ingress-capacity {}{recovered}",
            args.name, args.slot_bytes, args.stream_capacity, args.ingress_capacity
        ),
    );
    let memory = fabric.memory();
    println!(
        "created {} ({} pages); next: selvedge sequencer {}",
        fabric.paths().root().display(),
        memory.pages,
        args.name
    );
    for note in memory.notes {
        println!("note: {note}");
    }
    Ok(())
}

/// Options of `sequencer`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
SIGTERM or Ctrl-C drains every ring and ends the stream; a second one ends the
process at once. Nothing is lost either way.

Examples:
  selvedge sequencer trading --core 2
  selvedge sequencer trading --idle park           where no core is to spare
  selvedge sequencer trading --standby --core 3    takes over when it dies")]
pub struct SequencerArgs {
    /// The fabric's name.
    name: String,
    /// Pin to this core.
    #[arg(long)]
    core: Option<usize>,
    /// What to do when there is nothing to do: busy, pause, batch, yield or park.
    #[arg(long, default_value_t = IdleStrategy::Pause)]
    idle: IdleStrategy,
    /// Wait beside a running sequencer, and take over when it dies or freezes. Any number of
    /// standbys may wait; one takes over, the others go on waiting.
    #[arg(long)]
    standby: bool,
    /// How long the sequencer's heartbeat may stand still before a standby takes over, in
    /// milliseconds.
    #[arg(long, default_value_t = 200, requires = "standby")]
    heartbeat_limit: u64,
    /// Leave a frozen sequencer alive: its epoch has ended, and it stops by itself when it wakes.
    #[arg(long, requires = "standby")]
    no_kill: bool,
}

/// Runs a sequencer until it is told to stop.
pub fn sequencer(args: &SequencerArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // The first signal drains; one more ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(ToolError::host("handle signals"))?;
    }
    if let Some(core) = args.core {
        pin_current_thread(core)?;
    }
    let fabric = Fabric::attach(&args.name)?;
    let mut sequencer = if args.standby {
        match stand_by(args, &fabric, &stop)? {
            Some(sequencer) => sequencer,
            None => return Ok(()),
        }
    } else {
        Sequencer::start(&fabric, &SequencerConfig::default())?
    };
    if let Err(error) = lock_memory() {
        eprintln!("note: {error}");
    }
    eprintln!(
        "sequencing {} in epoch {} from {} on; SIGTERM drains and stops",
        args.name,
        sequencer.epoch(),
        sequencer.next_sequence()
    );
    let (mut idle_rounds, mut draining) = (0, false);
    while !sequencer.ended() {
        if sequencer.do_work()? > 0 {
            idle_rounds = 0;
            continue;
        }
        if stop.load(Ordering::Relaxed) && !draining {
            draining = true;
            sequencer.drain();
        }
        args.idle.idle(idle_rounds);
        idle_rounds += 1;
    }
    let counters = sequencer.counters();
    eprintln!(
        "stopped in order: {} messages sequenced, next sequence {}",
        counters.messages,
        sequencer.next_sequence()
    );
    Ok(())
}

/// Waits until there is something to take over; `None` when told to stop.
fn stand_by(args: &SequencerArgs, fabric: &Fabric, stop: &AtomicBool) -> Result<Option<Sequencer>> {
    let mut standby = Standby::new(
        fabric,
        StandbyConfig {
            heartbeat_limit: Duration::from_millis(args.heartbeat_limit),
            kill_frozen: !args.no_kill,
            ..StandbyConfig::default()
        },
    );
    eprintln!("standing by for {}", args.name);
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Watch::TakenOver(sequencer) = standby.poll()? {
            return Ok(Some(*sequencer));
        }
        args.idle.idle(rounds);
        rounds += 1;
    }
    Ok(None)
}

/// Lists the fabrics.
pub fn list() -> Result<()> {
    let directory = base_directory();
    let names = Fabric::list_in(&directory);
    if names.is_empty() {
        println!(
            "no fabrics in {}; next: selvedge create NAME",
            directory.display()
        );
    }
    for name in names {
        match Fabric::attach_in(&directory, &name) {
            Ok(fabric) => {
                let sequencer = match fabric.sequencer() {
                    Some(view) if view.alive => format!(
                        "sequencer {:?}, process {}, epoch {}",
                        view.status, view.process.pid, view.epoch
                    )
                    .to_lowercase(),
                    Some(view) => format!("no sequencer (last: epoch {})", view.epoch),
                    None => "never had a sequencer".to_owned(),
                };
                println!(
                    "{name:<24} next sequence {:<12} {sequencer}",
                    fabric.next_sequence()
                );
            }
            Err(error) => println!("{name:<24} {error}"),
        }
    }
    Ok(())
}

/// Options of `remove`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
What was neither read nor journaled is gone with the fabric.

Examples:
  selvedge remove trading
  selvedge remove trading --consumer journal   only what this dead one holds
  selvedge remove --dead                       every fabric that nobody uses")]
pub struct RemoveArgs {
    /// The fabric's name; with --dead it may be left out.
    #[arg(required_unless_present = "dead")]
    name: Option<String>,
    /// Even if processes use it: they lose it.
    #[arg(long)]
    force: bool,
    /// Only what this dead consumer holds: an essential one that will not come back.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["force", "dead"])]
    consumer: Option<String>,
    /// Every fabric that no living process uses.
    #[arg(long, conflicts_with = "force")]
    dead: bool,
}

/// Removes fabrics.
pub fn remove(args: &RemoveArgs) -> Result<()> {
    if let (Some(name), Some(consumer)) = (&args.name, &args.consumer) {
        let fabric = Fabric::attach(name)?;
        announce(
            fabric.paths().root(),
            &format!("remove {name} --consumer {consumer}"),
        );
        let followed = dismiss_follower(&fabric, consumer)?;
        match fabric.dismiss_consumer(consumer) {
            // One that never got to the ring has no other file.
            Err(FabricError::NoSuchConsumer { .. }) if followed => {}
            dismissed => dismissed?,
        }
        println!("consumer {consumer} holds nothing of {name} any more");
        return Ok(());
    }
    if let Some(name) = &args.name {
        remove_fabric(name, args.force)?;
        println!("removed {name}");
        return Ok(());
    }
    for name in Fabric::list_in(&base_directory()) {
        match remove_fabric(&name, false) {
            Ok(()) => println!("removed {name}"),
            Err(FabricError::FabricInUse { users, .. }) => println!("kept {name}: used by {users}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Removes a fabric. Its journal outlives it, and is where that is to be found.
fn remove_fabric(name: &str, force: bool) -> std::result::Result<(), FabricError> {
    let journal = journal_directory(name).filter(|journal| journal.is_dir());
    Fabric::remove(name, force)?;
    if let Some(journal) = journal {
        let forced = if force { " --force" } else { "" };
        announce(&journal, &format!("remove {name}{forced}"));
    }
    Ok(())
}

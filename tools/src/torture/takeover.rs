//! How long a takeover takes, as one client sees it: from right before the kill of the sequencer
//! to the moment at which the client reads its next message, sequenced by the standby.
//!
//! The client and the standby have a core each. A sequencer that is to die shares the client's,
//! which the client leaves to it while it waits: a process cannot die without a core.

use super::lives::Lives;
use super::message::Tick;
use super::options::{RoleArgs, TortureArgs};
use super::process::Process;
use super::random::Random;
use super::report::{Faults, Report, Times};
use super::role::Role;
use super::stage::{FABRIC, Order, Orders, Stage};
use crate::error::{Result, ToolError};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::host::affinity::{available_cores, pin_current_thread};
use selvedge_fabric::{Consumer, Fabric, Producer, Start};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

struct Client {
    producer: Producer,
    consumer: Consumer,
    /// The next of the client's messages to be read.
    next: u64,
    lost: u64,
    duplicated: u64,
}

/// Kills the sequencer as often as asked for and measures.
pub fn measure(
    args: &TortureArgs,
    stage: &Stage,
    fabric: &Fabric,
    interrupted: &AtomicBool,
) -> Result<Report> {
    let cores = if args.cores.is_empty() {
        available_cores()
    } else {
        args.cores.clone()
    };
    let core = |turn: u64| {
        cores
            .get((turn % cores.len().clamp(1, 2) as u64) as usize)
            .copied()
    };
    let lives = Lives::create(&stage.lives(), args.kills + 2)?;
    let start = |turn: u64| -> Result<Process> {
        let process = Process::start(
            &RoleArgs {
                role: Role::Standby,
                stage: stage.root().to_path_buf(),
                life: turn,
                index: 0,
                heartbeat_limit: 60_000,
                core: core(turn),
                seed: args.seed,
                idle: args.standby_idle,
            },
            &stage.logs(),
            None,
        )?;
        wait(interrupted, "a standby", || {
            lives.life(turn).working_since() > 0
        })?;
        Ok(process)
    };
    let mut sequencer = start(0)?;
    wait(interrupted, "the sequencer", || {
        fabric.has_running_sequencer()
    })?;
    let mut producer = fabric
        .producer("client")
        .message::<Tick>()
        .timeout(PATIENCE)
        .attach()?;
    producer.set_idle_strategy(IdleStrategy::Yield);
    let mut client = Client {
        next: producer.next_source_sequence(),
        producer,
        consumer: fabric
            .consumer("client")
            .start(Start::Latest)
            .timeout(PATIENCE)
            .attach()?,
        lost: 0,
        duplicated: 0,
    };
    let mut random = Random::new(args.seed);
    let mut samples = Vec::new();
    for turn in 1..=args.kills {
        let mut standby = start(turn)?;
        if let Some(core) = core(turn + 1) {
            pin_current_thread(core)?;
        }
        // Some traffic first, for a random while.
        let calm = Instant::now() + Duration::from_micros(random.between(5_000, 25_000));
        while Instant::now() < calm {
            client.round_trip(interrupted)?;
        }
        let started = Instant::now();
        sequencer.kill();
        client.round_trip(interrupted)?;
        samples.push(started.elapsed().as_nanos() as u64);
        sequencer.reap()?;
        std::mem::swap(&mut sequencer, &mut standby);
    }
    let messages = client.next - 1;
    let (lost, duplicated) = (client.lost, client.duplicated);
    drop(client);
    Orders::open(stage)?.give(Order::End);
    sequencer.reap()?;
    Ok(Report {
        kills: args.kills,
        by_role: [(
            Role::Sequencer,
            Faults {
                kills: args.kills,
                freezes: 0,
            },
        )]
        .into(),
        messages,
        lost,
        duplicated,
        takeover_ms: Times::of(samples),
        ..Report::default()
    })
}

impl Client {
    /// Publishes a message and reads on until it comes.
    fn round_trip(&mut self, interrupted: &AtomicBool) -> Result<()> {
        let number = self.producer.next_source_sequence();
        self.producer.publish(&Tick::new(number, 0))?;
        let source = self.producer.source();
        let deadline = Instant::now() + PATIENCE;
        while self.next <= number {
            let (next, lost, duplicated) = (&mut self.next, &mut self.lost, &mut self.duplicated);
            let read = self.consumer.poll(64, |frame| {
                if frame.header().source() != source {
                    return;
                }
                let found = frame.header().source_sequence();
                *lost += found.saturating_sub(*next);
                *duplicated += u64::from(found < *next);
                *next = (*next).max(found + 1);
            })?;
            if read == 0 {
                std::thread::yield_now();
                if Instant::now() >= deadline || interrupted.load(Ordering::Relaxed) {
                    return Err(ToolError::Torture {
                        detail: format!("message {number} was not sequenced"),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Waits for something that takes a moment.
fn wait(interrupted: &AtomicBool, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        if interrupted.load(Ordering::Relaxed) {
            return Err(ToolError::Interrupted);
        }
        if Instant::now() >= deadline {
            return Err(ToolError::Torture {
                detail: format!("{what} did not come in {PATIENCE:?}: see {FABRIC}'s logs"),
            });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

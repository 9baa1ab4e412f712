//! Options of `torture`.

use super::role::Role;
use clap::Args;
use selvedge_fabric::host::IdleStrategy;
use std::path::PathBuf;

/// Options of `torture`.
#[derive(Args, Clone, Debug)]
pub struct TortureArgs {
    /// Processes to kill.
    #[arg(long, default_value_t = 200)]
    pub kills: u64,
    /// Processes to freeze, each for longer than a heartbeat may stand still.
    #[arg(long, default_value_t = 50)]
    pub freezes: u64,
    /// The seed of the plan of faults: the same seed, the same plan.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Roles that faults meet; all by default. All are there in any case.
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Producers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub producers: u64,
    /// Standbys.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=12))]
    pub standbys: u64,
    /// Mean milliseconds between two faults.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub every: u64,
    /// Milliseconds that a sequencer's heartbeat may stand still before a standby takes over.
    #[arg(long, default_value_t = 50)]
    pub heartbeat_limit: u64,
    /// Slots of the stream ring.
    #[arg(long, default_value_t = 8192)]
    pub stream_capacity: u64,
    /// Bytes of the stream's payload ring.
    #[arg(long, default_value_t = 1 << 20)]
    pub stream_payload_bytes: u64,
    /// Slots of the ingress rings.
    #[arg(long, default_value_t = 4096)]
    pub ingress_capacity: u64,
    /// Where to work: a new directory, removed at the end unless something is wrong; by default
    /// in shared memory.
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// Measure takeovers instead: --kills times a sequencer is killed, and a client waits for its
    /// next message to be sequenced by the standby.
    #[arg(long)]
    pub takeover: bool,
    /// What a standby does between two looks, with --takeover: busy, pause, batch, yield or park.
    #[arg(long, default_value_t = IdleStrategy::Pause)]
    pub standby_idle: IdleStrategy,
    /// Cores to use, with --takeover: the client's, the standby's; one for both is possible.
    #[arg(long, value_delimiter = ',')]
    pub cores: Vec<usize>,
    /// Every process dies, once, when it reaches this step (`name` or `name:count`) of a program
    /// built with the feature `crash-points`.
    #[arg(long, hide = true)]
    pub crash_at: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a process of the torture is told by the process that started it.
#[derive(Args, Clone, Debug)]
pub struct RoleArgs {
    /// What it does.
    #[arg(long)]
    pub role: Role,
    /// The stage.
    #[arg(long)]
    pub stage: PathBuf,
    /// Its row in the table of lives.
    #[arg(long)]
    pub life: u64,
    /// Which of its role it is.
    #[arg(long)]
    pub index: u64,
    /// Milliseconds that a heartbeat may stand still.
    #[arg(long)]
    pub heartbeat_limit: u64,
    /// Pin to this core.
    #[arg(long)]
    pub core: Option<usize>,
    /// Seed of what it does.
    #[arg(long)]
    pub seed: u64,
    /// What to do when there is nothing to do.
    #[arg(long)]
    pub idle: IdleStrategy,
}

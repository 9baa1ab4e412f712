//! The processes of the torture.

mod consumer;
mod journal;
mod observer;
mod producer;
mod sequencer;

use super::lives::{Life, Lives};
use super::options::RoleArgs;
use super::role::Role;
use super::stage::{FABRIC, Orders, Stage};
use crate::error::{Result, ToolError};
use selvedge_fabric::Fabric;
use selvedge_fabric::host::affinity::pin_current_thread;
use selvedge_fabric::host::ticks::utc_ns;
use std::time::Duration;

/// How long a process waits to be admitted.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many frames a reader takes at a time.
const RUN: usize = 64;

/// What every process has.
struct Context {
    args: RoleArgs,
    stage: Stage,
    fabric: Fabric,
    orders: Orders,
    lives: Lives,
}

impl Context {
    fn life(&self) -> Life<'_> {
        self.lives.life(self.args.life)
    }

    /// The process does what it is for.
    fn works(&self) {
        self.life().works(utc_ns());
    }
}

/// Runs one process until its order is to leave.
pub fn run(args: &RoleArgs) -> Result<()> {
    // With whoever started it goes this process too.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .map_err(|error| ToolError::host("ask for a signal")(error.into()))?;
    if let Some(core) = args.core {
        pin_current_thread(core)?;
    }
    let stage = Stage::at(&args.stage);
    let context = Context {
        fabric: Fabric::attach_in(&stage.fabrics(), FABRIC)?,
        orders: Orders::open(&stage)?,
        lives: Lives::open(&stage.lives())?,
        args: args.clone(),
        stage,
    };
    match args.role {
        Role::Producer => producer::run(&context),
        Role::Sequencer | Role::Standby => sequencer::run(&context),
        Role::Audit | Role::Gating => consumer::run(&context),
        Role::Observing | Role::Holding => observer::run(&context),
        Role::Journal => journal::run(&context),
    }
}

//! Starting everybody, doing the faults of the plan, reviving, ending.

use super::lives::Lives;
use super::options::{RoleArgs, TortureArgs};
use super::plan::{Fault, Kind};
use super::process::{Process, last_words};
use super::role::Role;
use super::stage::{Order, Orders, Stage};
use crate::error::{Result, ToolError};
use selvedge_fabric::Fabric;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::host::ticks::utc_ns;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the end may take.
const END_WITHIN: Duration = Duration::from_secs(180);

/// How long everybody works on after a crash.
const AFTER_CRASH: Duration = Duration::from_millis(200);

/// The longest wait for somebody whom a fault can meet.
const FIND_WITHIN: Duration = Duration::from_secs(20);

/// One that was killed while it sequenced.
#[derive(Clone, Copy, Debug)]
pub struct Fall {
    /// UTC nanoseconds right before the kill.
    pub at_ns: u64,
    /// The epoch that it sequenced.
    pub epoch: u64,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Deeds {
    /// Kills.
    pub kills: u64,
    /// Freezes.
    pub freezes: u64,
    /// Kills and freezes, by role.
    pub by_role: BTreeMap<Role, (u64, u64)>,
    /// Sequencers killed.
    pub falls: Vec<Fall>,
    /// Lives by producer, in order.
    pub producers: Vec<Vec<u64>>,
    /// When each life was started.
    pub started_ns: Vec<u64>,
    /// Processes that ended with an error.
    pub failures: Vec<String>,
}

enum State {
    Running,
    Frozen { until: Instant },
    Away { until: Instant },
    Left,
}

struct Member {
    role: Role,
    index: u64,
    state: State,
    process: Option<Process>,
    /// Died at the step that `--crash-at` names.
    crashed: bool,
}

/// See the module.
pub struct Supervisor<'a> {
    args: &'a TortureArgs,
    stage: &'a Stage,
    fabric: &'a Fabric,
    orders: Orders,
    idle: IdleStrategy,
    members: Vec<Member>,
    deeds: Deeds,
    interrupted: &'a AtomicBool,
}

impl<'a> Supervisor<'a> {
    /// Everybody's places; nobody is started yet.
    pub fn new(
        args: &'a TortureArgs,
        stage: &'a Stage,
        fabric: &'a Fabric,
        interrupted: &'a AtomicBool,
    ) -> Result<Self> {
        let mut members = Vec::new();
        for (role, count) in [
            // Numbered through: any of them may be the sequencer.
            (Role::Standby, args.standbys + 1),
            (Role::Audit, 1),
            (Role::Journal, 1),
            (Role::Gating, 1),
            (Role::Observing, 1),
            (Role::Holding, 1),
            (Role::Producer, args.producers),
        ] {
            for index in 0..count {
                members.push(Member {
                    role,
                    index,
                    state: State::Left,
                    process: None,
                    crashed: false,
                });
            }
        }
        let cores = selvedge_fabric::host::affinity::available_cores().len();
        Ok(Supervisor {
            args,
            stage,
            fabric,
            orders: Orders::open(stage)?,
            idle: if cores > members.len() {
                IdleStrategy::Pause
            } else {
                IdleStrategy::Park
            },
            deeds: Deeds {
                producers: vec![Vec::new(); args.producers as usize],
                ..Deeds::default()
            },
            members,
            interrupted,
        })
    }

    /// Starts everybody, readers before producers.
    pub fn start(&mut self, lives: &Lives) -> Result<()> {
        for at in 0..self.members.len() {
            if self.members[at].role == Role::Producer && self.members[at].index == 0 {
                self.wait_for_readers(lives)?;
            }
            self.launch(at)?;
        }
        Ok(())
    }

    /// The essential readers hold from the first message on.
    fn wait_for_readers(&mut self, lives: &Lives) -> Result<()> {
        let deadline = Instant::now() + FIND_WITHIN;
        loop {
            self.tend()?;
            let ready = self.members.iter().all(|member| {
                member.role == Role::Producer
                    || member
                        .process
                        .as_ref()
                        .is_some_and(|process| lives.life(process.life).working_since() > 0)
            });
            // The journal works before it is admitted: only the registry tells.
            let admitted = self.fabric.gating_consumers();
            let essential = [Role::Audit, Role::Journal];
            if ready
                && essential
                    .iter()
                    .all(|role| admitted.iter().any(|entry| entry.name == role.name()))
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.stuck("the readers were not admitted"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn stuck(&self, what: &str) -> ToolError {
        let mut said = Vec::new();
        for member in &self.members {
            let words = last_words(&self.stage.logs(), member.role, member.index);
            if !words.is_empty() {
                said.push(format!("{}-{}: {words}", member.role.name(), member.index));
            }
        }
        ToolError::Torture {
            detail: format!(
                "{what}; failures: {:?}; last words: {}; everything is kept in {}",
                self.deeds.failures,
                said.join(" | "),
                self.stage.root().display()
            ),
        }
    }

    fn launch(&mut self, at: usize) -> Result<()> {
        let life = self.deeds.started_ns.len() as u64;
        let member = &mut self.members[at];
        let args = RoleArgs {
            role: member.role,
            stage: self.stage.root().to_path_buf(),
            life,
            index: member.index,
            heartbeat_limit: self.args.heartbeat_limit,
            core: None,
            seed: self.args.seed,
            idle: self.idle,
        };
        self.deeds.started_ns.push(utc_ns());
        if member.role == Role::Producer
            && let Some(lives) = self.deeds.producers.get_mut(member.index as usize)
        {
            lives.push(life);
        }
        // Each dies at the step once: whoever comes back goes on.
        let step = self.args.crash_at.as_deref().filter(|_| !member.crashed);
        member.process = Some(Process::start(&args, &self.stage.logs(), step)?);
        member.state = State::Running;
        Ok(())
    }

    /// Wakes, revives and reaps whoever it is time for.
    fn tend(&mut self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(ToolError::Interrupted);
        }
        let now = Instant::now();
        for at in 0..self.members.len() {
            let member = &mut self.members[at];
            match member.state {
                State::Frozen { until } if until <= now => {
                    if let Some(process) = &member.process {
                        process.thaw();
                    }
                    member.state = State::Running;
                }
                State::Away { until } if until <= now => self.launch(at)?,
                State::Running => self.look_after(at)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Somebody who has ended unasked comes back, unless everybody is to leave.
    fn look_after(&mut self, at: usize) -> Result<()> {
        let member = &mut self.members[at];
        let Some(process) = &mut member.process else {
            return Ok(());
        };
        let Some(status) = process.ended()? else {
            return Ok(());
        };
        member.process = None;
        member.state = State::Left;
        let order = self.orders.now();
        let crashed = self.args.crash_at.is_some()
            && std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        if crashed {
            member.crashed = true;
            self.deeds.kills += 1;
            self.deeds.by_role.entry(member.role).or_default().0 += 1;
        } else if !status.success() {
            self.deeds.failures.push(format!(
                "{}-{} ended with {status}: {}",
                member.role.name(),
                member.index,
                last_words(&self.stage.logs(), member.role, member.index)
            ));
            if self.deeds.failures.len() > 20 {
                return Err(self.stuck("too many processes fail"));
            }
        }
        let done = order == Order::End || (order == Order::Finish && member.role == Role::Producer);
        if !done || !status.success() {
            self.members[at].state = State::Away {
                until: Instant::now() + Duration::from_millis(1),
            };
        }
        Ok(())
    }

    /// Does the faults of the plan.
    pub fn torment(&mut self, faults: &[Fault], told: &mut dyn FnMut(usize)) -> Result<()> {
        let mut due = Instant::now();
        for (done, fault) in faults.iter().enumerate() {
            due = (due + fault.after).max(Instant::now());
            loop {
                self.tend()?;
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                std::thread::sleep(left.min(Duration::from_millis(1)));
            }
            self.inflict(fault)?;
            told(done + 1);
        }
        Ok(())
    }

    fn inflict(&mut self, fault: &Fault) -> Result<()> {
        let deadline = Instant::now() + FIND_WITHIN;
        let at = loop {
            if let Some(at) = self.victim(fault) {
                break at;
            }
            if Instant::now() >= deadline {
                return Err(self.stuck(&format!("no {} comes back", fault.role.name())));
            }
            self.tend()?;
            std::thread::sleep(Duration::from_micros(200));
        };
        let member = &mut self.members[at];
        let Some(process) = &mut member.process else {
            return Ok(());
        };
        let counts = self.deeds.by_role.entry(fault.role).or_default();
        let until = Instant::now() + fault.span;
        match fault.kind {
            Kind::Freeze => {
                process.freeze();
                member.state = State::Frozen { until };
                counts.1 += 1;
                self.deeds.freezes += 1;
            }
            Kind::Kill => {
                let epoch = self.fabric.epoch().load().epoch();
                let at_ns = utc_ns();
                process.kill();
                if fault.role == Role::Sequencer {
                    self.deeds.falls.push(Fall { at_ns, epoch });
                }
                process.reap()?;
                member.process = None;
                member.state = State::Away { until };
                counts.0 += 1;
                self.deeds.kills += 1;
            }
        }
        Ok(())
    }

    /// Whom the fault meets. A kill may meet one that is frozen, too.
    fn victim(&mut self, fault: &Fault) -> Option<usize> {
        let current = self.fabric.sequencer().map(|view| view.process.pid);
        let fits = |member: &Member| {
            let there = match member.state {
                State::Running => true,
                State::Frozen { .. } => fault.kind == Kind::Kill,
                _ => false,
            };
            let pid = member.process.as_ref().map(Process::pid);
            let role = match fault.role {
                Role::Sequencer => member.role == Role::Standby && pid == current,
                Role::Standby => member.role == Role::Standby && pid != current,
                other => member.role == other,
            };
            there && role && pid.is_some()
        };
        let candidates: Vec<usize> = (0..self.members.len())
            .filter(|&at| fits(&self.members[at]))
            .collect();
        let count = candidates.len() as u64;
        candidates
            .get(fault.pick.checked_rem(count)? as usize)
            .copied()
    }

    /// Lets everybody work until somebody has died at the step that `--crash-at` names, and a
    /// while longer.
    pub fn await_crash(&mut self, step: &str) -> Result<()> {
        let deadline = Instant::now() + FIND_WITHIN;
        while !self.members.iter().any(|member| member.crashed) {
            if Instant::now() >= deadline {
                return Err(self.stuck(&format!(
                    "nobody reached the step {step}: was this program built with the feature crash-points?"
                )));
            }
            self.tend()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        let enough = Instant::now() + AFTER_CRASH;
        while Instant::now() < enough {
            self.tend()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Revives everybody, ends the stream, sees everybody leave.
    pub fn end(mut self) -> Result<Deeds> {
        let deadline = Instant::now() + END_WITHIN;
        for (order, roles_that_leave) in [
            (Order::Finish, &[Role::Producer][..]),
            (Order::End, &Role::ALL[..]),
        ] {
            // Nobody who is still away or frozen misses the order.
            self.wait_for_all(deadline)?;
            self.orders.give(order);
            loop {
                self.tend()?;
                let waiting = self.members.iter().any(|member| {
                    roles_that_leave.contains(&member.role) && !matches!(member.state, State::Left)
                });
                if !waiting {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(self.stuck(&format!("not everybody left after {order:?}")));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(std::mem::take(&mut self.deeds))
    }

    fn wait_for_all(&mut self, deadline: Instant) -> Result<()> {
        loop {
            self.tend()?;
            let order = self.orders.now();
            let all = self.members.iter().all(|member| match member.state {
                State::Running => true,
                State::Left => order != Order::Run && member.role == Role::Producer,
                _ => false,
            });
            if all {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.stuck("not everybody came back"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

//! One agent as a child process that is started again when it dies, but not for ever.

use crate::error::{Result, ToolError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// More deaths than this within [`WINDOW`] and the supervisor gives up.
const MAX_DEATHS: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// What came of a look at the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It runs, or will be started again in a moment.
    Runs,
    /// It ended by itself, in order.
    Ended,
}

/// See the module.
#[derive(Debug)]
pub struct AgentProcess {
    role: &'static str,
    arguments: Vec<String>,
    /// Added when it is started again.
    again: &'static [&'static str],
    started: bool,
    directory: std::path::PathBuf,
    child: Option<Child>,
    deaths: Vec<Instant>,
    last_death: Option<String>,
    start_at: Instant,
}

impl AgentProcess {
    /// A process of `selvedge` with `arguments`, started at once; with those in `again` too
    /// whenever it is started anew.
    pub fn start(
        role: &'static str,
        arguments: Vec<String>,
        again: &'static [&'static str],
        directory: &Path,
    ) -> Result<Self> {
        let mut agent = AgentProcess {
            role,
            arguments,
            again,
            started: false,
            directory: directory.to_path_buf(),
            child: None,
            deaths: Vec::new(),
            last_death: None,
            start_at: Instant::now(),
        };
        agent.spawn()?;
        Ok(agent)
    }

    /// What it is.
    pub fn role(&self) -> &'static str {
        self.role
    }

    fn spawn(&mut self) -> Result<()> {
        let program = std::env::current_exe().map_err(ToolError::host("find this program"))?;
        let child = Command::new(program)
            .args(&self.arguments)
            .args(if self.started { self.again } else { &[] })
            .env("SELVEDGE_DIR", &self.directory)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .spawn()
            .map_err(ToolError::host(format!("start the {}", self.role)))?;
        tracing::info!(role = self.role, pid = child.id(), "started");
        self.child = Some(child);
        self.started = true;
        Ok(())
    }

    /// Starts it again at once, whatever it died of.
    pub fn start_again(&mut self) -> Result<()> {
        self.spawn()
    }

    /// Looks whether it lives, and starts it again where it died.
    pub fn tend(&mut self) -> Result<Outcome> {
        let Some(child) = &mut self.child else {
            if Instant::now() >= self.start_at {
                self.spawn()?;
            }
            return Ok(Outcome::Runs);
        };
        let Some(status) = child
            .try_wait()
            .map_err(ToolError::host(format!("wait for the {}", self.role)))?
        else {
            return Ok(Outcome::Runs);
        };
        let pid = child.id();
        self.child = None;
        if status.success() {
            return Ok(Outcome::Ended);
        }
        self.died(pid, status)
    }

    /// How it died, if it has since this was last asked.
    pub fn take_death(&mut self) -> Option<String> {
        self.last_death.take()
    }

    fn died(&mut self, pid: u32, status: ExitStatus) -> Result<Outcome> {
        let now = Instant::now();
        self.last_death = Some(format!("process {pid}, with {status}"));
        self.deaths
            .retain(|death| now.duration_since(*death) < WINDOW);
        self.deaths.push(now);
        if self.deaths.len() > MAX_DEATHS {
            return Err(ToolError::GivenUp {
                role: self.role,
                deaths: self.deaths.len(),
                status: status.to_string(),
            });
        }
        // The first is replaced at once; one that keeps dying gets longer and longer pauses.
        let pause = match self.deaths.len() {
            0 | 1 => Duration::ZERO,
            count => Duration::from_millis(50 << (count - 2).min(6)),
        };
        tracing::warn!(role = self.role, %status, pause_ms = pause.as_millis() as u64, "died; starting it again");
        self.start_at = now + pause;
        if pause.is_zero() {
            self.spawn()?;
        }
        Ok(Outcome::Runs)
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        if let Some(child) = &self.child {
            let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
        }
    }

    /// Waits until it has ended; kills it where that takes longer than `patience`. Whether it
    /// ended by itself.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let started = Instant::now();
        while let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(None) if started.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) | Err(_) => {
                    tracing::warn!(role = self.role, "did not end in time; killing it");
                    let _ = child.kill();
                    let _ = child.wait();
                    self.child = None;
                    return false;
                }
                Ok(Some(_)) => self.child = None,
            }
        }
        true
    }
}

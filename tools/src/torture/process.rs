//! One process of the torture, as the one that starts and kills them sees it.

use super::options::RoleArgs;
use super::role::Role;
use crate::error::{Result, ToolError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A started process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its life.
    pub life: u64,
}

impl Process {
    /// Starts the process that `args` describe; what it says goes to a file of its role. It dies
    /// when it reaches the step `crash_at`.
    pub fn start(args: &RoleArgs, logs: &Path, crash_at: Option<&str>) -> Result<Self> {
        let program = std::env::current_exe().map_err(ToolError::host("find this program"))?;
        let path = logs.join(format!("{}-{}", args.role.name(), args.index));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(ToolError::host(format!("open {}", path.display())))?;
        let mut command = Command::new(program);
        command.arg("torture-role");
        for (option, value) in [
            ("--role", args.role.name().to_owned()),
            ("--life", args.life.to_string()),
            ("--index", args.index.to_string()),
            ("--heartbeat-limit", args.heartbeat_limit.to_string()),
            ("--seed", args.seed.to_string()),
            ("--idle", args.idle.to_string()),
        ] {
            command.arg(option).arg(value);
        }
        if let Some(core) = args.core {
            command.arg("--core").arg(core.to_string());
        }
        if let Some(step) = crash_at {
            command.env("SELVEDGE_CRASH_AT", step);
        }
        let child = command
            .arg("--stage")
            .arg(&args.stage)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(ToolError::host("start a process"))?;
        Ok(Process {
            child,
            life: args.life,
        })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        // The process is this one's child and not reaped: the number is still its own. One that
        // has ended by itself cannot be signalled, which `ended` tells.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    /// Kills it, without waiting for its end.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Stops it where it is.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .map_err(ToolError::host("wait for a process"))
    }

    /// Waits for its end.
    pub fn reap(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .map_err(ToolError::host("wait for a process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last line that a role's processes said.
pub fn last_words(logs: &Path, role: Role, index: u64) -> String {
    let path = logs.join(format!("{}-{index}", role.name()));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(1)..].join("; ")
}

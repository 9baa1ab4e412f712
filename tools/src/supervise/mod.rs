//! `up` and `down`: a fabric with its agents, from one topology file.

mod agent_process;
mod down;
mod notify;
mod record;
mod supervisor;

pub use down::{DownArgs, down};
pub use record::kept_topology;

use crate::error::{Result, ToolError};
use crate::topology;
use clap::Args;
use record::SupervisorRecord;
use selvedge_fabric::shared::paths::base_directory;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use supervisor::Supervisor;

/// How long `up` waits for the supervisor that it has started.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options of `up`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The fabric is created unless it is there. An agent that dies is started again;
the next sequencer goes on where the last one was, nothing is lost.

Examples:
  selvedge check fabric.toml             first: every mistake with its line
  selvedge up fabric.toml                start it and return
  selvedge up fabric.toml --foreground   stay: for systemd and Ctrl-C
  selvedge status fabric.toml            who takes part
  selvedge down fabric.toml              end it in order")]
pub struct UpArgs {
    /// The topology file.
    file: PathBuf,
    /// Stay in the foreground.
    #[arg(long)]
    foreground: bool,
    /// Where the agents write what they have to say; beside the fabric unless said.
    #[arg(long, value_name = "FILE", conflicts_with = "foreground")]
    log: Option<PathBuf>,
    /// The other end of `up`.
    #[arg(long, hide = true)]
    detached: bool,
}

/// Starts a fabric.
pub fn up(args: &UpArgs) -> Result<()> {
    let topology = topology::load(&args.file)?;
    let directory = topology.directory.clone().unwrap_or_else(base_directory);
    if args.foreground {
        if args.detached {
            // The terminal of whoever ran `up` may close.
            nix::unistd::setsid()
                .map_err(|error| ToolError::host("leave the terminal")(error.into()))?;
        }
        let text = std::fs::read_to_string(&args.file)
            .map_err(ToolError::host(format!("read {}", args.file.display())))?;
        return Supervisor::new(topology, &text, directory)?.run();
    }
    let root = directory.join(&topology.name);
    if let Some(other) = SupervisorRecord::living(&root) {
        return Err(ToolError::AlreadyUp {
            name: topology.name,
            pid: other.pid,
        });
    }
    let log = match &args.log {
        Some(log) => log.clone(),
        None => directory.join(format!(".{}.log", topology.name)),
    };
    let mut child = detach(args, &directory, &log)?;
    wait_until_up(&mut child, &root, &topology.name, &log)?;
    println!(
        "{} is up (supervisor {}, log {}); next: selvedge status {}",
        topology.name,
        child.id(),
        log.display(),
        topology.name
    );
    Ok(())
}

fn detach(args: &UpArgs, directory: &Path, log: &Path) -> Result<Child> {
    std::fs::create_dir_all(directory)
        .map_err(ToolError::host(format!("create {}", directory.display())))?;
    let file = std::fs::File::create(log)
        .map_err(ToolError::host(format!("write the log {}", log.display())))?;
    let other = file
        .try_clone()
        .map_err(ToolError::host("share the log with the supervisor"))?;
    let program = std::env::current_exe().map_err(ToolError::host("find this program"))?;
    Command::new(program)
        .arg("up")
        .arg(&args.file)
        .args(["--foreground", "--detached"])
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(other)
        .spawn()
        .map_err(ToolError::host("start the supervisor"))
}

fn wait_until_up(child: &mut Child, root: &Path, name: &str, log: &Path) -> Result<()> {
    let started = Instant::now();
    loop {
        let ours = SupervisorRecord::read(root)
            .is_some_and(|record| record.pid == child.id() && record.ready);
        if ours {
            return Ok(());
        }
        let ended = child
            .try_wait()
            .map_err(ToolError::host("wait for the supervisor"))?;
        if let Some(status) = ended {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            return Err(ToolError::SupervisorEnded {
                name: name.to_owned(),
                status: status.to_string(),
                said: last_lines(&said, 8),
            });
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            return Err(ToolError::NotUp {
                name: name.to_owned(),
                what: format!("the supervisor (its log is {})", log.display()),
                waited_s: PATIENCE.as_secs(),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

//! `down`: ends a fabric in order.

use super::record::SupervisorRecord;
use crate::error::{Result, ToolError};
use crate::locate::Location;
use crate::operator::announce;
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_fabric::Fabric;
use selvedge_fabric::host::process::ProcessIdentity;
use std::time::{Duration, Instant};

/// Options of `down`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Every ring is drained, the stream gets its end, the journal is closed.
The fabric stays, with what its rings hold; the next `up` goes on from there.

Examples:
  selvedge down fabric.toml
  selvedge down trading                  by name
  selvedge down trading --remove         and remove it: for good")]
pub struct DownArgs {
    /// The fabric's name, or its topology file.
    fabric: String,
    /// Remove the fabric afterwards: what was not read or journaled is gone.
    #[arg(long)]
    remove: bool,
    /// Seconds to wait for the end.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Ends a fabric.
pub fn down(args: &DownArgs) -> Result<()> {
    let location = Location::of(&args.fabric)?;
    let fabric = location.attach()?;
    let patience = Duration::from_secs(args.timeout);
    let supervisor = SupervisorRecord::living(fabric.paths().root());
    let sequencer = fabric.sequencer().filter(|view| view.alive);
    let removed = if args.remove { " --remove" } else { "" };
    if supervisor.is_some() || sequencer.is_some() {
        announce(
            fabric.paths().root(),
            &format!("down {}{removed}", location.name),
        );
    }
    match (&supervisor, &sequencer) {
        (Some(record), _) => end(&location.name, "the supervisor", record.process(), patience)?,
        // A supervisor that was killed has left its agents running.
        (None, Some(view)) => end(&location.name, "the sequencer", view.process, patience)?,
        (None, None) if !args.remove => {
            println!("{} is not up; nothing to do", location.name);
            return Ok(());
        }
        (None, None) => {}
    }
    if args.remove {
        Fabric::remove_in(&location.directory, &location.name, false)?;
        println!("{} is down and removed", location.name);
    } else {
        println!(
            "{} is down; next: selvedge up FILE, or selvedge remove {}",
            location.name, location.name
        );
    }
    Ok(())
}

fn end(name: &str, what: &str, process: ProcessIdentity, patience: Duration) -> Result<()> {
    kill(Pid::from_raw(process.pid as i32), Signal::SIGTERM).map_err(|error| {
        ToolError::host(format!("stop {what} (process {})", process.pid))(error.into())
    })?;
    let started = Instant::now();
    while process.is_alive() {
        if started.elapsed() > patience {
            return Err(ToolError::NotDown {
                name: name.to_owned(),
                what: format!("{what} (process {})", process.pid),
                waited_s: patience.as_secs(),
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

//! A group of roles on one thread: as a process of its own, or inside this one.

use super::options::DemoArgs;
use super::plan::Group;
use super::report::RoleReport;
use super::roles::{self, RoleAgent, RoleContext};
use crate::error::{Result, ToolError};
use clap::Args;
use selvedge_fabric::Fabric;
use selvedge_fabric::agent::{Agent, run};
use selvedge_fabric::host::affinity::pin_current_thread;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a process of the demo is told by the process that started it.
#[derive(Args, Clone, Debug)]
pub struct GroupArgs {
    /// The group, as JSON.
    #[arg(long)]
    group: String,
    /// The fabric's name.
    #[arg(long)]
    fabric: String,
    /// The journal's directory.
    #[arg(long)]
    into: PathBuf,
    #[command(flatten)]
    demo: DemoArgs,
}

impl GroupArgs {
    /// The arguments for a child process that runs `group`.
    pub fn command_line(
        group: &Group,
        fabric: &str,
        journal: &std::path::Path,
        demo: &DemoArgs,
    ) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec!["demo-group".into()];
        let mut push = |name: &str, value: std::ffi::OsString| {
            arguments.push(name.into());
            arguments.push(value);
        };
        push(
            "--group",
            serde_json::to_string(group).unwrap_or_default().into(),
        );
        push("--fabric", fabric.into());
        push("--into", journal.into());
        push(
            "--pace",
            match demo.pace.factor() {
                1 => "1x",
                10 => "10x",
                _ => "max",
            }
            .into(),
        );
        match &demo.itch {
            Some(path) => push("--itch", path.into()),
            None => {
                push("--messages", demo.messages.to_string().into());
                push("--seed", demo.seed.to_string().into());
                push("--symbols", demo.symbols.to_string().into());
            }
        }
        arguments
    }
}

/// Runs the roles of a group until each has finished; pins the calling thread.
pub fn run_roles(
    group: &Group,
    context: &RoleContext,
    stop: &AtomicBool,
) -> Result<Vec<RoleReport>> {
    if let Some(core) = group.core {
        pin_current_thread(core)?;
    }
    let mut agents: Vec<Box<dyn RoleAgent>> = Vec::new();
    for &role in &group.roles {
        agents.push(roles::create(role, context)?);
    }
    {
        let mut stepped: Vec<&mut dyn Agent> = agents
            .iter_mut()
            .map(|agent| agent.as_mut() as &mut dyn Agent)
            .collect();
        run(&mut stepped, group.idle(), stop).map_err(ToolError::role(&group.names()))?;
    }
    Ok(agents.iter().map(|agent| agent.report()).collect())
}

/// The whole of a child process: runs its group, prints its reports, one JSON object a line.
pub fn run_group_process(args: &GroupArgs) -> Result<()> {
    die_with_parent()?;
    let group: Group = serde_json::from_str(&args.group).map_err(|error| ToolError::Role {
        role: "demo-group".to_owned(),
        error: error.to_string(),
    })?;
    let drain = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // The first signal drains; one more ends the process.
        signal_hook::flag::register_conditional_shutdown(signal, 1, drain.clone())
            .and_then(|_| signal_hook::flag::register(signal, drain.clone()))
            .map_err(ToolError::host("handle signals"))?;
    }
    let context = RoleContext {
        fabric: Fabric::attach(&args.fabric)?,
        args: args.demo.clone(),
        journal: args.into.clone(),
        drain,
        manual_time: None,
    };
    let reports = run_roles(&group, &context, &AtomicBool::new(false))?;
    for report in reports {
        if let Ok(line) = serde_json::to_string(&report) {
            println!("{line}");
        }
    }
    Ok(())
}

/// A demo whose first process is killed leaves nobody spinning.
fn die_with_parent() -> Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .map_err(|error| ToolError::host("follow the parent process")(error.into()))
}

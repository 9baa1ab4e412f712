//! Starting the groups of a plan and waiting for the day to be over.

use super::group::{GroupArgs, run_roles};
use super::options::DemoArgs;
use super::plan::{Group, Kind, Plan};
use super::progress::DayProgress;
use super::report::RoleReport;
use super::roles::RoleContext;
use crate::error::{Result, ToolError};
use selvedge_fabric::Fabric;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Runs the day; what each role reports.
pub fn run_day(
    args: &DemoArgs,
    plan: &Plan,
    fabric: &Fabric,
    journal: &Path,
) -> Result<Vec<RoleReport>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, interrupted.clone())
            .map_err(ToolError::host("handle signals"))?;
    }
    let progress = DayProgress::new(args, fabric);
    let reports = match plan.kind {
        Kind::Processes => run_processes(args, plan, fabric, journal, &interrupted, &progress),
        Kind::Threads => run_threads(args, plan, fabric, journal, &interrupted, &progress, None),
        Kind::Stepped => {
            let time = Some(Arc::new(AtomicU64::new(1)));
            run_threads(args, plan, fabric, journal, &interrupted, &progress, time)
        }
    };
    progress.finish();
    reports
}

fn run_threads(
    args: &DemoArgs,
    plan: &Plan,
    fabric: &Fabric,
    journal: &Path,
    interrupted: &Arc<AtomicBool>,
    progress: &DayProgress,
    manual_time: Option<Arc<AtomicU64>>,
) -> Result<Vec<RoleReport>> {
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for group in &plan.groups {
            let context = RoleContext {
                fabric: fabric.clone(),
                args: args.clone(),
                journal: journal.to_path_buf(),
                drain: Arc::new(AtomicBool::new(false)),
                manual_time: manual_time.clone(),
            };
            let stop = &stop;
            threads.push(scope.spawn(move || {
                let outcome = run_roles(group, &context, stop);
                if outcome.is_err() {
                    // The others would wait for this one for ever.
                    stop.store(true, Ordering::Relaxed);
                }
                outcome
            }));
        }
        while !threads.iter().all(|thread| thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            progress.update();
            if interrupted.load(Ordering::Relaxed) {
                stop.store(true, Ordering::Relaxed);
            }
        }
        let mut reports = Vec::new();
        let mut failed = None;
        for thread in threads {
            match thread.join() {
                Ok(Ok(mut of_group)) => reports.append(&mut of_group),
                Ok(Err(error)) => failed = Some(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(reports),
        }
    });
    if interrupted.load(Ordering::Relaxed) {
        return Err(ToolError::Interrupted);
    }
    outcome
}

/// A child process; killed when it is dropped.
struct GroupProcess {
    child: Child,
    names: String,
}

impl Drop for GroupProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run_processes(
    args: &DemoArgs,
    plan: &Plan,
    fabric: &Fabric,
    journal: &Path,
    interrupted: &Arc<AtomicBool>,
    progress: &DayProgress,
) -> Result<Vec<RoleReport>> {
    let mut processes = Vec::new();
    for group in &plan.groups {
        processes.push(start_process(group, args, fabric, journal)?);
    }
    let mut reports = Vec::new();
    while !processes.is_empty() {
        std::thread::sleep(Duration::from_millis(20));
        progress.update();
        if interrupted.load(Ordering::Relaxed) {
            return Err(ToolError::Interrupted);
        }
        let mut index = 0;
        while index < processes.len() {
            let process = &mut processes[index];
            let status = process
                .child
                .try_wait()
                .map_err(ToolError::host("wait for a process of the demo"))?;
            let Some(status) = status else {
                index += 1;
                continue;
            };
            let mut process = processes.swap_remove(index);
            let printed = read_all(process.child.stdout.take());
            if !status.success() {
                return Err(ToolError::Child {
                    roles: process.names.clone(),
                    status: status.to_string(),
                    detail: read_all(process.child.stderr.take()).trim().to_owned(),
                });
            }
            for line in printed.lines() {
                let report = serde_json::from_str(line).map_err(|error| ToolError::Child {
                    roles: process.names.clone(),
                    status: status.to_string(),
                    detail: format!("it reported `{line}`: {error}"),
                })?;
                reports.push(report);
            }
        }
    }
    Ok(reports)
}

fn start_process(
    group: &Group,
    args: &DemoArgs,
    fabric: &Fabric,
    journal: &Path,
) -> Result<GroupProcess> {
    let program = std::env::current_exe().map_err(ToolError::host("find this program"))?;
    let child = Command::new(program)
        .args(GroupArgs::command_line(group, fabric.name(), journal, args))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(ToolError::host(format!("start the {}", group.names())))?;
    Ok(GroupProcess {
        child,
        names: group.names(),
    })
}

fn read_all(stream: Option<impl Read>) -> String {
    let mut text = String::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_string(&mut text);
    }
    text
}

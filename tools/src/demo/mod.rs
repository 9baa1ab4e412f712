//! `selvedge demo`: a trading day from the feed to the journal and back.

mod group;
mod launch;
mod options;
mod plan;
mod progress;
mod replay;
mod report;
mod roles;
mod summary;

pub use group::{GroupArgs, run_group_process};
pub use options::DemoArgs;

use crate::error::{Result, ToolError};
use plan::Plan;
use report::DayReport;
use selvedge_fabric::host::affinity::available_cores;
use selvedge_fabric::{Fabric, FabricConfig};
use selvedge_journal::{Verdict, VerifyOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Runs the demo.
pub fn run(args: &DemoArgs) -> Result<()> {
    if let Some(directory) = &args.replay {
        return replay_again(args, directory);
    }
    let journal = journal_directory(args)?;
    let plan = Plan::new(args.placement, &available_cores());
    let mut config = FabricConfig::new(&format!("demo-{}", std::process::id()));
    if let Some(pages) = args.pages {
        config.pages = pages.into();
    }
    let fabric = Fabric::create(&config)?;
    let created = CreatedFabric(&fabric);
    let started = Instant::now();
    let roles = launch::run_day(args, &plan, &fabric, &journal)?;
    let wall = started.elapsed();
    let memory = fabric.memory();
    drop(created);

    let verified = verify_journal(args, &journal)?;
    let replayed = progress::while_waiting(args.json, "replaying into fresh books", || {
        replay::replay(&journal, args.bbo.as_deref())
    })?;
    let report = DayReport::new(
        args, &plan, &memory, &journal, wall, roles, verified, replayed,
    );
    summary::print(args, &report);
    report.check()
}

/// The fabric of this run; removed when the run is over, however it ends.
struct CreatedFabric<'a>(&'a Fabric);

impl Drop for CreatedFabric<'_> {
    fn drop(&mut self) {
        if let Some(directory) = self.0.paths().root().parent() {
            let _ = Fabric::remove_in(directory, self.0.name(), true);
        }
    }
}

/// Where the journal goes: a directory that is new or empty.
fn journal_directory(args: &DemoArgs) -> Result<PathBuf> {
    let directory = match &args.journal {
        Some(directory) => directory.clone(),
        None => {
            let seconds = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_secs();
            std::env::temp_dir()
                .join("selvedge-demo")
                .join(format!("{seconds}-{}", std::process::id()))
        }
    };
    std::fs::create_dir_all(&directory)
        .map_err(ToolError::host(format!("create {}", directory.display())))?;
    let empty = std::fs::read_dir(&directory)
        .map_err(ToolError::host(format!("read {}", directory.display())))?
        .next()
        .is_none();
    if !empty {
        return Err(ToolError::NotEmpty(directory));
    }
    Ok(directory)
}

fn verify_journal(args: &DemoArgs, journal: &Path) -> Result<selvedge_journal::Report> {
    let report = progress::while_waiting(args.json, "verifying the journal", || {
        selvedge_journal::verify(journal, &VerifyOptions::default(), &mut |_| {})
    })?;
    if report.verdict == Verdict::Damaged {
        return Err(ToolError::JournalDamaged {
            journal: journal.display().to_string(),
            detail: report
                .damage
                .first()
                .map_or_else(String::new, |damage| damage.problem.clone()),
        });
    }
    Ok(report)
}

/// `--replay DIR`: the books and orders of a journal written before.
fn replay_again(args: &DemoArgs, directory: &Path) -> Result<()> {
    let verified = verify_journal(args, directory)?;
    let replayed = progress::while_waiting(args.json, "replaying into fresh books", || {
        replay::replay(directory, args.bbo.as_deref())
    })?;
    summary::print_replay(args, directory, &verified, &replayed);
    replayed.check(directory)
}

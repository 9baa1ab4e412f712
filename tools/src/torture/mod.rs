//! `torture`: kills and freezes processes of a fabric under load, and accounts for every message.
//!
//! | module | concept |
//! |---|---|
//! | `plan` | the faults, from the seed alone |
//! | `supervise` | starting, killing, freezing, reviving, ending |
//! | `roles` | the processes |
//! | `lives` | what producers know they committed |
//! | `sightings` | what readers were handed |
//! | `account` | the one against the other |
//! | `takeover` | how long a takeover takes, seen by one client |

mod account;
mod epochs;
mod leaks;
mod lives;
mod message;
mod options;
mod plan;
mod process;
mod random;
mod report;
mod role;
mod roles;
mod sightings;
mod stage;
mod supervise;
mod takeover;
mod words;

pub use options::{RoleArgs, TortureArgs};
pub use roles::run as run_role;

use crate::error::{Result, ToolError};
use account::account;
use epochs::Epochs;
use indicatif::{ProgressBar, ProgressStyle};
use leaks::Places;
use lives::Lives;
use plan::{PlanOptions, plan};
use report::Report;
use role::Role;
use selvedge_fabric::{Fabric, FabricConfig};
use sightings::Sightings;
use stage::{FABRIC, Stage};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use supervise::Supervisor;

/// Runs a torture.
pub fn run(args: &TortureArgs) -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, interrupted.clone())
            .map_err(ToolError::host("handle signals"))?;
    }
    let root = args.directory.clone().unwrap_or_else(|| {
        PathBuf::from(format!("/dev/shm/selvedge-torture-{}", std::process::id()))
    });
    let stage = Stage::at(&root);
    stage.create()?;
    let mut findings = Vec::new();
    let outcome = torture(args, &stage, &interrupted, &mut findings);
    let clean = matches!(&outcome, Ok(report) if report.is_clean() && findings.is_empty());
    if clean || matches!(&outcome, Err(ToolError::Interrupted)) {
        let _ = Fabric::remove_in(&stage.fabrics(), FABRIC, true);
        std::fs::remove_dir_all(&root)
            .map_err(ToolError::host(format!("remove {}", root.display())))?;
    }
    let report = outcome?;
    if args.json {
        println!("{}", serde_json::to_string(&report).unwrap_or_default());
    } else {
        report.print();
    }
    for finding in &findings {
        eprintln!("finding: {finding}");
    }
    if clean {
        Ok(())
    } else {
        Err(ToolError::Torture {
            detail: format!(
                "the account does not balance (seed {}); everything is kept in {}",
                args.seed,
                root.display()
            ),
        })
    }
}

fn torture(
    args: &TortureArgs,
    stage: &Stage,
    interrupted: &AtomicBool,
    findings: &mut Vec<String>,
) -> Result<Report> {
    let fabric = Fabric::create(&FabricConfig {
        stream_capacity: args.stream_capacity,
        stream_payload_bytes: args.stream_payload_bytes,
        ingress_capacity: args.ingress_capacity,
        ..FabricConfig::new(FABRIC).in_directory(stage.fabrics())
    })?;
    let mut report = if args.takeover {
        takeover::measure(args, stage, &fabric, interrupted)?
    } else {
        torment(args, stage, &fabric, interrupted, findings)?
    };
    let places = Places::of(stage, &fabric);
    drop(fabric);
    Fabric::remove_in(&stage.fabrics(), FABRIC, false)?;
    for path in places.left() {
        report.leaks += 1;
        findings.push(format!("left: {}", path.display()));
    }
    Ok(report)
}

fn torment(
    args: &TortureArgs,
    stage: &Stage,
    fabric: &Fabric,
    interrupted: &AtomicBool,
    findings: &mut Vec<String>,
) -> Result<Report> {
    let roles = if args.roles.is_empty() {
        Role::ALL.to_vec()
    } else {
        args.roles.clone()
    };
    let faults = plan(&PlanOptions {
        kills: args.kills,
        freezes: args.freezes,
        seed: args.seed,
        roles,
        every: Duration::from_millis(args.every),
        heartbeat_limit: Duration::from_millis(args.heartbeat_limit),
    });
    for role in [Role::Audit, Role::Gating, Role::Observing, Role::Holding] {
        Sightings::create(&stage.sightings(role))?;
    }
    Epochs::create(&stage.epochs())?;
    // Everybody once, each kill, and those that end because another took over.
    let most_lives = 16 + args.producers + args.standbys + 3 * (args.kills + args.freezes);
    let lives = Lives::create(&stage.lives(), most_lives * 4)?;
    let progress = if args.json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(faults.len() as u64)
    };
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} faults {wide_bar} {elapsed}") {
        progress.set_style(style);
    }
    let mut supervisor = Supervisor::new(args, stage, fabric, interrupted)?;
    supervisor.start(&lives)?;
    supervisor.torment(&faults, &mut |done| progress.set_position(done as u64))?;
    if let Some(step) = &args.crash_at {
        supervisor.await_crash(step)?;
    }
    let deeds = supervisor.end()?;
    progress.finish_and_clear();
    findings.extend(deeds.failures.iter().cloned());
    account(stage, &deeds, findings)
}

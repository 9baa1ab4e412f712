//! `doctor`: looks at the host as an expert would, explains, and changes nothing.

mod checks;
mod finding;
mod host;
mod html;
mod measured;
mod print;
mod scope;

pub use checks::{run as findings, run_plan};
pub use finding::{Finding, Severity};
pub use host::{Cores, Host, cores_text};
pub use scope::Scope;

use crate::error::{Result, ToolError};
use crate::topology::{self};
use clap::Args;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Options of `doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Nothing is changed: every remedy is a command to read and run.

Exit code: 0 nothing above a note, 2 warnings, 3 errors, 1 the doctor failed.

Examples:
  selvedge doctor                        this host, all cores
  selvedge doctor fabric.toml            whether this host suits that plan
  selvedge doctor --cores 2-5            the cores that matter
  selvedge doctor --seconds 10           measure longer; 0 skips measuring
  selvedge doctor --json | jq '.findings[] | select(.severity != \"ok\")'
  selvedge doctor --html host.html       a page with the heat map")]
pub struct DoctorArgs {
    /// A topology file: its cores, memory and journal are looked at.
    topology: Option<PathBuf>,
    /// The cores that matter, such as 2-5,8.
    #[arg(long, value_parser = parse_cores_argument)]
    cores: Option<CoreList>,
    /// Seconds for which each core spins to find out what preempts it; 0: nothing is measured.
    #[arg(long, default_value_t = 2.0, value_parser = parse_seconds)]
    seconds: f64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write a page to this file too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Cores from the command line.
#[derive(Clone, Debug)]
struct CoreList(Cores);

fn parse_cores_argument(text: &str) -> Result<CoreList, String> {
    match host::parse_cores(text) {
        Some(cores) if !cores.is_empty() => Ok(CoreList(cores)),
        _ => Err("write cores as 2-5,8".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("use 0 to 3600".to_owned()),
    }
}

/// Looks, measures, reports.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let host = Host::this();
    let topology = match &args.topology {
        Some(path) => Some(topology::load(path)?),
        None => None,
    };
    let named = args.cores.as_ref().map(|list| list.0.clone());
    let scope = Scope::new(&host, named, topology);
    let mut findings = checks::run(&host, &scope);
    let usable: Cores = scope.cores.intersection(&host.allowed()).copied().collect();
    let mut measured = None;
    if args.seconds > 0.0 && !usable.is_empty() {
        let span = Duration::from_secs_f64(args.seconds);
        let result = measured::measure(&usable, span)?;
        findings.extend(measured::judge(&result));
        measured = Some(result);
    }
    if let Some(path) = &args.html {
        std::fs::write(path, html::page(&findings, measured.as_ref()))
            .map_err(ToolError::host(format!("write {}", path.display())))?;
    }
    if args.json {
        let object = serde_json::json!({
            "findings": findings,
            "measured": measured,
            "cores": scope.cores,
        });
        println!("{object}");
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print!("{}", print::report(&findings, measured.as_ref(), colour));
    }
    Ok(exit_code(&findings))
}

/// The exit code for the worst finding.
pub fn exit_code(findings: &[Finding]) -> ExitCode {
    let worst = findings.iter().map(|finding| finding.severity).max();
    ExitCode::from(match worst {
        Some(Severity::Error) => 3,
        Some(Severity::Warning) => 2,
        _ => 0,
    })
}

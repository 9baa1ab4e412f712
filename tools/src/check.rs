//! `check`: a topology file before it is used.

use crate::doctor::{Host, Scope, Severity, exit_code, run_plan};
use crate::error::Result;
use crate::topology;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Exit code: 0 right, 2 with warnings, 3 not possible on this host, 1 mistakes.

Examples:
  selvedge check fabric.toml             every mistake with its line and remedy
  selvedge check --example > fabric.toml a commented file to begin with
  selvedge doctor fabric.toml            the whole host, measured")]
pub struct CheckArgs {
    /// The topology file.
    #[arg(required_unless_present = "example")]
    file: Option<PathBuf>,
    /// Print a commented example instead.
    #[arg(long, conflicts_with = "file")]
    example: bool,
}

/// Checks a topology file, and whether this host can do what it says.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let Some(file) = &args.file else {
        print!("{}", topology::EXAMPLE);
        return Ok(ExitCode::SUCCESS);
    };
    let (topology, problems) = topology::load_with_warnings(file)?;
    for problem in &problems {
        println!("{}: {problem}", file.display());
    }
    println!(
        "{}: fabric `{}`, {} of rings, {} agents",
        file.display(),
        topology.name,
        crate::text::bytes(topology.ring_bytes()),
        topology.agents().len()
    );
    let host = Host::this();
    let findings = run_plan(&host, &Scope::new(&host, None, Some(topology)));
    let serious: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .collect();
    for finding in &serious {
        let word = match finding.severity {
            Severity::Error => "error",
            _ => "warning",
        };
        println!(
            "this host: {word}: {}: {} (expected {}); {}",
            finding.check, finding.found, finding.expected, finding.remedy
        );
    }
    if serious.is_empty() && problems.is_empty() {
        println!(
            "nothing to complain about; next: selvedge up {}",
            file.display()
        );
    }
    match (serious.is_empty(), problems.is_empty()) {
        (true, false) => Ok(ExitCode::from(2)),
        _ => Ok(exit_code(&findings)),
    }
}

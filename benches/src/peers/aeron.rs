//! Aeron IPC, measured by a program of its own: it needs build tools that nobody else needs.

use selvedge_measure::cores::unpin;
use selvedge_measure::scenario::{HandedOver, Kind, Measured, Plan, Scenario};
use selvedge_measure::{MeasureError, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program's name.
const BINARY: &str = "selvedge-bench-aeron";

/// Where the program is, or how to build it: `SELVEDGE_AERON` if that is set, else where
/// `cargo build --release --manifest-path benches/aeron/Cargo.toml` puts it.
pub fn aeron_binary() -> std::result::Result<PathBuf, String> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("aeron/target/release")
        .join(BINARY);
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.join(BINARY)));
    std::env::var_os("SELVEDGE_AERON")
        .map(PathBuf::from)
        .into_iter()
        .chain(beside)
        .chain([built])
        .find(|path| path.is_file())
        .ok_or_else(|| {
            "Aeron is left out: it is not built. Build it with `cargo build --release --manifest-path benches/aeron/Cargo.toml` (needs clang, libbsd-dev, uuid-dev and cmake 3.30 or later)".to_owned()
        })
}

/// Aeron IPC between two processes.
#[derive(Debug)]
pub struct AeronPeer {
    binary: PathBuf,
    kind: Kind,
    term_kib: usize,
    name: String,
}

impl AeronPeer {
    /// Latency, measured by the program `binary`.
    pub fn latency(binary: PathBuf) -> Self {
        AeronPeer {
            binary,
            kind: Kind::Latency,
            term_kib: 1024,
            name: "aeron".to_owned(),
        }
    }

    /// Throughput with terms of `term_kib` KiB, its ring's size so to speak.
    pub fn throughput(binary: PathBuf, term_kib: usize) -> Self {
        AeronPeer {
            binary,
            kind: Kind::Throughput,
            term_kib,
            name: format!("aeron/{term_kib}KiB"),
        }
    }
}

impl Scenario for AeronPeer {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> String {
        format!(
            "processes; IPC, exclusive publication, tryClaim, terms of {} KiB, not sparse and touched before, media driver and clients invoked from the loops instead of running threads",
            self.term_kib
        )
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, plan: &Plan) -> Result<Measured> {
        let what = match self.kind {
            Kind::Latency => "latency",
            Kind::Throughput => "throughput",
        };
        // The program inherits where it may run, and needs both cores.
        unpin()?;
        let output = Command::new(&self.binary)
            .arg(what)
            .arg(plan.cores.near.to_string())
            .arg(plan.cores.far.to_string())
            .arg(plan.warm_up.as_millis().to_string())
            .arg(plan.duration.as_millis().to_string())
            .arg(self.term_kib.to_string())
            .output()
            .map_err(|error| MeasureError::io(format!("run {}", self.binary.display()), error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = || {
            MeasureError::Child(format!(
                "{BINARY}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        };
        if !output.status.success() {
            return Err(failed());
        }
        text.lines()
            .last()
            .and_then(|line| serde_json::from_str::<HandedOver>(line).ok())
            .and_then(HandedOver::measured)
            .ok_or_else(failed)
    }
}

//! Every named step of publishing, sequencing, admission, leaving, snapshots, cursors, takeover and
//! the journal is once the last one of whoever takes it; afterwards every message is accounted for.
//!
//! The steps exist only in a program built with the feature `crash-points`: it is built here, into
//! a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The steps, and which time is the last.
const STEPS: &[&str] = &[
    "publish.written",
    "publish.described:20",
    "publish.published:50",
    "publish.in_group",
    "publish.in_group:7",
    "publish.in_group:30",
    "attach.ring_made",
    "attach.registration_written",
    "attach.registered",
    "consumer.written",
    "consumer.named",
    "consumer.granted",
    "cursor.read:3",
    "cursor.released:3",
    "sequence.begun:9",
    "sequence.written:9",
    "sequence.in_group:9",
    "sequence.in_group:10",
    "sequence.in_group:61",
    "sequence.published:9",
    "sequence.run:3",
    "sequence.consumed:3",
    "snapshot.begun",
    "snapshot.begun:2",
    "snapshot.filled",
    "snapshot.filled:2",
    "snapshot.written:2",
    "takeover.claimed",
    "takeover.moved",
    "takeover.recovered",
    "takeover.closed",
    "takeover.owned",
    "takeover.registry",
    "takeover.ready",
    "takeover.opened",
    "takeover.consumed",
    "admission.announced",
    "admission.before_entry",
    "admission.entered",
    "admission.consumer_held:4",
    "journal.block",
    "journal.block:4",
    "journal.segment_made",
    "journal.segment_named",
];

/// Steps that only the death of a producer leads to.
const LEAVING: &[&str] = &[
    "leaving.drained",
    "leaving.published",
    "leaving.ring_removed",
    "leaving.removed",
];

fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash-points");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "selvedge-tools"])
        .args(["--features", "crash-points", "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the program with crash points is built");
    target.join("debug/selvedge")
}

fn dies_and_balances(program: &Path, step: &str, faults: &[&str]) {
    let output = Command::new(program)
        .args(["torture", "--freezes", "0", "--json", "--crash-at", step])
        .args(faults)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{step}: {} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("a report in JSON");
    assert!(report["kills"].as_u64() > Some(0), "{step}: {report}");
    assert!(report["messages"].as_u64() > Some(0), "{step}: {report}");
}

#[test]
fn a_death_at_any_step_loses_and_repeats_nothing() {
    let program = program();
    for step in STEPS {
        dies_and_balances(&program, step, &["--kills", "0"]);
    }
    for step in LEAVING {
        dies_and_balances(&program, step, &["--kills", "4", "--roles", "producer"]);
    }
}

//! A short torture: a few hundred processes killed and frozen, every message accounted for.

use std::process::Command;

#[test]
fn nothing_is_lost_doubled_or_reordered_whoever_dies_or_freezes() {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["torture", "--kills", "300", "--freezes", "80"])
        .args(["--seed", "5", "--json", "--roles"])
        .arg("producer,sequencer,standby,audit,gating,observing,holding")
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("a report in JSON");
    assert_eq!(
        (&report["kills"], &report["freezes"]),
        (&300.into(), &80.into())
    );
    assert!(report["messages"].as_u64() > Some(10_000), "{report}");
}

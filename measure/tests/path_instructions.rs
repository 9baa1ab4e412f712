//! Instructions per message on the path, counted by callgrind and compared with the numbers
//! recorded beside this file. Nobody slows the path without seeing it here.
//!
//! After a change that is meant: `SELVEDGE_RECORD=1 cargo test -p selvedge-measure --test
//! path_instructions`, and commit the file with the change.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Messages that the program sends: many laps of the rings, so that what happens once a lap counts
/// with its share.
const MESSAGES: u64 = 64_000;

/// How far a count may be from the recorded one, as a share of it: what another host's C library
/// may change.
const TOLERANCE: f64 = 0.02;

/// And in instructions, for counts so small that the share is less.
const LEAST_TOLERANCE: f64 = 0.5;

/// The phases, the functions that are them, the length of runs (as many as the sequencer takes from
/// one ring in one pass, or single messages, as in a round trip), and how the program publishes.
const PHASES: [(&str, &str, u64, &str); 7] = [
    ("publish_run", "*Stepped::publish_run*", 64, "run"),
    ("claim_commit", "*Stepped::publish*", 64, "one by one"),
    ("sequence", "*Stepped::sequence*", 64, "one by one"),
    ("poll", "*Stepped::poll*", 64, "one by one"),
    ("claim_commit_single", "*Stepped::publish*", 1, "one by one"),
    ("sequence_single", "*Stepped::sequence*", 1, "one by one"),
    ("poll_single", "*Stepped::poll*", 1, "one by one"),
];

fn recorded_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/path_instructions.json")
}

/// Why it cannot be counted here.
fn missing() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the recorded numbers are for x86-64".to_owned());
    }
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) if output.status.success() => None,
        _ => Some("valgrind is not installed (apt-get install valgrind)".to_owned()),
    }
}

/// Builds the program as it is shipped, in the same target directory as this test.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    // <target>/<profile>/deps/<this test>
    let target = test
        .ancestors()
        .nth(3)
        .expect("a test lies in its target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--release", "--quiet", "-p", "selvedge-measure"])
        .args(["--example", "path_instructions", "--target-dir"])
        .arg(target)
        // Flags of this run (sanitizers, coverage) would be counted too.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("release/examples/path_instructions")
}

/// Instructions executed inside `function`, by callgrind's account.
fn count(program: &Path, function: &str, run: u64, how: &str) -> u64 {
    let directory = tempfile::tempdir().expect("a directory");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!(
            "--callgrind-out-file={}",
            directory.path().join("out").display()
        ))
        .arg(program)
        .args([MESSAGES.to_string(), run.to_string(), how.to_owned()])
        .output()
        .expect("valgrind runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.lines()
        .find_map(|line| line.split("Collected :").nth(1))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or_else(|| panic!("callgrind counted nothing: {text}"))
}

#[test]
fn the_path_takes_as_many_instructions_as_recorded() {
    if let Some(reason) = missing() {
        println!("SKIPPED: instructions on the path are not counted: {reason}");
        return;
    }
    let program = build();
    let counted: Vec<(&str, f64)> = PHASES
        .iter()
        .map(|&(name, function, run, how)| {
            let per_message = count(&program, function, run, how) as f64 / MESSAGES as f64;
            (name, (per_message * 100.0).round() / 100.0)
        })
        .collect();
    let path = recorded_path();
    if std::env::var_os("SELVEDGE_RECORD").is_some_and(|value| !value.is_empty()) {
        let phases: serde_json::Map<String, serde_json::Value> = counted
            .iter()
            .map(|&(name, number)| (name.to_owned(), number.into()))
            .collect();
        let text = serde_json::to_string_pretty(&phases).expect("numbers are JSON") + "\n";
        std::fs::write(&path, text).expect("the recorded numbers can be written");
        println!("recorded: {counted:?}");
        return;
    }
    let text = std::fs::read_to_string(&path).expect("the recorded numbers are there");
    let recorded: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
    let mut wrong = String::new();
    for (name, number) in counted {
        let before = recorded[name].as_f64().unwrap_or(0.0);
        println!("{name}: {number} instructions a message, {before} recorded");
        if (number - before).abs() > (before * TOLERANCE).max(LEAST_TOLERANCE) {
            wrong += &format!(
                "{name}: {number} instructions a message instead of {before} ({:+.1} %)\n",
                (number / before - 1.0) * 100.0
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "the path has changed:\n{wrong}If that is meant, record it: SELVEDGE_RECORD=1 cargo test -p selvedge-measure --test path_instructions"
    );
}

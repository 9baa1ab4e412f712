//! The demo from outside: the command, its JSON, its files.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Stage {
    base: tempfile::TempDir,
    files: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Stage {
            base: tempfile::tempdir_in("/dev/shm").expect("shared memory"),
            files: tempfile::tempdir().expect("a directory"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_selvedge"))
            .args(arguments)
            .env("SELVEDGE_DIR", self.base.path())
            .env("TMPDIR", self.files.path())
            .output()
            .expect("the command runs")
    }

    fn demo(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["demo", "--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(text.lines().last().expect("a last line")).expect("JSON")
    }

    /// Nothing of a fabric may be left, however the run ended.
    fn assert_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(self.base.path())
            .expect("the base directory")
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn sample_day() -> Option<PathBuf> {
    let data = std::env::var_os("SELVEDGE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = data.join("itch/nasdaq-2012-06-21-aapl-amzn-goog.itch50.gz");
    if path.exists() {
        Some(path)
    } else {
        println!(
            "skipped: {} is not there (set SELVEDGE_DATA)",
            path.display()
        );
        None
    }
}

fn assert_whole(day: &Value) {
    for nothing in ["lost", "duplicated", "reordered"] {
        assert_eq!(day[nothing], 0, "{nothing}: {day}");
    }
    assert_eq!(day["journal"]["verified"], true);
    assert_eq!(day["journal"]["frames"], day["sequenced"]);
    assert_eq!(day["state_hash"], day["replay_state_hash"]);
    assert_eq!(day["state_hash"].as_str().map(str::len), Some(64));
    assert!(day["orders"].as_u64() > Some(0), "{day}");
    // When an order comes too late is the host's choice, but where one thread steps them all.
    let placement = day["placement"].as_str().expect("the placement");
    if placement.starts_with("stepped") {
        assert!(day["fills"].as_u64() > Some(0), "{day}");
    }
    for hop in [
        "publish_to_sequenced",
        "sequenced_to_strategy",
        "tick_to_order",
    ] {
        for percentile in ["p50", "p99", "p99_9", "max"] {
            assert!(
                day["latency_ns"][hop][percentile].is_u64(),
                "{hop} {percentile}"
            );
        }
    }
}

#[test]
fn the_sample_day_runs_through_and_replays_to_the_same_state() {
    let Some(itch) = sample_day() else {
        return;
    };
    let itch = itch.to_str().expect("a plain path");
    let stage = Stage::new();
    let journal = stage.path("journal");
    let journal = journal.to_str().expect("a plain path");
    let bbo = stage.path("bbo.csv");
    let day = stage.demo(&[
        "--itch",
        itch,
        "--journal",
        journal,
        "--bbo",
        bbo.to_str().unwrap(),
    ]);
    assert_whole(&day);
    assert_eq!(day["messages"], 446_171);
    stage.assert_clean();

    // 227,268 adds, 160,083 deletes, 40,397 executions, 721 cancellations change a book.
    let lines = std::fs::read_to_string(&bbo)
        .expect("the file")
        .lines()
        .count();
    assert_eq!(lines, 1 + 227_268 + 160_083 + 40_397 + 721);

    for _ in 0..2 {
        let again = stage.demo(&["--replay", journal]);
        assert_eq!(again["replay_state_hash"], day["state_hash"]);
        assert_eq!(again["book_hash"], day["book_hash"]);
        assert_eq!(again["journal"]["digest"], day["journal"]["digest"]);
        assert_eq!(again["same"], true);
    }
    // The books depend on the feed alone, not on how the roles were placed.
    let stepped = stage.demo(&["--itch", itch, "--placement", "stepped"]);
    assert_whole(&stepped);
    assert_eq!(stepped["book_hash"], day["book_hash"]);
}

#[test]
fn every_placement_gives_a_whole_day() {
    let stage = Stage::new();
    let mut books = Vec::new();
    for placement in ["auto", "threads", "processes", "stepped"] {
        let day = stage.demo(&[
            "--messages",
            "30000",
            "--symbols",
            "3",
            "--placement",
            placement,
        ]);
        assert_whole(&day);
        assert_eq!(day["messages"], 30_000, "{placement}");
        books.push(day["book_hash"].clone());
    }
    books.dedup();
    assert_eq!(books.len(), 1, "the books depend on the feed alone");
    stage.assert_clean();
}

#[test]
fn two_stepped_runs_give_the_same_journal_and_another_seed_another() {
    let stage = Stage::new();
    let digest = |seed| {
        let day = stage.demo(&[
            "--messages",
            "20000",
            "--seed",
            seed,
            "--placement",
            "stepped",
        ]);
        assert_whole(&day);
        day["journal"]["digest"].clone()
    };
    let first = digest("5");
    assert_eq!(first, digest("5"));
    assert_ne!(first, digest("6"));
}

#[test]
fn a_truncated_file_is_named_with_its_offset_and_all_before_it_is_journaled() {
    let stage = Stage::new();
    let whole = stage.path("whole.itch50");
    let mut generator =
        selvedge_market::generator::Generator::new(selvedge_market::generator::GeneratorConfig {
            messages: 5_000,
            symbols: 2,
            ..Default::default()
        })
        .expect("a session");
    generator.write_to(&whole).expect("a file");
    let bytes = std::fs::read(&whole).expect("the file");
    let cut = stage.path("cut.itch50");
    std::fs::write(&cut, &bytes[..bytes.len() / 2 + 1]).expect("a file");
    let journal = stage.path("journal");
    let output = stage.run(&[
        "demo",
        "--json",
        "--itch",
        cut.to_str().unwrap(),
        "--journal",
        journal.to_str().unwrap(),
    ]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("cut.itch50") && error.contains("byte"),
        "{error}"
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let day: Value = serde_json::from_str(text.lines().last().expect("JSON")).expect("JSON");
    let messages = day["messages"].as_u64().expect("a count");
    assert!((2_000..5_000).contains(&messages), "{messages}");
    assert_eq!(day["lost"], 0);
    assert_eq!(day["state_hash"], day["replay_state_hash"]);
    stage.assert_clean();
}

#[test]
fn bad_input_is_an_error_that_says_what_to_do() {
    let stage = Stage::new();
    let empty = stage.path("empty.itch50");
    std::fs::write(&empty, []).expect("a file");
    let rubbish = stage.path("rubbish.itch50");
    std::fs::write(&rubbish, [0xFF; 1000]).expect("a file");
    let full = stage.path("full");
    std::fs::create_dir(&full).expect("a directory");
    std::fs::write(full.join("something"), []).expect("a file");
    for (arguments, expected) in [
        (vec!["--itch", "/nowhere/day.itch50"], "/nowhere/day.itch50"),
        (vec!["--itch", empty.to_str().unwrap()], "empty"),
        (vec!["--itch", rubbish.to_str().unwrap()], "byte"),
        (
            vec!["--messages", "5000", "--journal", full.to_str().unwrap()],
            "is not empty",
        ),
        (vec!["--messages", "5"], "messages"),
    ] {
        let output = stage.run(&[&["demo", "--json"], &arguments[..]].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        stage.assert_clean();
    }
}

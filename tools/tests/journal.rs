//! The journal's commands from outside, over the sample day.

use std::collections::BTreeMap;
use std::io::Read;
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

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_selvedge"))
            .args(arguments)
            .env("SELVEDGE_DIR", self.base.path())
            .output()
            .expect("the command runs")
    }

    /// What a command that must succeed prints.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        text
    }

    /// What a command that must fail says.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn sample_day() -> Option<PathBuf> {
    let data = std::env::var_os("SELVEDGE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = data.join("itch/nasdaq-2012-06-21-aapl-amzn-goog.itch50.gz");
    if !path.exists() {
        println!(
            "skipped: {} is not there (set SELVEDGE_DATA)",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// An add order of the ITCH file: exchange time, locate code, shares, price in 1/10,000.
struct Add {
    time: u64,
    locate: u16,
    shares: u32,
    price: u32,
}

/// The add orders and the names of locate codes, read from the ITCH file by its specification.
fn adds_of(itch: &Path) -> (Vec<Add>, BTreeMap<u16, String>) {
    let file = std::fs::File::open(itch).expect("the sample day");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .expect("gzip");
    let (mut adds, mut names) = (Vec::new(), BTreeMap::new());
    let mut at = 0;
    while at + 2 <= bytes.len() {
        let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let message = &bytes[at + 2..at + 2 + length];
        at += 2 + length;
        let number = |from: usize, count: usize| {
            message[from..from + count]
                .iter()
                .fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
        };
        match message[0] {
            b'R' => {
                let name = String::from_utf8_lossy(&message[11..19])
                    .trim_end()
                    .to_owned();
                names.insert(number(1, 2) as u16, name);
            }
            b'A' | b'F' => adds.push(Add {
                time: number(5, 6),
                locate: number(1, 2) as u16,
                shares: number(20, 4) as u32,
                price: number(32, 4) as u32,
            }),
            _ => {}
        }
    }
    (adds, names)
}

#[test]
fn the_sample_day_is_found_taken_out_and_proven() {
    let Some(itch) = sample_day() else {
        return;
    };
    let stage = Stage::new();
    let journal = stage.path("journal");
    stage.ok(&[
        "demo",
        "--itch",
        itch.to_str().unwrap(),
        "--journal",
        &journal,
        "--json",
    ]);
    let (adds, names) = adds_of(&itch);
    assert!(adds.len() > 200_000);

    // Every add order is in the stream; one second of one symbol at a price, by two ways.
    let second = 34_200_000_000_000..34_201_500_000_000_u64;
    let apple = |add: &&Add| names[&add.locate] == "AAPL";
    let expected: Vec<&Add> = adds
        .iter()
        .filter(apple)
        .filter(|add| add.price >= 5_850_000 && second.contains(&add.time))
        .collect();
    let field = {
        let info = stage.ok(&["journal", "info", &journal]);
        assert!(info.contains("market.add_order"), "{info}");
        "time_ns"
    };
    let condition = "symbol == \"AAPL\" && price >= 585.00";
    let found = stage.ok(&[
        "journal",
        "query",
        &journal,
        "--type",
        "add_order",
        "--where",
        condition,
        "--time-field",
        field,
        "--from",
        "09:30:00",
        "--to",
        "09:30:01.5",
    ]);
    let rows: Vec<serde_json::Value> = found
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(rows.len(), expected.len());
    for (row, add) in rows.iter().zip(&expected) {
        assert_eq!(row["fields"]["size"], add.shares);
        assert_eq!(row["fields"]["symbol_name"], "AAPL");
        let price = row["fields"]["price"].as_f64().unwrap();
        assert_eq!((price * 1e4).round() as u32, add.price);
    }
    // From the middle of the stream on, the names are known all the same.
    let first = rows[0]["sequence"].to_string();
    let from = format!("seq:{first}");
    let again = stage.ok(&[
        "journal", "query", &journal, "--from", &from, "--where", condition, "--limit", "1",
    ]);
    assert_eq!(again.lines().next(), found.lines().next());
    let dumped = stage.ok(&["journal", "dump", &journal, "--from", &from, "--to", &from]);
    assert!(
        dumped.contains("market.add_order") && dumped.contains("(AAPL)"),
        "{dumped}"
    );

    // A bad expression points at its column.
    let error = stage.fails(&[
        "journal",
        "query",
        &journal,
        "--where",
        "symbol == \"AAPL\" && prize > 5",
    ]);
    assert!(error.contains('^') && error.contains("prize"), "{error}");
    for (argument, value) in [
        ("--type", "nothing"),
        ("--from", "soon"),
        ("--source", "nobody"),
    ] {
        let error = stage.fails(&["journal", "query", &journal, argument, value]);
        assert!(error.contains(argument), "{error}");
    }

    // Export, read back by another program.
    let (csv, jsonl) = (stage.path("adds.csv"), stage.path("adds.jsonl"));
    for (format, file) in [("csv", &csv), ("jsonl", &jsonl)] {
        stage.ok(&[
            "journal",
            "export",
            &journal,
            "--type",
            "add_order",
            "--format",
            format,
            "--output",
            file,
        ]);
    }
    assert_eq!(
        std::fs::read_to_string(&csv).unwrap().lines().count(),
        adds.len() + 1
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_back.py");
    match Command::new("python3")
        .arg(script)
        .args([&csv, &jsonl])
        .output()
    {
        Ok(output) if output.status.code() == Some(77) => {
            println!("{}", String::from_utf8_lossy(&output.stdout));
        }
        Err(error) => println!("skipped: no python3 ({error})"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let lines: Vec<Vec<&str>> =
                text.lines().map(|line| line.split(' ').collect()).collect();
            let shares: u64 = adds.iter().map(|add| u64::from(add.shares)).sum();
            let price: u64 = adds.iter().map(|add| u64::from(add.price)).sum();
            for line in &lines[..2] {
                assert_eq!(line[0], adds.len().to_string());
                assert_eq!(line[1], shares.to_string());
                let sum: f64 = line[2].parse().unwrap();
                assert!((sum - price as f64 / 1e4).abs() < 0.5, "{sum} {price}");
            }
            assert_eq!(lines[0][3..], lines[1][3..]);
            assert!(lines[2][1].starts_with("TIMESTAMP"), "{:?}", lines[2]);
        }
    }

    // Proofs, the anchor of the end, state and digest.
    let proof = stage.path("proof");
    stage.ok(&[
        "journal",
        "prove",
        &journal,
        "--sequence",
        &first,
        "--output",
        &proof,
    ]);
    assert!(std::fs::metadata(&proof).unwrap().len() < 32 << 10);
    let checked = stage.ok(&["journal", "check-proof", &proof]);
    assert!(checked.contains(&format!("message {first} ")), "{checked}");
    let verified = stage.ok(&["journal", "verify", &journal]);
    let line = |front: &str| {
        let found = verified.lines().find_map(|line| line.strip_prefix(front));
        found
            .unwrap_or_else(|| panic!("{front} in {verified}"))
            .to_owned()
    };
    assert!(checked.contains(&line("root ")), "{checked}");
    stage.ok(&[
        "journal",
        "verify",
        &journal,
        "--expect-head",
        &line("head "),
    ]);
    stage.fails(&[
        "journal",
        "verify",
        &journal,
        "--expect-head",
        &"0".repeat(64),
    ]);
    let hash = |arguments: &[&str]| stage.ok(arguments).split(' ').next().unwrap().to_owned();
    let all = hash(&["journal", "state-hash", &journal]);
    assert_eq!(
        all,
        hash(&["journal", "state-hash", &journal, "--from", "seq:1"])
    );
    assert_ne!(
        all,
        hash(&["journal", "state-hash", &journal, "--from", "seq:2"])
    );
    assert_ne!(
        hash(&["journal", "digest", &journal]),
        hash(&["journal", "digest", &journal, "--to", "seq:1000"])
    );
    let kept = stage.ok(&[
        "journal",
        "retain",
        &journal,
        "--max-bytes",
        "1K",
        "--dry-run",
    ]);
    assert!(kept.contains("would go"), "{kept}");
}

#[test]
fn a_journal_is_replayed_into_a_live_fabric_with_its_old_sequences_beside() {
    let stage = Stage::new();
    let journal = stage.path("journal");
    stage.ok(&[
        "demo",
        "--messages",
        "2000",
        "--symbols",
        "2",
        "--journal",
        &journal,
        "--json",
    ]);
    stage.ok(&["create", "copy"]);
    let mut sequencer = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["sequencer", "copy"])
        .env("SELVEDGE_DIR", stage.base.path())
        .spawn()
        .expect("the sequencer starts");
    let second = stage.path("second");
    let mut record = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["journal", "record", "copy", &second])
        .env("SELVEDGE_DIR", stage.base.path())
        .spawn()
        .expect("the journal starts");
    while !Path::new(&second).is_dir() {
        std::thread::yield_now();
    }
    let told = stage.ok(&["replay", &journal, "--into", "copy", "--speed", "max"]);
    let told: u64 = told.split(' ').next().unwrap().parse().unwrap();
    assert!(told >= 2000);
    let _ = Command::new("kill")
        .args(["-TERM", &sequencer.id().to_string()])
        .status();
    sequencer.wait().expect("the sequencer ends");
    assert!(record.wait().expect("the journal ends").success());
    let types = |journal: &str| -> Vec<(serde_json::Value, serde_json::Value)> {
        let lines = stage.ok(&["journal", "query", journal]);
        lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .filter(|row| {
                !row["type"].as_str().unwrap().starts_with("selvedge.") && !row["fields"].is_null()
            })
            .map(|row| (row["type"].clone(), row["fields"].clone()))
            .collect()
    };
    assert_eq!(types(&journal), types(&second));
    let origins = stage.ok(&["journal", "query", &second, "--type", "selvedge.replayed"]);
    assert_eq!(origins.lines().count() as u64, told);
}
